"""ICAM for MONAI: classification of brain scans with voxel-wise feature attribution maps and their uncertainty.

    import bundle
    network = bundle.load("conversion")
    explanation = network.explain("sub-01_T1w.nii.gz")

Source: Bass et al., NeurIPS 2020 (https://arxiv.org/abs/2006.08287).
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bundle.explanation import Explanation
    from bundle.trained_network import TrainedNetwork, load

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE.parent if (_PACKAGE.parent / "configs" / "train.yaml").is_file() else _PACKAGE  # checkout, or installed
CONFIGS = _ROOT / "configs"  # YAML files of the bundle
MODELS = _ROOT / "models"  # weights that come with it
SHIPPED: dict[str, tuple[str, tuple[str, ...]]] = {  # networks of MODELS, and the overlays that they were trained with
    "lesions": ("model.pt", ()),
    "conversion": ("conversion.pt", ("volumes", "conversion")),
    "ageing": ("ageing.pt", ("volumes", "ageing")),
}
_MODULES = {"Explanation": "explanation", "TrainedNetwork": "trained_network", "load": "trained_network"}  # where names are
__all__ = ["CONFIGS", "MODELS", "SHIPPED", "Explanation", "TrainedNetwork", "load"]


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is first used: `import bundle` alone stays quick."""
    if name in _MODULES:
        return getattr(import_module(f"bundle.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
