"""Measurements of time and memory on synthetic scans; `scripts/benchmark.py` runs them."""
