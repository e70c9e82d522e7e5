#!/usr/bin/env bash
# Serve trained networks with MONAI Label, on this machine only. Ctrl-C stops it.
# Usage: bash scripts/serve.sh [--model NAME CHECKPOINT [OVERLAY ...]] ...      (PORT=8001 for another port; docs/serving.md)
#        bash scripts/serve.sh --only_install
set -euo pipefail
source "$(dirname "$0")/environment.sh"
host=${HOST:-127.0.0.1} port=${PORT:-8000}
app=$(realpath -m "${APP:-output/serving-$port}")
stamp=.venv-serve/.installed-$(sha256sum < scripts/serving/requirements.txt | cut -c1-16)
if [ ! -f "$stamp" ]; then # MONAI Label alone, on top of .venv: scans are explained by the same releases as elsewhere
  echo "Setting up .venv-serve (a minute, once)"
  python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "MONAI Label starts with Python 3.11 only: make .venv with it"; exit 1; }
  python -m venv --clear .venv-serve
  printf '%s\n' "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" "$root" "$root/scripts/serving" \
    > .venv-serve/lib/python3.11/site-packages/bundle.pth
  .venv-serve/bin/pip install --quiet --disable-pip-version-check --no-deps -r scripts/serving/requirements.txt
  .venv-serve/bin/python -W ignore -c 'import uvicorn, monailabel.main, monailabel.app, monailabel.tasks.infer.bundle' > /dev/null \
    || { echo "Error: MONAI Label cannot be imported from .venv-serve"; exit 1; }
  touch "$stamp"
fi
[ "${1:-}" != --only_install ] || exit 0
if (: < "/dev/tcp/$host/$port") 2> /dev/null; then echo "Error: port $port is in use: choose another one with PORT" >&2; exit 1; fi
python -W ignore scripts/serving/layout.py "$app" "$@"
export TMPDIR="$app/temporary" PYTHONWARNINGS=ignore
exec .venv-serve/bin/python -m monailabel.main start_server --app "$app" --studies "$app/studies" --host "$host" --port "$port" \
  --uvicorn_app server:app
