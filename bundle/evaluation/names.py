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

SPLITS = {"seen": "Seen anatomies", "unseen": "Unseen anatomies", "test": "Test scans"}  # as headings
TITLES = {  # names in the words of the field, for readers; all others are read with spaces for underscores
    "exemplar_reconstruction": "exemplar map",
    "exemplar_input": "exemplar map, against the input",
    "sampled_reconstruction": "mean of sampled maps",
    "sampled_input": "mean of sampled maps, against the input",
    "longitudinal": "attribute of the own other scan",
    "to_age": "translation to the target age",
    "oracle": "exact change (ceiling)",
    "oracle_expected": "expected exact change (ceiling)",
    "image": "image itself (floor)",
    "image_minus_mean": "image - mean (floor)",
    "image_minus_random": "image - random scan (floor)",
    "image_minus_reference": "image - reference (floor)",
    "noise": "noise (floor)",
    "probe_attribute": "linear probe of the attribute",
    "probe_content": "linear probe of the content",
    "probe_content_pooled": "linear probe of the pooled content",
    "probe_content_kernel": "kernel probe of the content",
    "probe_content_network": "network probe of the content",
    "sampled_mixture": "draws from the class distribution",
    "sampled_prior": "draws from N(0, I)",
    "sampled_training": "attributes of training scans",
    "regressor": "age regression",
    "training_mean": "mean age of the training split (floor)",
    "measure": "volume measure",
    "grad_cam": "Grad-CAM",
    "guided_grad_cam": "guided Grad-CAM",
    "guided_backprop": "guided backpropagation",
    "gradient_shap": "Gradient SHAP",
    "deep_lift": "DeepLIFT",
    "smooth_grad": "SmoothGrad",
    "layer_wise_relevance": "layer-wise relevance propagation",
    "vagan": "VA-GAN",
    "ncc": "NCC",
    "ncc_minus": "NCC(-)",
    "ncc_plus": "NCC(+)",
    "agreement": "agreement of mirrored views",
    "value_error": "error of the regressed value",
    "kl": "KL divergence",
    "map": "FA map",
    "reconstruction_l1": "reconstruction, L1",
    "ncc_image": "NCC, whole image",
    "ncc_brain": "NCC, inside the brain",
    "auprc": "AUPRC",
    "pointing": "pointing game",
    "auc": "AUC",
    "f1": "F1",
    "calibration_error": "expected calibration error",
    "calibration_error_by_chance": "calibration error by chance",
    "mae": "mean absolute error, years",
    "r2": "R²",
    "map_of_converters": "mean absolute map of converters",
    "map_of_repeats": "mean absolute map of repeat scans",
    "repeat_ratio": "repeat scans over converters",
    "volume_correlation": "ventricle change, correlation with the true one",
    "volume_ratio": "ventricle change over the true one",
    "mean_ncc": "NCC of the mean map",
    "error_correlation": "correlation of SD and error",
    "spread_correlation": "correlation with the true SD between subjects",
    "randomisation_ncc": "NCC after shuffling the weights",
    "change_outside": "change outside the truth",
    "ssim": "SSIM",
    "kid": "KID",
}


def in_words(name: str) -> str:
    """Return a name of `metrics.csv` in the words of the field; an ending in brackets, such as a direction, stays."""
    base, bracket, rest = name.partition(" (")
    return TITLES.get(base, base.replace("_", " ")) + bracket + rest


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
