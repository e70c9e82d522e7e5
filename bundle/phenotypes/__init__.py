"""What the sampled maps of a class vary in: modes, clusters, and the place of each scan among them."""

from bundle.phenotypes.modes import Modes, find_modes
from bundle.phenotypes.phenotypes import Phenotypes

__all__ = ["Modes", "Phenotypes", "find_modes"]
