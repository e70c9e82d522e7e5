#!/usr/bin/env bash
# Build the pages into docs/_build/html; the examples run while they are built. A warning is an error.
# Usage: bash scripts/docs.sh [option of sphinx-build, such as -D sphinx_gallery_conf.plot_gallery=0 for no examples, ...]
set -euo pipefail
cd "$(dirname "$0")/.."
# Where the active Python has what is needed nothing is installed.
python -c "import bundle, furo, myst_parser, sphinx_gallery" 2>/dev/null || { extras=docs,prepare; source scripts/environment.sh; }
export PYTHONPATH=$PWD OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} PYTHONWARNINGS=ignore MPLBACKEND=Agg # the code of this checkout
python -m sphinx -W --keep-going -q -b html "$@" docs docs/_build/html
echo "docs/_build/html/index.html"
