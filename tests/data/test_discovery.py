"""Which files of a folder are scans."""

import os
from pathlib import Path

import pytest

from bundle.data.discovery import Discovery, find_scan_files, find_source, is_label_image


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found_in(folder: Path, **options) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_scan_files(folder, **options)]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII.GZ", ".mgz", ".mgh", ".mnc", ".nrrd"])
def test_every_ending_that_is_read_is_found_in_any_case(tmp_path: Path, ending: str) -> None:
    assert found_in(touch(tmp_path, f"a{ending}", "notes.txt")) == [f"a{ending}"]


def test_a_pair_of_header_and_image_is_one_scan(tmp_path: Path) -> None:
    assert found_in(touch(tmp_path, "a.img", "a.hdr", "B.IMG", "b.hdr")) == ["B.IMG", "a.img"]


def test_what_is_hidden_or_left_by_systems_is_no_scan(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    touch(tmp_path, "a.nii", "._a.nii", ".git/annex/objects/x/key.nii", "@eaDir/a.nii", "__MACOSX/a.nii", "b/._c.nii", "b/c.nii")
    assert found_in(tmp_path) == ["a.nii", "b/c.nii"]
    assert "5 left out: hidden, or left behind by a system (first: ._a.nii)" in caplog.text


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        *((stem, True) for stem in (
            "mask", "T1_mask", "brainmask_fs", "sub-1_desc-brain_mask", "sub-1_dseg", "aparc+aseg", "T1-seg", "LesionMask",
            "sub-1_label-GM_probseg", "mask.first", "mask01", "BrainMask1", "labels", "lesion_label", "sub1_segmentation",
            "parcellation", "atlas", "sub-01_roi1", "c1T1", "c2T1", "wc1sub-01_T1w", "T1_pve_0", "T1_seg_1")),
        *((stem, False) for stem in (
            "unmasked_T1w", "sub-maskell", "sub-mask", "sub-mask_ses-mask_T1w", "t1_masked", "maskell", "segovia_01",
            "sub-1_desc-unmasked_T1w", "sub-1_acq-mask_T1w", "unmask1", "labelled_01", "unlabelled", "atlassian", "c1", "c1_T1",
            "c10T1", "control1", "rc", "sub-c1T1")),
    ],
)  # fmt: skip
def test_whole_words_make_a_mask(stem: str, expected: bool) -> None:
    assert is_label_image(stem) == expected


