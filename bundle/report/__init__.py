"""The report of a run: one HTML page, complete in itself."""

from bundle.report.page import Report, check_evaluated

__all__ = ["Report", "check_evaluated"]
