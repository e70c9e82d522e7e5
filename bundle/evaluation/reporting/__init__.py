"""Tables and files of an evaluation."""

from bundle.evaluation.reporting.results import Results
from bundle.evaluation.reporting.tables import FIGURES, format_figure, pivot_figures, pivot_maps, show_interval, show_number

__all__ = ["FIGURES", "Results", "format_figure", "pivot_figures", "pivot_maps", "show_interval", "show_number"]