def test_links_to_folders_are_followed_once_and_loops_are_not(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    folder = touch(tmp_path, "in/z/a.nii", "elsewhere/b.nii") / "in"
    for name, target in (("loop", ".."), ("self", "."), ("again", "z"), ("other", "../elsewhere"), ("twice", "../elsewhere")):
        (folder / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to("../in")
    assert found_in(folder) == ["other/b.nii", "z/a.nii"]
    assert "5 left out: links to a folder that holds them, or that is read under another name" in caplog.text


def test_links_keep_their_own_names_and_dead_ones_are_found(tmp_path: Path, caplog) -> None:
    touch(tmp_path, ".store/key-without-ending")
    (tmp_path / "a.nii").symlink_to(".store/key-without-ending")
    (tmp_path / "b.nii.gz").symlink_to("nowhere")
    (tmp_path / "folder").symlink_to("nowhere")
    assert found_in(tmp_path) == ["a.nii", "b.nii.gz"]
    assert "1 left out: links to what is not there (first: folder)" in caplog.text


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch, caplog) -> None:
    touch(tmp_path, "a.nii", "closed/b.nii")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found_in(tmp_path) == ["a.nii"]
    assert "1 left out: folders that cannot be read (permission denied) (first: closed)" in caplog.text


def test_images_of_other_endings_are_counted_in_a_warning(tmp_path: Path, caplog) -> None:
    assert found_in(touch(tmp_path, "a.nii", "b.dcm", "c.nii.bz2", "d.json", "e.img.gz", "f.nii.zip")) == ["a.nii"]
    assert "4 left out: images of an ending that is not read (first: b.dcm)" in caplog.text


BIDS = ("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_run-2_T1w.nii")
OTHERS = (
    "sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_desc-brain_mask.nii.gz", "sub-01/anat/sub-01_label-GM_probseg.nii.gz",
    "sub-01/func/sub-01_task-rest_bold.nii.gz", "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz", "template.nii.gz",
)  # fmt: skip


@pytest.mark.parametrize("described", [False, True])
def test_of_bids_the_scans_of_one_contrast_are_taken(tmp_path: Path, described: bool, caplog) -> None:
    caplog.set_level("INFO")
    touch(tmp_path, *BIDS, *OTHERS)
    if described:
        (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    assert found_in(tmp_path) == list(BIDS)
    assert "2 left out: folders that the layout has no scans in (first: derivatives)" in caplog.text
    assert "1 left out: not where BIDS has its scans (first: template.nii.gz)" in caplog.text or described
    assert "1 left out: not named *_T1w.* (first: sub-01/anat/sub-01_T2w.nii.gz)" in caplog.text
    assert "2 left out: masks, probability maps or label images" in caplog.text
    assert found_in(tmp_path, suffix="T2w") == [OTHERS[0]]
    assert len(found_in(tmp_path, suffix=None)) == len(found_in(tmp_path, suffix="all")) == 6
    assert found_in(tmp_path / "sub-02") == ["ses-1/anat/sub-02_ses-1_run-2_T1w.nii"]


def test_of_bids_what_was_made_from_a_scan_beside_it_is_left_out(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    scans = ["sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_run-1_T1w.nii.gz"]
    derived = ["sub-01/ses-1/anat/sub-01_ses-1_desc-change_T1w.nii", "sub-01/ses-2/anat/sub-01_ses-2_run-1_desc-a+b_T1w.nii.gz"]
    alone = ["sub-01/ses-2/anat/sub-01_ses-2_run-2_desc-change_T1w.nii.gz", "sub-02/anat/sub-02_desc-preproc_T1w.nii.gz",
             "sub-02/anat/sub-02_space-MNI_desc-preproc_T1w.nii.gz"]  # fmt: skip
    touch(tmp_path, *scans, *derived, *alone)
    assert found_in(tmp_path) == sorted([*scans, *alone])
    assert "2 left out: made from scans beside them, by desc- in their names; to have them: --scan_suffix all" in caplog.text
    assert found_in(tmp_path, suffix="all") == sorted([*scans, *derived, *alone])
    assert found_in(tmp_path / "sub-01" / "ses-1") == ["anat/sub-01_ses-1_T1w.nii.gz"]


def test_bids_without_the_contrast_is_refused_with_the_remedy(tmp_path: Path) -> None:
    touch(tmp_path, "sub-01/anat/sub-01_T2w.nii.gz")
    (tmp_path / "dataset_description.json").write_text('{"BIDSVersion": "1.8.0"}')
    with pytest.raises(ValueError, match=r"holds no scan.*1 left out: not named \*_T1w.*another contrast: --scan_suffix"):
        find_scan_files(tmp_path)


def test_bids_is_found_by_any_contrast(tmp_path: Path) -> None:
    scans = touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii.gz")
    assert found_in(scans, suffix="FLAIR") == ["sub-01/anat/sub-01_FLAIR.nii.gz"]
    with pytest.raises(ValueError, match=r"holds no scan.*2 left out: not named \*_T2w.*another contrast: --scan_suffix"):
        find_scan_files(scans, "T2w")


def test_of_a_study_the_scans_of_its_raw_dataset_are_taken(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    touch(tmp_path, *(f"rawdata/{name}" for name in (*BIDS, *OTHERS)))
    touch(tmp_path, *(f"derivatives/fmriprep/sub-01/anat/sub-01_{end}_T1w.nii.gz" for end in ("desc-preproc", "space-MNI")))
    assert found_in(tmp_path) == [f"rawdata/{name}" for name in BIDS]
    assert "folders that the layout has no scans in (first: derivatives)" in caplog.text
    assert found_in(tmp_path, suffix="T2w") == [f"rawdata/{OTHERS[0]}"]
    with pytest.raises(ValueError, match=r"not named \*_FLAIR"):
        find_scan_files(tmp_path, "FLAIR")


def test_of_caps_each_scan_is_taken_once(tmp_path: Path) -> None:
    start = "subjects/sub-1/ses-M000/t1_linear/sub-1_ses-M000_space-MNI152NLin2009cSym"
    touch(tmp_path, f"{start}_desc-Crop_res-1x1x1_T1w.nii.gz", f"{start}_res-1x1x1_T1w.nii.gz", "groups/x.nii.gz")
    assert found_in(tmp_path) == [f"{start}_res-1x1x1_T1w.nii.gz"]


def test_files_of_our_own_are_no_scans(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.nii", "a_fa_mean.nii.gz", "a_translated.nii.gz", "a_interpolation.nii.gz", ".partial-1-a.nii", "fa_mean.nii"
    )
    assert found_in(tmp_path) == ["a.nii", "fa_mean.nii"]


def test_an_order_does_not_depend_on_the_disk_and_many_folders_are_walked_through(tmp_path: Path) -> None:
    names = [f"s{index:04d}/a.nii" for index in range(300)]
    assert found_in(touch(tmp_path, *names[::-1])) == names
    assert len(list(Discovery(tmp_path).walk())) == 301


def test_a_source_is_a_folder_a_table_or_a_scan_by_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "store/key", "a.nii.gz", "t.csv", "notes.pdf")
    (tmp_path / "link.nii").symlink_to("store/key")
    (tmp_path / "dead.nii").symlink_to("nowhere")
    (tmp_path / "folder").symlink_to("store")
    assert [find_source(tmp_path / name).name for name in ("a.nii.gz", "link.nii", "t.csv", "folder")] == [
        "a.nii.gz", "link.nii", "t.csv", "store"]  # fmt: skip
    with pytest.raises(
        ValueError, match=r"notes.pdf is no scan and no table, by its ending: accepted are a folder, a scan \(\.nii, "
    ):
        find_source(tmp_path / "notes.pdf")
    with pytest.raises(FileNotFoundError, match="dead.nii is a link to a file that is not there: fetch it"):
        find_source(tmp_path / "dead.nii")
    with pytest.raises(FileNotFoundError, match=r"none.nii does not exist: accepted are a folder, a scan"):
        find_source(tmp_path / "none.nii")
