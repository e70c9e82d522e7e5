import pandas as pd
import pytest
import torch
from monai.data import Dataset, MetaTensor

from bundle.data.intensities import INTENSITY_RANGE
from bundle.report.spreads import draw_coverage, make_spreads
from tests.tiny_evaluation import build_evaluation


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_spread_is_shown_beside_error_and_true_change(spatial_dims, make_cohort, make_network, tmp_path):
    cohort = make_cohort(spatial_dims)
    for images in cohort.images.values():
        images["image"] = MetaTensor(images["image"], meta={INTENSITY_RANGE: torch.tensor([0.0, 2000.0])})
    held_out = Dataset(cohort.test.data[:4], cohort.load)
    arguments = {"num_samples": 3, "validation": held_out, "uncertainty": {"levels": [0.5, 0.9]}}
    uncertainty = build_evaluation(make_network(spatial_dims), cohort, tmp_path, **arguments).uncertainty
    table = uncertainty.run()["uncertainty"]
    removing, adding = make_spreads(uncertainty, table, "seen")
    assert (len(removing.tiles), len(adding.tiles)) == (4, 5)
    assert "class 1 to 0, attributes: prior: correlation with the error" in removing.title and ". axial" in removing.title
    ends = [tile.caption.split(", ")[-1] for tile in adding.tiles]
    assert ends == ["±0.5", "±0.5", "0 to 0.1", "0 to 0.5", "0 to 0.1"]
    drawings = list(draw_coverage(table, "seen"))
    assert len(drawings) == 2 and all("calibrated, brain" in drawing.svg for drawing in drawings)
    assert make_spreads(uncertainty, pd.DataFrame(), "seen") == list(draw_coverage(pd.DataFrame(), "seen")) == []
