"""Trained networks in other runtimes: TorchScript, ONNX and torch.export, each compared with PyTorch."""

from bundle.export.exporter import Exporter
from bundle.export.parts import Part, split_network

__all__ = ["Exporter", "Part", "split_network"]
