import json

import pandas as pd
import pytest
from filelock import FileLock

from bundle.evaluation.names import COLUMNS
from bundle.evaluation.reporting.results import LOCK
from tests.tiny_evaluation import CLASS_FIGURES, build_evaluation


def evaluate(network, cohort, folder, **arguments) -> pd.DataFrame:
    return build_evaluation(network, cohort, folder, **arguments).run()


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_table_has_every_protocol_direction_and_split_with_its_number_of_scans(spatial_dims, make_cohort, make_network, tmp_path):
    table = evaluate(make_network(spatial_dims), make_cohort(spatial_dims, num_test=12), tmp_path)
    maps = table[table["protocol"] != ""]
    assert tuple(table.columns) == COLUMNS and set(table["cohort"]) == {"tiny"}
    assert set(maps["direction"]) == {"-", "+"} and set(maps["split"]) == {"seen", "unseen"}
    assert (maps["n"] == 3).all()
    assert not table.duplicated(["split", "protocol", "method", "direction", "metric"]).any()
    written = pd.read_csv(tmp_path / "eval" / "metrics.csv", keep_default_na=False)
    assert len(written) == len(table)


@pytest.mark.slow
def test_oracle_is_a_ceiling_and_exact_on_the_own_anatomy(make_cohort, make_network, tmp_path):
    table = evaluate(make_network(2), make_cohort(2, num_test=12), tmp_path)
    paired = table[table["protocol"] == "paired"]
    for _, group in paired.groupby(["split", "direction", "metric"]):
        figures = group.set_index("method")["mean"]
        assert figures["oracle_expected"] == pytest.approx(1) == pytest.approx(figures.max())
        assert figures["oracle"] > 0.8


@pytest.mark.slow
def test_results_do_not_depend_on_the_batch_size_and_repeat_byte_for_byte(make_cohort, make_network, tmp_path):
    first = evaluate(make_network(2), make_cohort(2), tmp_path / "a", batch_size=1)
    second = evaluate(make_network(2), make_cohort(2), tmp_path / "b", batch_size=3)
    evaluate(make_network(2), make_cohort(2), tmp_path / "c", batch_size=3)
    pd.testing.assert_frame_equal(first, second, atol=1e-4)
    for name in ("metrics.csv", "scans.csv", "predictions.csv", "settings.json"):
        assert (tmp_path / "b/eval" / name).read_bytes() == (tmp_path / "c/eval" / name).read_bytes()


def test_scans_have_one_row_for_each_direction_protocol_and_method(make_cohort, make_network, tmp_path):
    evaluate(make_network(2), make_cohort(2), tmp_path)
    scans = pd.read_csv(tmp_path / "eval" / "scans.csv")
    assert not scans.duplicated(["participant_id", "direction", "protocol", "method"]).any()
    assert set(scans["participant_id"]) == {f"test-{i}" for i in range(8)}
    assert set(scans.columns) >= {"split", "label", "reference", "truth", "ncc_image", "ncc_brain"}


@pytest.mark.slow
def test_classifier_and_probes_are_scored_in_each_split(make_cohort, make_network, tmp_path):
    table = evaluate(make_network(2), make_cohort(2), tmp_path)
    classes = table[table["protocol"] == ""]
    assert set(classes["method"]) == {
        "classifier", "probe_content_pooled", "probe_content", "probe_content_kernel", "probe_content_network", "probe_attribute",
    }  # fmt: skip
    assert set(classes["metric"]) == CLASS_FIGURES
    predictions = pd.read_csv(tmp_path / "eval" / "predictions.csv")
    seen = predictions[predictions["split"] == "seen"]
    accuracy = classes[(classes["split"] == "seen") & (classes["metric"] == "accuracy")]["mean"].item()
    assert accuracy == pytest.approx((seen["predicted"] == seen["label"]).mean())


