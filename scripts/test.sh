#!/usr/bin/env bash
# Set up the environment and run all checks and tests. Arguments go to pytest: scripts/test.sh -m "not slow"
# Usage: [jobs=2] bash scripts/test.sh        (tests at the same time, file by file)
set -euo pipefail
extras=dev
source "$(dirname "$0")/environment.sh"
ruff check bundle scripts tests
ruff format --check --quiet bundle scripts tests
mypy
lint-imports
export OMP_NUM_THREADS=1 # of each process
pytest -n "${jobs:-2}" --dist loadfile --no-loadscope-reorder --durations 40 "$@" # in the order of tests/conftest.py
