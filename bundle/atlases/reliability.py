"""How reliably networks of the bundle draw the change of brain regions, as far as the exact change is known."""

ATLAS = "regions"  # that was measured with
LEAST = 0.5  # correlation below which a region is not to be reported

_CONVERSION = {  # docs/regions.md; over test scans of both directions: seen, unseen anatomies
    ("lateral-ventricle", "left"): (0.94, 0.96),
    ("lateral-ventricle", "right"): (0.95, 0.94),
    ("hippocampus", "left"): (0.82, 0.85),
    ("hippocampus", "right"): (0.66, 0.37),
    ("amygdala", "left"): (0.72, 0.60),
    ("amygdala", "right"): (0.50, 0.31),
    ("frontal", "left"): (-0.63, -0.65),
    ("frontal", "right"): (-0.86, -0.78),
    ("parietal", "left"): (0.76, 0.74),
    ("parietal", "right"): (0.38, 0.21),
    ("temporal", "left"): (0.45, 0.90),
    ("temporal", "right"): (0.26, -0.15),
    ("occipital", "left"): (0.76, 0.81),
    ("occipital", "right"): (0.31, 0.50),
}
_MEASURED = {"0d2b18c3f7f54c9c": _CONVERSION}  # by `bundle.checkpoints.hash_weights`


def find_reliability(weights: str | None, atlas: str) -> dict[tuple[str, str], float]:
    """Return the correlation of the mean change that a network draws in a region with the exact one, by region and side.

    It is the lower one of seen and unseen anatomies, over simulated scans of both directions.

    Args:
        weights: hash of the network's weights; None where it is not known.
        atlas: its name.

    Returns:
        Correlations; none of a network or atlas that was not measured.
    """
    measured = _MEASURED.get(weights or "", {}) if atlas == ATLAS else {}
    return {region: min(values) for region, values in measured.items()}
