"""The report of a run: one HTML page, complete in itself."""

from bundle.report.page import Report

__all__ = ["Report"]
