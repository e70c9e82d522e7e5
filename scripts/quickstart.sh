#!/usr/bin/env bash
# From nothing to a report: environment, simulated cohort, short training, maps of a folder of scans, evaluation.
# Usage: bash scripts/quickstart.sh [key of the training config, such as --max_epochs 2, ...]     (OUTPUT=FOLDER for another folder, DATA=FOLDER for another cohort)
set -euo pipefail
source "$(dirname "$0")/environment.sh"
output=${OUTPUT:-output/quickstart} data=${DATA:-data/lesions}
network=$output/train/model.pt
evaluate="['configs/train.yaml','configs/evaluate.yaml']"

step() { printf '\n== %s\n' "$1"; }
run() { python -W ignore -m monai.bundle run "$@"; }

step "1/4 Cohort and training"
run training --config_file "['configs/train.yaml','configs/quickstart.yaml']" --dataset_dir "$data" --output_dir "$output" "$@"
step "2/4 Maps of a folder of scans"
python scripts/copy_scans.py "$data" "$output/scans"
run --config_file configs/inference.yaml --checkpoint "$network" --dataset_dir "$output/scans" --output_dir "$output/maps" --resume False
step "3/4 Evaluation on the test split"
run evaluation --config_file "$evaluate" --checkpoint "$network" --dataset_dir "$data" --output_dir "$output"
step "4/4 Report"
run report --config_file "$evaluate" --checkpoint "$network" --dataset_dir "$data" --output_dir "$output"
