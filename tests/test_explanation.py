"""What is given for one scan: files, plot, and forms of the maps."""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pytest

from bundle.trained_network import TrainedNetwork


def test_files_are_those_of_the_command(trained_network: TrainedNetwork, scans: Path, tmp_path: Path) -> None:
    explanation = trained_network.explain(scans / "sub-0.nii.gz", 2)
    paths = explanation.save(tmp_path / "maps")
    named = explanation.save(tmp_path / "maps", overview=False, name="other")
    for wrong in ("../escaped", str(tmp_path / "escaped"), 3, ""):
        with pytest.raises(ValueError, match="name must be the name of a file without a folder"):
            explanation.save(tmp_path / "maps", name=wrong)
    assert named[0].read_bytes() == paths[0].read_bytes() and named[0].name == "other_fa_mean.nii.gz"
    images = ("fa_mean", "fa_variance", "translated", "fa_draws", "translated_steps")
    assert [path.name for path in paths] == [*(f"sub-0_{image}.nii.gz" for image in images), "sub-0_overview.png"]
    np.testing.assert_array_equal(nibabel.load(paths[0]).get_fdata(), explanation.fa_mean.get_fdata())


def test_a_plot_has_a_titled_panel_and_a_legend_with_unit_for_each_image(trained_network: TrainedNetwork, scans: Path) -> None:
    figure = trained_network.explain(scans / "sub-0.nii.gz", 2).plot()
    panels, legends = figure.axes[:4], figure.axes[-4:]
    assert all(axes.get_title() for axes in panels)
    assert all("intensity" in axes.get_xlabel() for axes in legends)
    assert len(figure.axes) == 4 * (2 if len(trained_network.network.attribute_encoder.image_size) == 2 else 4)
    plt.close(figure)


@pytest.mark.parametrize("code", [0, 2])
def test_maps_have_the_forms_of_their_scan_and_doubts_are_warned_of(
    trained_network: TrainedNetwork, scans: Path, code: int
) -> None:
    image = nibabel.load(scans / "sub-0.nii.gz")
    image.set_qform(image.affine, 3)
    image.set_sform(image.affine, code)
    image.set_qform(image.affine * np.array([[1.1], [1.1], [1.1], [1]]), 3, update_affine=True)
    nibabel.save(image, scans / "forms.nii.gz")
    for scan in (scans / "forms.nii.gz", nibabel.load(scans / "forms.nii.gz")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explanation = trained_network.explain(scan, 2)
        assert any("sform and qform differ" in str(warning.message) for warning in caught) == (code > 0)
        assert any("sform and qform differ" in sentence for sentence in explanation.warnings) == (code > 0)
        for read in ("get_sform", "get_qform"):
            found, expected = (getattr(each, read)(coded=True) for each in (explanation.fa_mean, explanation.scan))
            np.testing.assert_equal(found, expected)
