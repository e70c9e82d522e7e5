"""Comparison of methods: every one trained and scored on the same scans, under the same budget, with several seeds."""

from bundle.benchmark.benchmark import Benchmark

__all__ = ["Benchmark"]
