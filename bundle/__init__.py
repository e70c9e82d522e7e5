"""ICAM for MONAI: classification of brain scans with voxel-wise feature attribution maps and their uncertainty.

Source: Bass et al., NeurIPS 2020 (https://arxiv.org/abs/2006.08287).
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE if (_PACKAGE / "configs").is_dir() else _PACKAGE.parent  # installed; or a checkout, or a bundle of MONAI's zoo
CONFIGS = _ROOT / "configs"
MODELS = _ROOT / "models"
