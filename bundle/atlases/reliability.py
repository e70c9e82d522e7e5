"""How reliably networks of the bundle draw the change of brain regions, as far as the exact change is known."""

ATLAS = "regions"  # that was measured with
LEAST = 0.5  # correlation below which a region is not to be reported

_CONVERSION = {  # docs/regions.md; over test scans of both directions: seen, unseen anatomies
    ("lateral-ventricle", "left"): (0.94, 0.97),
    ("lateral-ventricle", "right"): (0.94, 0.97),
    ("hippocampus", "left"): (0.82, 0.90),
    ("hippocampus", "right"): (0.72, 0.83),
    ("amygdala", "left"): (0.59, 0.37),
    ("amygdala", "right"): (0.73, 0.78),
    ("frontal", "left"): (0.54, 0.63),
    ("frontal", "right"): (0.70, 0.76),
    ("parietal", "left"): (0.71, 0.75),
    ("parietal", "right"): (0.69, 0.74),
    ("temporal", "left"): (0.73, 0.86),
    ("temporal", "right"): (0.80, 0.77),
    ("occipital", "left"): (0.75, 0.84),
    ("occipital", "right"): (0.77, 0.82),
}
_MEASURED = {"7200cda9a3d75a8e": _CONVERSION}  # by `bundle.checkpoints.hash_weights`


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
