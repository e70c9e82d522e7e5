import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bundle.report.plots import INK, family_of, plot_curves, plot_figures, plot_latent, plot_scatter, show_span

FIGURES = pd.DataFrame({"method": ["ICAM_FA, ours", "ceiling", "floor"], "mean": [0.5, 0.9, 0.4]})
FIGURES = FIGURES.assign(family=["network", "exact change", "trivial"])
FIGURES = FIGURES.assign(ci_low=FIGURES["mean"] - 0.1, ci_high=FIGURES["mean"] + 0.1)
HISTORY = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_ncc": [np.nan, 0.1, 0.2]})


def draw_all() -> list[str]:
    points = np.random.default_rng(0).normal(size=(8, 2))
    return [
        str(plot_figures(FIGURES, "seen <1>")),
        str(plot_curves(HISTORY, ["loss"], "losses", log=True)),
        str(plot_curves(HISTORY, ["val_ncc"], "validation")),
        str(plot_latent(points, np.arange(8) % 2, ["seen", "unseen"] * 4, "attribute")),
        str(plot_scatter({"regressor": (points[:, 0], points[:, 1])}, "age, years", "predicted age, years", "ages")),
    ]


@pytest.fixture(scope="module")
def drawings() -> list[str]:
    return draw_all()


def test_drawings_are_elements_that_take_the_colour_of_the_page(drawings):
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).attrib["role"] == "img"
        assert "currentColor" in drawing and INK not in drawing


def test_drawings_repeat_and_say_what_they_show(drawings):
    assert draw_all() == drawings
    assert 'aria-label="seen &lt;1&gt;"' in drawings[0] and "ICAM_FA, ours" in drawings[0]


def test_identifiers_of_two_drawings_differ(drawings):
    first, second = (set(part.split('"')[0] for part in drawing.split('clip-path="url(#')[1:]) for drawing in drawings[1:3])
    assert first and second and not first & second


def test_methods_belong_to_families():
    assert [family_of(method) for method in ("sampled_input", "oracle_expected", "noise", "to_age")] == [
        "network", "exact change", "trivial", "network",
    ]  # fmt: skip


def test_what_is_drawn_has_a_legend_and_what_is_not_has_none():
    curves = str(plot_curves(HISTORY.assign(val_age=np.nan), ["val_ncc", "val_age"], "validation"))
    assert ">NCC<" in curves and ">age<" not in curves
    families = str(plot_figures(FIGURES.iloc[:2], "seen"))
    assert "this network" in families and "exact change" in families and "trivial" not in families
    assert "this network" not in str(plot_figures(FIGURES, "seen", network="ICAM, ours"))
    points = np.zeros((4, 2))
    latent = str(plot_latent(points, np.array([0, 0, 1, 1]), ["seen", "seen", "unseen", "unseen"], "attribute"))
    assert "class 0, seen" in latent and "class 1, unseen" in latent and "class 1, seen" not in latent
    assert "both equal" in str(plot_scatter({"a": (points[:, 0], points[:, 1])}, "true", "reached", "title"))


def test_the_axis_holds_all_intervals():
    leads = FIGURES.assign(mean=[-0.5, 0.1, 0.0], ci_low=[-0.7, 0.0, np.nan], ci_high=[-0.3, 0.2, np.nan])
    drawing = str(plot_figures(leads, "lead", "difference of NCC", None))
    assert "difference of NCC" in drawing and "0.6" in drawing and "1.0" not in re.findall(r">(-?\d\.\d)<", drawing)


def test_a_span_is_a_number_or_two():
    assert [show_span(pd.Series(values, dtype=float)) for values in ([], [3], [3, 3], [3, 5, 4])] == ["", "3", "3", "3 to 5"]
