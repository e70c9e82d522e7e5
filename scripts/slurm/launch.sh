# Sourced by the scripts beside it: starts one process a GPU on each machine of the job, which find each other on the first machine.
# Overlays go into FILES="'configs/volumes.yaml','configs/conversion.yaml'", an environment variable.

# launch ENTRY_POINT CONFIG_FILES OVERLAY DATASET_DIR OUTPUT_DIR [--key value ...]; OVERLAY, for several processes, comes last
launch() {
  local entry=$1 files=$2 overlay=$3 dataset_dir=$4 output_dir=$5
  shift 5
  files="[$files${FILES:+,$FILES},$overlay]"
  local first port
  first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  port=$((20000 + SLURM_JOB_ID % 10000)) # another one for each job, below those that systems give out themselves, from 32768
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun does not take it over from sbatch since SLURM 22.05
  srun --kill-on-bad-exit=1 python -m bundle.launch --nnodes "$SLURM_JOB_NUM_NODES" --nproc_per_node "${SLURM_GPUS_ON_NODE:-1}" \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$first:$port" \
    -m monai.bundle run "$entry" --config_file "$files" --dataset_dir "$dataset_dir" --output_dir "$output_dir" "$@" &
  wait $!
}

# Puts the job back into the queue at USR1, which SLURM sends before the time limit (--signal=B:USR1@120); what is complete stays.
requeue_at_limit() {
  trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
}
