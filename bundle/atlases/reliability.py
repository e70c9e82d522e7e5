"""How reliably networks of the bundle draw the change of brain regions, as far as the exact change is known."""

ATLAS = "regions"  # that was measured with
LEAST = 0.5  # correlation below which a region is not to be reported

_CONVERSION = {  # docs/regions.md; over test scans of both directions: seen, unseen anatomies
    ("lateral-ventricle", "left"): (0.95, 0.96),
    ("lateral-ventricle", "right"): (0.97, 0.97),
    ("hippocampus", "left"): (0.85, 0.84),
    ("hippocampus", "right"): (0.86, 0.68),
    ("amygdala", "left"): (0.88, 0.60),
    ("amygdala", "right"): (0.43, 0.71),
    ("frontal", "left"): (0.07, -0.41),
    ("frontal", "right"): (0.73, 0.29),
    ("parietal", "left"): (0.84, 0.79),
    ("parietal", "right"): (0.77, 0.72),
    ("temporal", "left"): (0.56, 0.87),
    ("temporal", "right"): (0.79, 0.82),
    ("occipital", "left"): (0.33, 0.65),
    ("occipital", "right"): (0.74, 0.75),
}
_MEASURED = {"fe284e6bbc13cc71": _CONVERSION}  # by `bundle.checkpoints.hash_weights`


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
