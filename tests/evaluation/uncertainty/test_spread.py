import numpy as np
import pandas as pd
import pytest
import torch
from monai.data import Dataset, MetaTensor

from bundle.attribution import PriorSource
from bundle.attribution.conformal import load_intervals
from bundle.data.intensities import INTENSITY_RANGE
from bundle.evaluation import Evaluation
from bundle.evaluation.ground_truth import Changes
from bundle.evaluation.uncertainty.spread import Sample, correlate
from bundle.inference import ICAMInferer
from tests.tiny_evaluation import build_evaluation

SETTINGS = {"attribute_sources": ["prior", "training"], "levels": [0.5, 0.9], "num_bins": [3, 2], "num_calibration": 4}


@pytest.fixture
def make_scaled(make_cohort):
    """Make a cohort in whose images 1000 scanner units are 1 in the intensities of the network."""

    def make(spatial_dims, **sizes):
        cohort = make_cohort(spatial_dims, **sizes)
        for images in cohort.images.values():
            images["image"] = MetaTensor(images["image"], meta={INTENSITY_RANGE: torch.tensor([0.0, 2000.0])})
        return cohort

    return make


def build(network, cohort, folder, validation=True, **arguments) -> Evaluation:
    held_out = Dataset(cohort.test.data[:4], cohort.load) if validation else None
    settings = {"num_resamples": 20, "validation": held_out, "uncertainty": SETTINGS} | arguments
    return build_evaluation(network, cohort, folder, **settings)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_there_is_a_row_a_scan_direction_and_draws(spatial_dims, make_scaled, make_network, tmp_path):
    evaluation = build(make_network(spatial_dims), make_scaled(spatial_dims), tmp_path)
    table = evaluation.uncertainty.run()["uncertainty"]
    assert len(table) == 16 and not table.duplicated(["scan", "direction", "draws"]).any()
    shares = table[[name for name in table if "_coverage_" in name]]
    assert len(shares.columns) == 6 and ((shares >= 0) & (shares <= 1)).all(axis=None)
    for name in ("normal", "quantile", "calibrated"):
        assert (table[f"{name}_coverage_90"] >= table[f"{name}_coverage_50"]).all()
    assert table[table["direction"] == "-"]["spread_correlation"].isna().all()


@pytest.mark.slow
def test_evaluation_writes_the_tables_and_their_summary(make_scaled, make_network, tmp_path):
    metrics = build(make_network(2), make_scaled(2), tmp_path).run()
    rows = metrics[metrics["protocol"] == "uncertainty"]
    assert set(rows["method"]) == {"sampled_prior", "sampled_training"}
    assert not rows.duplicated(["split", "method", "direction", "metric"]).any()
    assert {"error_correlation", "phenotype_distance", "perfect_distance", "calibrated_coverage_90"} <= set(rows["metric"])
    table = pd.read_csv(tmp_path / "eval" / "uncertainty.csv")
    chosen = table[(table["split"] == "seen") & (table["direction"] == "+") & (table["draws"] == "training")]
    wanted = "split == 'seen' and direction == '+' and method == 'sampled_training' and metric == 'error'"
    mean = rows.query(wanted)["mean"].item()
    assert mean == pytest.approx(chosen["error"].mean(), abs=1e-5)
    diversity = pd.read_csv(tmp_path / "eval" / "diversity.csv")
    assert set(diversity["kind"]) == {"parcel", "phenotype"}
    sums = diversity[diversity["kind"] == "phenotype"].groupby(["split", "draws"])[["drawn", "training"]].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_figures_depend_on_no_batch_size(make_scaled, make_network, tmp_path):
    cohort, tables = make_scaled(2), []
    for batch_size, chunk_size in ((1, 1), (3, 4)):
        evaluation = build(make_network(2), cohort, tmp_path, batch_size=batch_size, chunk_size=chunk_size)
        tables.append(evaluation.uncertainty.run()["uncertainty"])
    figures = ["error_correlation", "spread_correlation", "mean_ncc", "spread", "error", "normal_width_90", "quantile_width_90"]
    pd.testing.assert_frame_equal(*(table[figures] for table in tables), atol=1e-4)


def test_a_perfect_sampler_has_the_correlations_by_hand(make_scaled, make_network, tmp_path):
    cohort = make_scaled(2)
    evaluation = build(make_network(2), cohort, tmp_path)
    changes = evaluation.uncertainty.sample(evaluation.split, 0, "prior", 1).changes
    scan = evaluation.split.load(0)
    counts = (100 * changes.shares).round().int()
    maps = torch.cat([image[None].repeat(count, 1, 1, 1) for image, count in zip(changes.images, counts, strict=True)])
    inside = scan.parcel_map > 0
    figures = evaluation.uncertainty.measure(Sample(scan._replace(brain_mask=inside.float()), maps, changes), 1)
    share = changes.shares[-1].item() if len(changes.shares) > 1 else 0.0  # of the second parcel
    full = (scan.image + scan.effect / 1000).clamp(max=1) - scan.image
    spread = torch.where(scan.parcel_map == 2, full, 0.0)[inside]
    if 0 < share < 1:
        assert figures["error_correlation"] == pytest.approx(1, abs=1e-3)  # 2 p (1 - p) e goes with sqrt(p (1 - p)) e
        assert correlate(maps.std(0)[inside], spread) == pytest.approx(1, abs=1e-3)
    assert figures["mean_ncc"] == pytest.approx(1, abs=1e-2)


