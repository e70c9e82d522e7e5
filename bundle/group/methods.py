"""What was done, in words to copy."""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from bundle.group.design import Comparison
from bundle.group.maps import MapReader, MapStack
from bundle.group.testing import Correction
from bundle.inference.methods import name_network, name_reference

PACKAGES = ("nilearn", "numpy", "scipy", "nibabel", "scikit-learn")
REFERENCES = {
    "fdr": ["Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289 (1995)"],
    "max_t": ["Nichols and Holmes, Hum. Brain Mapp. 15, 1 (2002)"],
    "tfce": ["Smith and Nichols, NeuroImage 44, 83 (2009)", "Nichols and Holmes, Hum. Brain Mapp. 15, 1 (2002)"],
}
COMMON = ["Bass et al., NeurIPS 2020 (ICAM)", "Abraham et al., Front. Neuroinform. 8, 14 (2014) (nilearn)"]
PERMUTED = "Winkler et al., NeuroImage 92, 381 (2014)"


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the figures depend on."""
    return {"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES}


def write_methods(
    comparisons: Sequence[Comparison],
    stack: MapStack,
    reader: MapReader,
    correction: Correction,
    covariates: Sequence[str],
    settings: Mapping[str, Any],
    network: Mapping[str, Any],
) -> str:
    """Return a paragraph on the methods.

    Args:
        comparisons: the questions; those with a note were not tested.
        stack: maps of the scans.
        reader: how they were read.
        correction: control of multiple comparisons.
        covariates: how each is used, in words.
        settings: of the inference, as it has recorded them.
        network: that has made the maps, as the inference has recorded it; empty where it has not.
    """
    draws = f", each the mean of {settings['num_samples']} draws" if "num_samples" in settings else ""
    weights = f" (weights {settings['weights']})" if "weights" in settings else ""
    made = f"ICAM, network {name_network(network)}" if network else f"ICAM{weights}"
    reference = name_reference(settings) if "reference" in settings else "a reference"
    smooth = f"smoothed by a Gaussian of {reader.smoothing_fwhm:g} mm FWHM" if reader.smoothing_fwhm else "not smoothed"
    mask = (
        f"the voxels of {reader.mask}"
        if reader.mask
        else f"voxels in which at least {100 * reader.foreground_share:g} % of the scans have foreground"
    )
    versions = ", ".join(f"{name} {number}" for name, number in list_versions().items())
    return " ".join([
        f"Feature attribution maps of {len(stack.scans)} scans were made by {made}{draws}: translated scan minus"
        f" {reference}, in network intensity, in which a scan has a range of 2. They were {smooth}.",
        *describe_tests(comparisons, f"{mask}, {stack.mask.sum()} voxels", correction, covariates),
        *(f"Caution: {sentence}." for sentence in list_cautions(network)),
        f"Software: {versions}.",
        f"References: {'; '.join(list_references(correction if any(not item.note for item in comparisons) else None))}.",
    ])  # fmt: skip


def describe_tests(comparisons: Sequence[Comparison], mask: str, correction: Correction, covariates: Sequence[str]) -> list[str]:
    """Return sentences on the tests that were made; where there was none, that and why.

    Args:
        comparisons: the questions; those with a note were not tested.
        mask: voxels of the tests, in words.
        correction: control of multiple comparisons.
        covariates: how each is used, in words.
    """
    tested = [item for item in comparisons if not item.note]
    if not tested:
        reasons = "; ".join(f"{item.title} ({describe_counts(item)}): {item.note}" for item in comparisons)
        return [f"Means were taken in {mask}.", f"Nothing was tested: {reasons}."]
    ways = ["maps of a direction were tested against zero (one-sample t-test)"] * any(item.is_mean for item in tested)
    pairs = "maps of two groups were tested against each other (two-sample t-test, equal variances)"
    ways += [pairs] * any(not item.is_mean for item in tested)
    alone = "" if len(tested) == 1 else f", not over the {len(tested)} tests"
    return [
        f"Tests were made in {mask}: {'; '.join(f'{item.title} ({describe_counts(item)})' for item in tested)}.",
        f"In a linear model in each voxel, two-sided, {', and '.join(ways)}.",
        f"Covariates, centred: {'; '.join(covariates)}." if covariates else "There were no covariates.",
        "Effect sizes are Cohen's d (the estimate over the residual standard deviation).",
        describe_correction(correction),
        f"Each test was corrected over its voxels{alone}.",
    ]


def list_cautions(network: Mapping[str, Any]) -> list[str]:
    """Return what the file of the network gives reason to doubt, in sentences without a full stop.

    Args:
        network: as the inference has recorded it; empty where it has not.
    """
    if not network:
        return ["The results do not say on which scans the network was trained: the command of inference, given again, adds it"]
    return list(network["Cautions"])


def describe_correction(correction: Correction) -> str:
    """Return the control of multiple comparisons in a sentence or two."""
    if correction.method == "fdr":
        return f"The false discovery rate was controlled at {correction.alpha:g} by the procedure of Benjamini and Hochberg."
    statistic = (
        "|t|"
        if correction.method == "max_t"
        else "threshold-free cluster enhancement (E = 0.5, H = 2, 100 steps, neighbours by faces)"
    )
    return (
        f"The family-wise error was controlled at {correction.alpha:g} by the distribution of the largest {statistic} over"
        f" {correction.num_permutations} random permutations (signs of the maps for one sample, residuals after"
        f" the covariates for two; seed {correction.seed}), by nilearn's permuted_ols."
    )


def list_references(correction: Correction | None) -> list[str]:
    """Return the sources to cite; those of the networks and the maps alone where nothing was tested."""
    if correction is None:
        return COMMON[:]
    return [*COMMON, *REFERENCES[correction.method], *([PERMUTED] if correction.method != "fdr" else [])]


def describe_counts(comparison: Comparison) -> str:
    """Return how many scans a test has, in words."""
    if comparison.is_mean:
        return f"n = {len(comparison.members)}"
    return " and ".join(f"n = {count} {name}" for name, count in comparison.counts.items())
