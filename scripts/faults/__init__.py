"""Faults on purpose, and what they cost."""
