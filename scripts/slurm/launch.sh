# Sourced by the scripts beside it: starts one process a GPU on each machine of the job, which find each other on the first machine.
# Overlays go into FILES="'configs/volumes.yaml','configs/conversion.yaml'", an environment variable.

# launch ENTRY_POINT CONFIG_FILES DATASET_DIR OUTPUT_DIR [--key value ...]
launch() {
  local entry=$1 files=$2 dataset_dir=$3 output_dir=$4
  shift 4
  if [ -n "${FILES:-}" ]; then files="${files%]},$FILES]"; fi
  local first port
  first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  port=$((20000 + SLURM_JOB_ID % 20000)) # another one for each job
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  srun --kill-on-bad-exit=1 python -m bundle.launch --nnodes "$SLURM_JOB_NUM_NODES" --nproc_per_node "${SLURM_GPUS_ON_NODE:-1}" \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$first:$port" \
    -m monai.bundle run "$entry" --config_file "$files" --dataset_dir "$dataset_dir" --output_dir "$output_dir" "$@"
}
