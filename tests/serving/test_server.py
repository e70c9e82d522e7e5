"""The running server and its client: maps on the scan's own grid, the same as those of inference, and errors it survives."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK
from explain_remotely import explain, request_map
from monai.bundle import ConfigParser
from soak import make_bad_cases, send
from tiny_scans import ROOT, make_affine, run, save_scan

pytestmark = pytest.mark.slow
SAMPLES = 4
OVERLAYS = {"lesions": [], "conversion": ["volumes.yaml", "conversion.yaml"], "ageing": ["volumes.yaml", "ageing.yaml"]}


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Return an oblique, anisotropic volume."""
    affine = make_affine((1.3, 1.7, 3.1), angle=0.3)
    affine[:3, 3] = (-50.0, -60.0, -30.0)
    return save_scan(tmp_path / "scan" / "oblique.nii.gz", (70, 72, 40), affine)


@pytest.mark.parametrize("model", OVERLAYS)
def test_served_maps_are_those_of_inference_on_the_grid_of_the_scan(server: str, model: str, scan: Path, tmp_path: Path):
    result = explain(scan, tmp_path / "served", server, model, num_samples=SAMPLES)
    parser = ConfigParser()
    parser.read_config([str(ROOT / "configs" / name) for name in ("inference.yaml", *OVERLAYS[model])])
    parser.update({"bundle_root": str(ROOT), "dataset_dir": str(scan), "output_dir": str(tmp_path / "own")})
    parser.update({"num_samples": SAMPLES, "device": "cpu", "overviews": False})
    run(parser)
    own = parser.get_parsed_content("predictions").rows[0]
    assert result["predicted_class"] == own["predicted_class"]
    assert result["probabilities"] == pytest.approx([own["probability_0"], own["probability_1"]], abs=1e-5)
    assert result.get("predicted_age") == pytest.approx(own.get("predicted_age"), abs=1e-3)
    assert json.loads((tmp_path / "served" / "oblique.json").read_text()) == result
    for name in ("fa_mean", "fa_variance"):
        served, expected = (nibabel.load(tmp_path / folder / f"oblique_{name}.nii.gz") for folder in ("served", "own"))
        assert served.shape == (70, 72, 40)
        np.testing.assert_array_equal(served.affine, nibabel.load(scan).affine)
        np.testing.assert_allclose(served.get_fdata(), expected.get_fdata(), atol=1e-5)
        assert np.abs(served.get_fdata()).max() > 0


def test_itk_viewers_place_a_map_where_they_place_the_scan(server: str, scan: Path, tmp_path: Path):
    explain(scan, tmp_path, server, num_samples=2, maps=["fa_mean"])
    placed, shown = (SimpleITK.ReadImage(str(path)) for path in (scan, tmp_path / "oblique_fa_mean.nii.gz"))
    for place in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(shown, place)(), getattr(placed, place)(), atol=1e-5)


@pytest.mark.parametrize("shape", [(60, 64), (60, 64, 1)])
def test_slices_and_sheared_affines_keep_their_grid(server: str, shape: tuple[int, ...], tmp_path: Path):
    affine = make_affine((1.9, 2.2, 4.0), angle=0.2)
    affine[0, 1] += 0.2
    scan = save_scan(tmp_path / "slice.nii.gz", shape, affine)
    explain(scan, tmp_path, server, num_samples=2, maps=["translated"])
    image = nibabel.load(tmp_path / "slice_translated.nii.gz")
    assert image.shape == shape
    np.testing.assert_array_equal(image.affine, nibabel.load(scan).affine)


def test_two_requests_at_once_with_settings_of_their_own(server: str, scan: Path):
    def explain_towards(target: int) -> int:
        answer = request_map("scan.nii.gz", scan.read_bytes(), server, "lesions", num_samples=2 + target, target=target)
        return answer[1]["target_class"]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(explain_towards, [0, 1, 0, 1])) == [0, 1, 0, 1]


