"""The command `icam`: short words for what `python -m monai.bundle run` does with the configs of the bundle."""

from bundle.command_line.main import main

__all__ = ["main"]
