"""Pages for the scans of an inference or evaluation, with a viewer: they open from the disk and need no network."""

from bundle.viewer.evaluation_pages import EvaluationPages
from bundle.viewer.pages import Pages, read_pages

__all__ = ["EvaluationPages", "Pages", "read_pages"]
