"""Cohorts with exact ground truth: lesions on real anatomies, and squares on noise."""
