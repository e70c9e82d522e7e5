"""The authors' public code (https://github.com/CherBass/ICAM, MIT licence), read from a checkout and run as it is.

Three of its lines are changed while it is read: noise goes to the device of its input, where a GPU was meant; the attribute has
the shape that fits the image, of whatever size; and the last kernel of the content discriminator is no larger than what it reads,
where volumes are small. Modules that load data are replaced by empty ones.
"""

import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

STRIDE = 16  # of the attribute
CONTENT_STRIDE, LAST_KERNEL = 32, 4  # of what the last layer of the content discriminator reads, and its size there
MODULES = ("model_utils", "networks", "networks_3d", "model", "options")  # in the order in which they import each other


def load_modules(checkout: str | Path, size: Sequence[int]) -> None:
    """Make the modules of networks and steps importable.

    Args:
        checkout: folder of the checkout.
        size: voxels along each axis of an image.

    Raises:
        FileNotFoundError: When the folder is no checkout.
    """
    shape = ", ".join(str(side // STRIDE) for side in size)
    kernel = min(LAST_KERNEL, *(side // CONTENT_STRIDE for side in size))
    sys.modules["dataloader_utils"] = ModuleType("dataloader_utils")
    vars(sys.modules["dataloader_utils"]).update(torch=torch, np=np)  # which others take from it
    for name in MODULES:
        path = Path(checkout) / f"{name}.py"
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: --reference takes a checkout of CherBass/ICAM")
        code = path.read_text().replace(".cuda(device)", ".to(device)")
        code = re.sub(r"x\.size\(0\), 1, 8, (?:10, )?8\)", f"x.size(0), 1, {shape})", code)
        code = code.replace(f"kernel_size={LAST_KERNEL}, stride=1, padding=0)", f"kernel_size={kernel}, stride=1, padding=0)")
        sys.modules[name] = ModuleType(name)
        exec(compile(code, str(path), "exec"), vars(sys.modules[name]))


class Reference:
    """The authors' model, with the options that their training has by default.

    Args:
        checkout: folder of the checkout.
        size: voxels along each axis of an image, multiples of 16.
        batch_size: scans of a batch, half of each class.
    """

    def __init__(self, checkout: str | Path, size: Sequence[int], batch_size: int) -> None:
        load_modules(checkout, size)
        defaults = sys.modules["options"].TrainOptions().parser.parse_args([])
        size_of_attribute = prod(side // STRIDE for side in size)
        changes = {"device": "cpu", "batch_size": batch_size, "data_dim": f"{len(size)}d", "nz": size_of_attribute}
        self.options = Namespace(**vars(defaults) | changes)
        self.model: Any = sys.modules["model"].ICAM(self.options)
        self.model.setgpu("cpu")
        self.model.initialize()
        self.model.train()

    def step(self, image: Tensor, classes: Tensor, anomaly: bool = True) -> None:
        """Update discriminators, encoders and generator.

        Args:
            image: scans, shape (B, 1, H, W[, D]), first those of class 0.
            classes: one-hot classes, shape (B, 2).
            anomaly: whether autograd looks for anomalies, as the code is shipped.
        """
        with torch.autograd.set_detect_anomaly(anomaly, check_nan=anomaly):
            self.model.update_D(self.options, image, classes, torch.zeros(len(image), 1))
            self.model.update_EG(self.options)

    def explain(self, image: Tensor, num_samples: int) -> None:
        """Make mean and standard deviation of the maps of one scan of class 0."""
        with torch.no_grad():
            self.model.test_forward_random_group(image, torch.tensor([[1.0, 0.0]]), num_samples)
