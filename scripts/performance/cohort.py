"""What a cohort of volumes of 128x160x128 voxels would take on one GPU and on eight, computed from rates that were measured."""

MACHINES = ((1, 16), (8, 128))  # GPUs, and processor cores
PREPARATION = 8.7  # CPU seconds of a raw head of 200x240x220 voxels of 1 mm; docs/performance.md has its parts
STEP, BATCH = 0.1, 4  # seconds of a training iteration on one H200, and its scans
TRAINING_OVER_STEPS = 1.8  # time of a whole training over that of its iterations, on one H200
MAPS = 2 * 0.04  # seconds of 50 maps of a scan in both views on one H200
VOXEL = 2  # bytes of a stored voxel, float16
SIZE = (128, 160, 128)  # voxels of a stored scan
EPOCHS = 32  # of the default training; each shows every scan once


def describe_cohort(scans: int) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of a table.

    The rates of the H200 are of an earlier version of this bundle with the same networks. Several GPUs are taken for as many
    times as fast, and reading and writing for free.

    Args:
        scans: size of the cohort.

    Raises:
        ValueError: When there is no scan.
    """
    if scans < 1:
        raise ValueError(f"--scans must be at least 1, got {scans}")
    steps = EPOCHS * scans / BATCH
    size = scans * VOXEL * SIZE[0] * SIZE[1] * SIZE[2]
    rows = [
        [
            f"preparation of raw heads, {PREPARATION:g} CPU s each",
            *(_write(scans * PREPARATION / cores) for _, cores in MACHINES),
        ],
        [f"store, float16, {size / scans / 1e6:.1f} MB each", *(f"{size / 1e9:.0f} GB" for _ in MACHINES)],
        [
            f"training, {EPOCHS} epochs, its iterations of batch {BATCH} alone",
            *(_write(steps * STEP / gpus) for gpus, _ in MACHINES),
        ],
        ["training, with what is beside them", *(_write(steps * STEP * TRAINING_OVER_STEPS / gpus) for gpus, _ in MACHINES)],
        ["50 maps of each scan, both views, without reading and writing", *(_write(scans * MAPS / gpus) for gpus, _ in MACHINES)],
    ]
    return [f"{scans:,} volumes", *(f"{gpus} GPU{'s' * (gpus > 1)}, {cores} processor cores" for gpus, cores in MACHINES)], rows


def _write(seconds: float) -> str:
    """Return a time in hours, or in minutes below two hours."""
    return f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"
