#!/usr/bin/env bash
# Set up the environment and run all checks and tests. Arguments go to pytest: scripts/test.sh -m "not slow"
set -euo pipefail
source "$(dirname "$0")/environment.sh" requirements-dev.txt
ruff check bundle scripts tests
mypy
lint-imports
pytest "$@"
