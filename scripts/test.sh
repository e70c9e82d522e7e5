#!/usr/bin/env bash
# Set up the environment and run all checks and tests. Arguments go to pytest: scripts/test.sh -m "not slow"
set -euo pipefail
requirements=requirements-dev.txt
source "$(dirname "$0")/environment.sh"
ruff check bundle scripts tests
mypy
lint-imports
pytest "$@"
