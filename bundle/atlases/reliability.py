"""How reliably networks of the bundle draw the change of brain regions, as far as the exact change is known."""

ATLAS = "regions"  # that was measured with
LEAST = 0.5  # correlation below which a region is not to be reported

_MIRRORED = {  # maps over both views, docs/regions.md; over test scans of both directions: seen, unseen anatomies
    ("lateral-ventricle", "left"): (0.95, 0.97),
    ("lateral-ventricle", "right"): (0.95, 0.98),
    ("hippocampus", "left"): (0.89, 0.92),
    ("hippocampus", "right"): (0.85, 0.85),
    ("amygdala", "left"): (0.78, 0.51),
    ("amygdala", "right"): (0.77, 0.77),
    ("frontal", "left"): (0.70, 0.74),
    ("frontal", "right"): (0.68, 0.75),
    ("parietal", "left"): (0.77, 0.81),
    ("parietal", "right"): (0.72, 0.74),
    ("temporal", "left"): (0.71, 0.85),
    ("temporal", "right"): (0.76, 0.74),
    ("occipital", "left"): (0.81, 0.87),
    ("occipital", "right"): (0.80, 0.81),
}
_ONE_VIEW = {  # the same, maps of one view
    ("lateral-ventricle", "left"): (0.95, 0.97),
    ("lateral-ventricle", "right"): (0.95, 0.98),
    ("hippocampus", "left"): (0.85, 0.90),
    ("hippocampus", "right"): (0.81, 0.84),
    ("amygdala", "left"): (0.73, 0.65),
    ("amygdala", "right"): (0.75, 0.70),
    ("frontal", "left"): (0.29, 0.37),
    ("frontal", "right"): (0.69, 0.76),
    ("parietal", "left"): (0.73, 0.76),
    ("parietal", "right"): (0.71, 0.75),
    ("temporal", "left"): (0.71, 0.85),
    ("temporal", "right"): (0.76, 0.72),
    ("occipital", "left"): (0.80, 0.87),
    ("occipital", "right"): (0.79, 0.81),
}
_MEASURED: dict[str, dict[int | None, dict[tuple[str, str], tuple[float, float]]]] = {
    "1ce83a0cdf96a748": {0: _MIRRORED, None: _ONE_VIEW}
}  # by `bundle.checkpoints.hash_weights`


def find_reliability(weights: str | None, atlas: str, mirror_axis: int | None, shift: int) -> dict[tuple[str, str], float]:
    """Return the correlation of the mean change that a network draws in a region with the exact one, by region and side.

    It is the lower one of seen and unseen anatomies, over simulated scans of both directions.

    Args:
        weights: hash of the network's weights; None where it is not known.
        atlas: its name.
        mirror_axis: axis of the mirrored view, None for one view.
        shift: voxels of the shifted views, 0 for none.

    Returns:
        Correlations; none of a network, atlas or views that were not measured.
    """
    known = _MEASURED.get(weights or "", {}) if atlas == ATLAS and not shift else {}
    measured = known.get(mirror_axis, {})
    return {region: min(values) for region, values in measured.items()}
