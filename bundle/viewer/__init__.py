"""Pages for the scans of an inference, with a viewer: they open from the disk and need no network."""

from bundle.viewer.pages import Pages, read_pages

__all__ = ["Pages", "read_pages"]
