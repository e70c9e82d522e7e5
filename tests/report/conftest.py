"""The tiny cohort and network of these tests."""

from tests.tiny_cohort import make_cohort, make_network

__all__ = ["make_cohort", "make_network"]
