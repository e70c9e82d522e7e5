"""
Explain one scan
================

Question: to which class does a scan belong, and what would have to change for it to belong to another one?
"""

# %%
# The brain that comes with the package is a volume. The network of simulated conversion explains it.
# It has seen simulated brains only: of a real brain it shows that the path works, no more.

from pathlib import Path

import bundle

scan = Path(bundle.__file__).parent / "simulation" / "colin27" / "ch2bet.nii.gz"
network = bundle.load("conversion")
explanation = network.explain(scan, num_samples=5)
print(explanation)
