#!/usr/bin/env bash
# Evaluates a network on the GPUs of several machines: sbatch scripts/slurm/evaluate.sh DATASET_DIR OUTPUT_DIR --checkpoint FILE [--key value ...]
# Submit it from the root of the bundle, with the environment active.
#SBATCH --job-name=icam-evaluate
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source scripts/slurm/launch.sh
requeue_at_limit
launch evaluation "'configs/train.yaml','configs/evaluate.yaml'" "'configs/multi_gpu_evaluate.yaml'" "$@"
