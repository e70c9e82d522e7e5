"""What a trained network gives for one scan: classes and attribution maps, to look at, plot and save."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from monai.data import MetaTensor
from monai.utils.enums import CommonKeys as Keys

from bundle.atlases import LEAST_OVERLAP, THRESHOLD, Placed, check_place, load_atlas, measure_changes
from bundle.data.geometry import VERTICAL
from bundle.data.intensities import BACKGROUND
from bundle.data.resampling import ResampleToGrid
from bundle.files import check_writable, make_nifti
from bundle.inference.explained_scans import list_warnings, take_array, write_explanation
from bundle.inference.overview import Overview, name_class
from bundle.inference.results import make_volume


class Explanation:
    """Classes and feature attribution maps of one scan.

    Images are nibabel images on the scan's own grid. A map's values are differences of intensities, where the scan's range is 2;
    `fa_variance` is in their square; translated scans are in the intensities of the scan. An image that was not computed is None.

    Args:
        item: scan after the postprocessing of `configs/inference.yaml`.
        scan: the scan itself.
        overview: draws the picture, and has the names of the classes.
    """

    def __init__(self, item: dict[str, Any], scan: nibabel.spatialimages.SpatialImage, overview: Overview) -> None:
        self.item, self.scan, self.name = item, scan, str(item["name"])
        self.overview, self.class_names = overview, overview.class_names
        self.warnings: list[str] = list_warnings(item)  # what is doubtful about the scan, in sentences
        result = item["result"]
        self.probabilities: np.ndarray = np.asarray(result["probabilities"])  # of the classes in order, 0 control, shape (K,)
        self.predicted_class: int = result["predicted_class"]
        self.target_class: int = result["target_class"]  # class that the scan is translated to
        self.typicality: float | None = result.get("typicality")  # p-value: small for scans unlike those of the training
        self.predicted_age: float | None = result.get("predicted_age")  # years; of networks with regression
        self.translated_age: float | None = result.get("translated_age")  # years, regressed from `translated_value`
        self.fa_mean = self._image(Keys.PRED)
        self.fa_variance = self._image("fa_variance")
        self.fa_low, self.fa_high = self._image("fa_low"), self._image("fa_high")  # ends of the conformal intervals
        self.fa_exemplar = self._image("fa_exemplar")
        self.fa_value = self._image("fa_value")
        self.translated = self._image("translated")
        self.translated_value = self._image("translated_value")

    def plot(self) -> Figure:
        """Draw the scan, its translation and its maps beside each other, on the network's grid.

        Returns:
            Figure of pyplot, which notebooks show.
        """
        figure = plt.figure()
        self.overview.draw(figure, self.item)
        return figure

    def save(self, output_dir: str | Path, overview: bool = True, name: str | None = None) -> list[Path]:
        """Write the files that inference writes for a scan: `NAME_fa_mean.nii.gz`, ..., `NAME_overview.png`.

        Args:
            output_dir: folder to write to; made when absent. Files of the same name there are replaced.
            overview: whether the picture is written.
            name: NAME; None for the scan's own, which is "scan" for arrays.

        Returns:
            Paths of the files.

        Raises:
            OSError: When they cannot be written; then none of them is left.
            ValueError: When the name is no name of a file.
        """
        if name is not None and (not isinstance(name, str) or not name or Path(name).name != name):
            raise ValueError(f"name must be the name of a file without a folder, such as sub-01, got {name!r}")
        folder = Path(output_dir).expanduser()
        check_writable(folder)
        return write_explanation({**self.item, "name": name or self.name}, folder, self.overview if overview else None)

    def measure_regions(
        self, atlas: str | Path = "regions", threshold: float = THRESHOLD, least_overlap: float = LEAST_OVERLAP
    ) -> pd.DataFrame:
        """Return how much the mean map changes each brain region, for scans in MNI space and prepared heads.

        Args:
            atlas: one of "regions", "aal", "aal3", "hcpex", or the file of a label image with a table of names beside it.
            threshold: magnitude above which a voxel's change counts into the volume, network intensity.
            least_overlap: Dice's coefficient of the brains of the scan and of MNI152 from which on the scan is taken.

        Returns:
            One row a region and side, with the columns of `regions.tsv`: `region`, `side`, `mean`, `extreme`, `volume_ml`,
            `region_ml`.

        Raises:
            ValueError: When the scan does not lie in MNI space, or there is no such atlas.
        """
        assert self.fa_mean is not None
        grid = self.item[Keys.IMAGE]  # the network's, whose trace leads from the map's voxels to its world
        trace = next(step["extra_info"] for step in grid.applied_operations if step["class"] == ResampleToGrid.__name__)
        affine, edges = np.asarray(trace["affine"], dtype=np.float64), np.asarray(self.fa_mean.affine)
        if "transform" in self.item:
            seen = make_volume((grid.as_tensor()[0] > BACKGROUND).numpy())
            check_place(Placed(seen, grid.affine.numpy(), edges), least_overlap)
        else:
            check_place(Placed(make_volume(np.asarray(self.scan.dataobj)), affine, edges), least_overlap)
        change = Placed(make_volume(np.asarray(self.fa_mean.dataobj)), affine, edges)
        plane = float(grid.affine[VERTICAL, 3]) if grid.ndim == 3 else None  # of a network of slices
        return measure_changes(change, load_atlas(str(atlas)), threshold, plane)

    def __repr__(self) -> str:
        predicted, target = (name_class(label, self.class_names) for label in (self.predicted_class, self.target_class))
        chance = self.probabilities[self.predicted_class]
        return f"Explanation({self.name}: {predicted} (probability {chance:.2f}), translated to {target})"

    def _image(self, key: str) -> nibabel.Nifti1Image | None:
        image: MetaTensor | None = self.item.get(key)
        return None if image is None else make_nifti(*take_array(image))
