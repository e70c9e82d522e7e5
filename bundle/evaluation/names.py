"""The names that the tables of an evaluation use: protocols, methods and their kinds, metrics and columns."""

import pandas as pd

COLUMNS = (
    "cohort", "split", "protocol", "method", "direction", "metric", "mean", "std", "ci_low", "ci_high", "n",
)  # fmt: skip
PAPER, PAIRED = "paper", "paired"  # protocols of maps
PAIRS, REGIONS, AGES = "pairs", "regions", "ages"  # protocols of other figures; those of classes have none
UNCERTAINTY = "uncertainty"
DELETION, RANDOMISATION, COUNTERFACTUAL = "deletion", "randomisation", "counterfactual"  # protocols of faithfulness

METRICS = ("ncc_image", "ncc_brain")  # over the whole image; inside the brain mask of the scan. One of them is the headline
MAP_METRICS = (*METRICS, "auprc", "pointing")  # and those against the extent of the truth, over the whole image
FAITHFULNESS = {  # metrics that are means over scans, by protocol
    DELETION: ("deletion", "insertion"),
    RANDOMISATION: ("randomisation_ncc",),
    COUNTERFACTUAL: ("effectiveness", "change_outside", "composition_error", "reversibility_error", "ssim"),
}

NETWORK_METHODS = ("exemplar_reconstruction", "exemplar_input", "sampled_reconstruction", "sampled_input")
OWN_METHODS = ("longitudinal", "to_age")  # maps of the network as well, that take a scan or an age of the same participant
TRIVIAL_METHODS = ("image", "image_minus_mean", "image_minus_random", "image_minus_reference", "noise")
ORACLES = ("oracle", "oracle_expected")
CLASSIFIER = "classifier"  # a network's own predictions

WAYS = ("exemplar", "sampled")  # kinds of map, each with its own truth and table
KINDS = {
    **{method: method.partition("_")[0] for method in NETWORK_METHODS},
    **dict.fromkeys(OWN_METHODS, "exemplar"),
    "oracle": "exemplar",
    "oracle_expected": "sampled",
}
AGAINST_CHANGE = "_vs_change"  # ends the names of maps of both kinds in a second row, against the truth of the sampled maps


def find_kind(method: str) -> str:
    """Return the kind of a map: that of `KINDS`, else "both", as of trivial and post-hoc maps, which take no attribute."""
    return KINDS.get(method, "both")


def select_kind(metrics: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on one kind of map: its own, those of both and the exact change, against the same truths.

    Methods lose the ending of their names that says what they are compared with.
    """
    maps = metrics[metrics["metric"].isin(MAP_METRICS)]
    names = maps["method"].str.removesuffix(AGAINST_CHANGE)
    second = maps["method"] != names
    wanted = second if kind == "sampled" else ~second
    kinds = names.map(find_kind)
    both = (kinds == "both") & ((maps["protocol"] == PAPER) | wanted)
    return maps.assign(method=names)[both | (kinds == kind)]