def test_without_validation_there_is_no_calibrated_interval(make_scaled, make_network, tmp_path):
    table = build(make_network(2), make_scaled(2), tmp_path, validation=False).uncertainty.run()["uncertainty"]
    assert {"normal_coverage_90", "quantile_coverage_90"} <= set(table) and "calibrated_coverage_90" not in table


def test_disease_maps_are_the_change_of_cohorts_without_parcels(make_scaled, make_network, tmp_path):
    cohort = make_scaled(3).drop("effect", "parcel_map", "mask")
    for images in cohort.images.values():
        images["disease_map"] = images["effect"]
    for dataset in (cohort.train, cohort.test):
        dataset.data = [row | {"disease_map": "map.nii.gz"} for row in dataset.data]
    evaluation = build(make_network(3), cohort, tmp_path)
    table = evaluation.uncertainty.run()["uncertainty"]
    assert set(table["direction"]) == {"-", "+"} and table["spread_correlation"].isna().all()
    assert table["calibrated_changed_90"].notna().all()
    assert evaluation.uncertainty.run()["diversity"].empty


def test_a_cohort_that_knows_no_change_has_no_table(make_scaled, make_network, tmp_path):
    build(make_network(2), make_scaled(2).drop("effect"), tmp_path).run()
    assert not (tmp_path / "eval" / "uncertainty.csv").exists()


def test_maps_with_attributes_of_training_scans_differ_from_those_of_the_prior(make_scaled, make_network, tmp_path):
    cohort = make_scaled(2)
    maps = []
    for source in ("prior", "training"):
        evaluation = build(make_network(2), cohort, tmp_path, attribute_source=source)
        maps.append(evaluation.explainer.make_maps([0], 1))
    assert torch.equal(maps[0]["exemplar_input"], maps[1]["exemplar_input"])
    assert not torch.equal(maps[0]["sampled_input"], maps[1]["sampled_input"])


def test_correlation_is_that_of_numpy_and_undefined_without_variation():
    first, second = torch.rand(2, 50)
    assert correlate(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)
    assert np.isnan(correlate(first, torch.ones(50)))


def test_error_of_several_changes_is_expected(make_scaled):
    changes = Changes(torch.tensor([0.0, 2]).view(2, 1, 1, 1), torch.tensor([0.5, 0.5]))
    assert changes.error(changes.mean()).item() == 1


def test_an_unknown_source_raises(make_scaled, make_network, tmp_path):
    with pytest.raises(ValueError, match="attribute_source must be one of prior, training, got 'posterior'"):
        build(make_network(2), make_scaled(2), tmp_path, attribute_source="posterior")


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_intervals_of_inference_hold_what_those_of_the_evaluation_hold(spatial_dims, make_scaled, make_network, tmp_path):
    network, cohort = make_network(spatial_dims), make_scaled(spatial_dims)
    evaluation = build(network, cohort, tmp_path)
    evaluation.run()
    intervals = load_intervals(tmp_path / "eval" / "calibration.pt", 0.9)
    table = evaluation.uncertainty.run()["uncertainty"]
    for target in (0, 1):
        index = next(i for i, row in enumerate(cohort.test.data) if row["label"] != target)
        sample = evaluation.uncertainty.sample(evaluation.split, index, "prior", target)
        inferer = ICAMInferer(PriorSource(network, num_samples=4), target=target, intervals=intervals)
        answer = inferer(sample.scan.image[None], network)
        low, high = (answer[name][0][sample.scan.brain] for name in ("fa_low", "fa_high"))
        changes = sample.changes.images[:, sample.scan.brain]
        held = float(sample.changes.shares.float() @ ((low <= changes) & (changes <= high)).float().mean(1))
        row = table[(table["scan"] == index) & (table["draws"] == "prior") & (table["direction"] == "-+"[target])].iloc[0]
        assert held == pytest.approx(row["calibrated_coverage_90"], abs=0.01)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attribute_sources": "prior"}, "uncertainty#attribute_sources must be a list of prior, training, such as"),
        ({"attribute_sources": ["posterior"]}, r"uncertainty#attribute_sources must be a list .*, got \['posterior'\]"),
        ({"levels": [90]}, "uncertainty#levels must lie between 0 and 1, got"),
        ({"num_bins": [0, 20]}, "uncertainty#num_bins must be two numbers of at least 1, got"),
        ({"num_bins": 10}, "uncertainty#num_bins must be two numbers of at least 1, got 10"),
    ],
)
def test_settings_are_refused_before_anything_is_computed(wrong, message, make_scaled, make_network, tmp_path):
    with pytest.raises(ValueError, match=message):
        build(make_network(2), make_scaled(2), tmp_path, uncertainty=SETTINGS | wrong)


@pytest.mark.slow
def test_without_validation_scans_it_is_said_that_there_are_no_calibrated_intervals(make_scaled, make_network, tmp_path, capsys):
    build(make_network(2), make_scaled(2), tmp_path, validation=False).run()
    assert "no validation scan whose true change is known: no calibrated intervals" in capsys.readouterr().out
    assert not (tmp_path / "eval" / "calibration.pt").exists()
