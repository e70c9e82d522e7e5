#!/usr/bin/env bash
# From nothing to a report: environment, simulated cohort, short training, evaluation, maps of a folder of scans.
# Usage: bash scripts/quickstart.sh [key of the training config, such as --max_epochs 2, ...]     (OUTPUT=FOLDER for another folder)
set -euo pipefail
source "$(dirname "$0")/environment.sh"
output=${OUTPUT:-output/quickstart}
scans=$output/scans

step() { printf '\n== %s\n' "$1"; }
bundle() { python -W ignore -m monai.bundle run "$@" --output_dir "$output" --logging_file configs/logging.conf; }

step "1/4 Cohort and training"
bundle training --config_file "['configs/train.yaml', 'configs/quickstart.yaml']" "$@"
step "2/4 Maps of a folder of scans"
python scripts/copy_scans.py data/lesions "$scans"
python -W ignore -m monai.bundle run --config_file configs/inference.yaml --logging_file configs/logging.conf \
  --checkpoint "$output/train/model.pt" --dataset_dir "$scans" --output_dir "$output/maps"
step "3/4 Evaluation on the test split"
bundle evaluation --config_file configs/evaluate.yaml --checkpoint "$output/train/model.pt"
step "4/4 Report"
bundle report --config_file configs/evaluate.yaml --checkpoint "$output/train/model.pt"