def test_bad_requests_get_one_sentence_and_the_next_good_one_a_map(server: str, served_app: Path, scan: Path):
    sentences = [send(case, server, "lesions") for case in make_bad_cases(scan.read_bytes())]
    assert "map" not in sentences
    assert all(len(sentence) > 20 and "/" not in sentence for sentence in sentences)
    request_map("scan.nii.gz", scan.read_bytes(), server, "lesions", num_samples=2)
    for _ in range(20):  # files are removed after an answer is sent
        left = list((served_app / "temporary").glob("*.nii*"))
        time.sleep(0.5 * bool(left))
    assert not left


def test_a_slice_is_refused_by_a_network_of_volumes(server: str, tmp_path: Path):
    scan = save_scan(tmp_path / "slice.nii.gz", (60, 64), make_affine())
    with pytest.raises(ValueError, match=r"slice.nii.gz: the scan has shape \(60, 64, 1\): accepted is a volume"):
        request_map(scan.name, scan.read_bytes(), server, "conversion")


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("infer/lesion", {}, "model must be one of ageing, conversion, lesions"),
        ("infer/lesions?image=mine", {}, "mine is no scan of the server"),
        ("infer/lesions?image=mine", {"params": "{map"}, "params must be a JSON object"),
        ("infer/lesions?image=mine", {"params": "[1]"}, "params must be a JSON object"),
        ("infer/lesions?image=mine", {"params": '{"image": null}'}, "image in params must be the path of a scan of the server"),
        ("infer/lesions?image=mine&output=dicom_seg", {}, "output must be one of all, image, json"),
        ("infer/lesions?image=mine&session_id=1", {}, "session_id and label are not accepted"),
        ("infer/lesions?image=", {}, "the request has no scan"),
    ],
)
def test_requests_that_name_nothing_are_refused(server: str, path: str, fields: dict[str, str], sentence: str):
    url = f"{server}/{path}" if "?" in path else f"{server}/{path}?image=mine"
    answer = requests.post(url, data=fields, timeout=60)
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]


def test_the_server_lists_its_models_and_what_a_request_may_set(server: str):
    models = requests.get(f"{server}/info/", timeout=60).json()["models"]
    assert {name: model["dimension"] for name, model in models.items()} == {"lesions": 2, "conversion": 3, "ageing": 3}
    assert models["lesions"]["config"]["map"] == ["fa_mean", "fa_variance", "translated"]
    assert "model_filename" not in models["lesions"]["config"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["model/lesions", "datastore", "train/", "batch/infer/lesions", "reload", "openapi.json"])
def test_nothing_but_asking_is_answered(server: str, served_app: Path, method: str, path: str):
    weights = served_app / "model" / "lesions" / "models" / "model.pt"
    before = weights.read_bytes()
    files = {"file": ("model.pt", b"other weights")} if method == "PUT" else None
    assert requests.request(method, f"{server}/{path}", files=files, timeout=60).status_code == 404
    assert weights.read_bytes() == before


def test_web_pages_of_other_addresses_read_no_answer(server: str):
    origin = {"Origin": "http://elsewhere.example"}
    asked = requests.options(f"{server}/infer/lesions", headers=origin | {"Access-Control-Request-Method": "POST"}, timeout=60)
    assert asked.status_code == 405
    for answer in (asked, requests.get(f"{server}/info/", headers=origin, timeout=60)):
        assert "access-control-allow-origin" not in answer.headers


def test_no_network_without_its_weights_answers(server: str, served_app: Path, scan: Path):
    weights = served_app / "model" / "lesions" / "models" / "model.pt"
    weights.rename(weights.with_suffix(".gone"))
    try:
        with pytest.raises(ValueError, match="the weights of the model are gone"):
            request_map(scan.name, scan.read_bytes(), server, "lesions", num_samples=2)
    finally:
        weights.with_suffix(".gone").rename(weights)


def test_the_documented_command_prints_the_class_and_saves_the_maps(server: str, scan: Path, tmp_path: Path):
    command = [sys.executable, "scripts/explain_remotely.py", scan, "--server", f"{server}/", "--output_dir", tmp_path / "maps"]
    output = subprocess.run([*command, "--num_samples", "2"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "oblique.json",
        "oblique_fa_mean.nii.gz",
        "oblique_fa_variance.nii.gz",
    ]
    assert json.loads(output) == json.loads((tmp_path / "maps" / "oblique.json").read_text())
