#!/usr/bin/env bash
# Explains scans on the GPUs of several machines: sbatch scripts/slurm/infer.sh DATASET_DIR OUTPUT_DIR [--key value ...]
# Submit it from the root of the bundle, with the environment active.
# Started again, or requeued as at the time limit, it goes on with the scans that are not done.
#SBATCH --job-name=icam-infer
#SBATCH --nodes=2
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
launch evaluating "'configs/inference.yaml'" "'configs/multi_gpu_inference.yaml'" "$@"
