"""Tests of maps voxel by voxel, by nilearn, with control of multiple comparisons."""

from typing import NamedTuple

import nibabel
import numpy as np
from nilearn.maskers import NiftiMasker
from nilearn.mass_univariate import permuted_ols
from scipy import stats
from scipy.special import comb

CORRECTIONS = {
    "fdr": "false discovery rate (Benjamini-Hochberg, p-values of the t distribution)",
    "max_t": "family-wise, permutation of the largest |t|",
    "tfce": "family-wise, permutation of the largest threshold-free cluster enhancement",
}
FLAT = 1e-10  # share of a voxel's mean square that its residuals must exceed
ROUNDING = 1e-9  # of logarithms, by which p may exceed alpha


class VoxelTest(NamedTuple):
    """Answer of a test in each voxel, each of shape (V,); 0 in voxels without spread.

    Attributes:
        estimate: mean, or difference of the groups, at the mean of the covariates; network intensity.
        t: t statistic.
        effect_size: estimate over the residual standard deviation: Cohen's d, partial where there are covariates.
        logp: minus decimal logarithm of the corrected p-value, two-sided.
        significant: whether p is at most alpha, bool.
        degrees_of_freedom: of t.
    """

    estimate: np.ndarray
    t: np.ndarray
    effect_size: np.ndarray
    logp: np.ndarray
    significant: np.ndarray
    degrees_of_freedom: int


class Correction:
    """Control of multiple comparisons over the voxels of a test. All tests are two-sided.

    Sources: Benjamini and Hochberg, J. R. Stat. Soc. B 1995; Nichols and Holmes, Hum. Brain Mapp. 2002 (largest t); Smith and
    Nichols, NeuroImage 2009 (TFCE); Winkler et al., NeuroImage 2014 (permutation with covariates, after Freedman and Lane).

    Args:
        method: one of `CORRECTIONS`.
        num_permutations: number of them, for `max_t` and `tfce`.
        alpha: share of false positives that is accepted, above 0, below 1.
        seed: fixes the permutations.

    Raises:
        ValueError: When a setting is not accepted, or so few permutations cannot give a p-value of alpha.
    """

    def __init__(self, method: str = "max_t", num_permutations: int = 1000, alpha: float = 0.05, seed: int = 0) -> None:
        if method not in CORRECTIONS:
            raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}, got {method}")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be above 0 and below 1, got {alpha}")
        if method != "fdr" and 1 / (num_permutations + 1) > alpha:
            raise ValueError(
                f"num_permutations must be at least {int(np.ceil(1 / alpha - 1))} for alpha = {alpha}, got {num_permutations}"
            )
        self.method, self.num_permutations, self.alpha, self.seed = method, num_permutations, alpha, seed

    def find_least(self, counts: dict[str, int]) -> float:
        """Return the smallest p-value that a test can give, by the number of its different permutations.

        Args:
            counts: scans of each group.
        """
        if self.method == "fdr":
            return 0.0
        total, first = sum(counts.values()), next(iter(counts.values()))
        different = 2.0**total if len(counts) == 1 else comb(total, first)
        doubled = 2 if len(counts) == 1 or 2 * first == total else 1  # permutations that turn all signs give the same largest |t|
        return max(doubled / different, 1 / (self.num_permutations + 1))


def run_test(
    values: np.ndarray, tested: np.ndarray, covariates: np.ndarray, correction: Correction, mask: np.ndarray
) -> VoxelTest:
    """Test whether maps have a mean of zero, or differ between two groups.

    Args:
        values: maps, shape (n, V).
        tested: 1 for each map, or 1 and 0 for those of the first and the second group, shape (n,).
        covariates: orthonormal columns with mean 0, shape (n, k).
        correction: control of multiple comparisons.
        mask: where the voxels are, shape (X, Y, Z), V of them true.
    """
    two_groups = tested.min() != tested.max()
    design = np.column_stack([tested, covariates, np.ones((len(tested), int(two_groups)))])
    degrees = len(tested) - design.shape[1]
    factor = np.linalg.inv(design.T @ design)[0, 0]  # variance of the estimate, in residual variances
    values = values.astype(np.float64)
    weights = np.linalg.pinv(design)
    coefficients = weights @ values
    residual = ((values - design @ coefficients) ** 2).sum(axis=0)
    usable = residual > FLAT * (values**2).sum(axis=0)
    filled = np.zeros((4, values.shape[1]))  # estimate, t, effect size, logp
    filled[0] = coefficients[0]
    if usable.any():
        inside = mask.copy()
        inside[mask] = usable
        filled[1, usable], filled[3, usable] = _run(values[:, usable], tested, covariates, correction, degrees, inside)
        filled[2] = filled[1] * np.sqrt(factor)
    significant = usable & (filled[3] >= -np.log10(correction.alpha) - ROUNDING)
    return VoxelTest(filled[0], filled[1], filled[2], filled[3], significant, degrees)


def _run(
    values: np.ndarray, tested: np.ndarray, covariates: np.ndarray, correction: Correction, degrees: int, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return t and minus the logarithm of corrected p, each of shape (V,)."""
    is_tfce = correction.method == "tfce"
    answer = permuted_ols(
        tested[:, None],
        values,
        np.ascontiguousarray(covariates) if covariates.shape[1] else None,
        n_perm=0 if correction.method == "fdr" else correction.num_permutations,
        two_sided_test=True,
        random_state=correction.seed,
        masker=_make_masker(mask) if is_tfce else None,
        tfce=is_tfce,
    )
    t = answer["t"][0]
    if correction.method == "fdr":
        p = stats.false_discovery_control(2 * stats.t.sf(np.abs(t), degrees))
        return t, -np.log10(p.clip(np.finfo(float).tiny))
    return t, answer[f"logp_max_{'tfce' if is_tfce else 't'}"][0]


def _make_masker(mask: np.ndarray) -> NiftiMasker:
    """Return a masker of the box around a mask: less than a third of the time of the whole grid."""
    box = tuple(slice(places.min(), places.max() + 1) for places in np.nonzero(mask))
    return NiftiMasker(nibabel.Nifti1Image(mask[box].astype(np.uint8), np.eye(4))).fit()
