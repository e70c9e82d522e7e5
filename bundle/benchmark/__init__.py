"""Comparison of methods: every one trained and scored on the same scans, under the same budget, with several seeds."""

from bundle.benchmark.benchmark import Benchmark
from bundle.benchmark.plan import Plan
from bundle.benchmark.publication import Publication
from bundle.benchmark.runner import Runner

__all__ = ["Benchmark", "Plan", "Publication", "Runner"]
