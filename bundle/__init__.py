"""ICAM for MONAI: classification of brain scans with voxel-wise feature attribution maps and their uncertainty.

Source: Bass et al., NeurIPS 2020 (https://arxiv.org/abs/2006.08287).
"""