def test_without_a_classifier_there_is_no_accuracy_and_it_is_named(make_cohort, make_network, tmp_path, capsys):
    table = evaluate(make_network(2, classification=False), make_cohort(2), tmp_path)
    assert not {"accuracy", "f1", "auc"} & set(table["metric"]) and "classifier" not in set(table["method"])
    assert {"exemplar_input", "sampled_input", "probe_attribute"} <= set(table["method"])
    assert not {"predicted", "probability_0"} & set(pd.read_csv(tmp_path / "eval" / "predictions.csv").columns)
    assert "Left out: the network has no classifier: no accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dropped", "protocols", "sentences"),
    [
        (["effect"], {"", "paper", "paired"}, ["no column effect: no paired NCC of sampled maps, no exact change"]),
        (["effect", "parcel_map"], {"", "paper", "paired"}, ["no columns mask and parcel_map: no paired NCC(+)"]),
        (["effect", "parcel_map", "mask", "brain_mask"], {""}, ["no columns mask, effect or disease_map: no figures of maps"]),
        (["brain_mask", "anatomy"], {"", "paper", "paired"}, ["no column brain_mask", "no column anatomy"]),
    ],
)
def test_what_a_cohort_does_not_know_is_left_out_and_named(
    dropped, protocols, sentences, make_cohort, make_network, tmp_path, capsys
):
    table = evaluate(make_network(2), make_cohort(2).drop(*dropped), tmp_path)
    assert set(table["protocol"]) == protocols
    printed = capsys.readouterr().out
    assert printed.count("Left out: ") == len(sentences)
    assert all(f"Left out: {sentence}" in printed for sentence in sentences)


@pytest.mark.slow
def test_with_three_classes_directions_are_pairs(make_cohort, make_network, tmp_path):
    cohort = make_cohort(2, num_test=12, num_train=6).drop("anatomy")
    for dataset in (cohort.train, cohort.test):
        for index, row in enumerate(dataset.data):
            if row["label"] == 1 and index % 4 == 3:
                row["label"] = 2
    table = evaluate(make_network(2, num_classes=3), cohort, tmp_path)
    assert set(table["direction"]) == {"", "0>1", "0>2", "1>0", "2>0"}


@pytest.mark.slow
def test_settings_are_kept_beside_the_results(make_cohort, make_network, tmp_path):
    evaluate(make_network(2), make_cohort(2), tmp_path, seed=3)
    settings = json.loads((tmp_path / "eval" / "settings.json").read_text())
    assert settings["maps"] == {"num_samples": 4, "threshold": 0.5, "seed": 3, "chunk_size": 10, "mirror_axis": None, "shift": 0}


def test_an_empty_lesion_mask_raises_and_names_the_file(make_cohort, make_network, tmp_path):
    cohort = make_cohort(2)
    cohort.images["test-3"]["mask"].zero_()
    with pytest.raises(ValueError, match=r"test-3_mask\.nii\.gz is an empty mask"):
        evaluate(make_network(2), cohort, tmp_path)


def test_a_cohort_without_test_rows_raises(make_cohort, make_network, tmp_path):
    cohort = make_cohort(2)
    cohort.test.data = []
    with pytest.raises(ValueError, match="the cohort tiny has no row whose split is test"):
        evaluate(make_network(2), cohort, tmp_path)


def test_an_unknown_headline_raises(make_cohort, make_network, tmp_path):
    with pytest.raises(ValueError, match="headline must be one of ncc_image, ncc_brain, got 'dice'"):
        evaluate(make_network(2), make_cohort(2), tmp_path, headline="dice")


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(make_cohort, make_network, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file/output/eval cannot be written to"):
        evaluate(make_network(2), make_cohort(2, num_test=12), tmp_path / "file" / "output")


def test_a_folder_that_another_process_evaluates_in_is_refused(make_cohort, make_network, tmp_path):
    folder = tmp_path / "output" / "eval"
    folder.mkdir(parents=True)
    with FileLock(folder / LOCK), pytest.raises(ValueError, match="output/eval is being written by another process"):
        evaluate(make_network(2), make_cohort(2, num_test=12), tmp_path / "output")
    assert [path.name for path in folder.iterdir()] in ([], [LOCK])
