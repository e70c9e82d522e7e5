#!/usr/bin/env bash
# Trains on the GPUs of several machines: sbatch scripts/slurm/train.sh DATASET_DIR OUTPUT_DIR [--key value ...]
# Submit it from the root of the bundle, with the environment active.
# Started again, or requeued as at the time limit, it goes on from state.pt.
#SBATCH --job-name=icam-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
set -euo pipefail
source scripts/slurm/launch.sh
requeue_at_limit
launch training "'configs/train.yaml'" "'configs/multi_gpu_train.yaml'" "$@"
