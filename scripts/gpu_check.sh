#!/usr/bin/env bash
# Compare a GPU with the processor, and time a training iteration on it: bash scripts/gpu_check.sh [DEVICE]
# Takes the environment .venv where there is one, else the Python of the machine with the packages of constraints.txt in it.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d .venv ] && export PATH="$PWD/.venv/bin:$PATH"
PYTHONPATH="$PWD:$PWD/scripts${PYTHONPATH:+:$PYTHONPATH}" exec python -W ignore scripts/gpu_check.py "$@"
