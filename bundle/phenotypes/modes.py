"""Principal modes of maps, and the attributes that lead along them."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

NOISE = 1e-12  # share of the maps' mean square below which variance is rounding


class Modes(NamedTuple):
    """Directions in which maps vary most; scores have mean 0 and standard deviation 1 over the draws.

    Attributes:
        pca: principal components of the maps, V voxels each, M of them.
        attribute: mean of the drawn attributes, shape (N,).
        slopes: change of the attribute when a score grows by 1, shape (M, N).
    """

    pca: PCA
    attribute: np.ndarray
    slopes: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of the maps' variance along each mode, shape (M,)."""
        return self.pca.explained_variance_ratio_

    def score(self, maps: np.ndarray) -> np.ndarray:
        """Return the scores of maps of shape (B, V), shape (B, M)."""
        return self.pca.transform(maps) / np.sqrt(self.pca.explained_variance_)

    def list_attributes(self, score: float) -> np.ndarray:
        """Return the attribute that is expected where one score has a value and the others are 0, for each mode, (M, N)."""
        return self.attribute + score * self.slopes


def find_modes(maps: np.ndarray, attributes: np.ndarray, num_modes: int) -> Modes:
    """Find the directions in which maps with drawn attributes vary most.

    The components are those of the maps, not of the attributes: directions of large variance in the latent space may change
    nothing that can be seen, and the decoder is not linear. Each mode is led back to the attributes by linear regression on its
    score, so that a picture of it is decoded.

    Args:
        maps: map of each draw on the same scan, shape (D, V).
        attributes: the draws, shape (D, N).
        num_modes: modes that are kept, M; fewer where the maps vary in fewer directions.

    Raises:
        ValueError: When all maps are the same.
    """
    least = NOISE * float(np.square(maps).sum(1).mean())  # variance of rounding
    if not maps.var(0).sum() > least:
        raise ValueError("maps with different attributes of the class are all the same: there are no phenotypes")
    pca = PCA(min(num_modes, len(maps) - 1, maps.shape[1]), svd_solver="full").fit(maps)
    kept = int((pca.explained_variance_ > least).sum())
    if kept < pca.n_components_:
        return find_modes(maps, attributes, kept)
    modes = Modes(pca, attributes.mean(0), np.zeros((kept, attributes.shape[1])))
    return modes._replace(slopes=modes.score(maps).T @ (attributes - modes.attribute) / (len(maps) - 1))
