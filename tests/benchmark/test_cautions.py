import json

import pandas as pd

from bundle.benchmark import Plan, Publication
from bundle.benchmark.cautions import list_cautions
from tests.benchmark.conftest import MEASURES, METHODS


def test_methods_at_chance_and_simulated_trainings_stand_above_the_comparison(finished, tmp_path):
    assert list_cautions(finished) == []  # without tables of classes
    for run in finished:
        folder = run.steps[0].folder / "maps" / "eval"
        labels = [0, 1] * 10
        predicted = labels if run.method == "ours" or run.seed else [0] * 20
        pd.DataFrame({"split": "seen", "label": labels, "predicted": predicted}).to_csv(folder / "predictions.csv", index=False)
        (folder / "settings.json").write_text(json.dumps({"trained_for": "simulated squares", "fingerprint": ""}))
    simulated, chance = list_cautions(finished)
    assert simulated.startswith("Each network was trained on simulated scans alone (simulated squares)")
    assert chance.startswith(
        "The classifier of theirs, seed 0, is not shown to be better than chance on its 20 test scans (seen anatomies)"
    )
    Publication(Plan(METHODS, MEASURES, [0, 1, 2], tmp_path), "Ours").write()
    page, text = ((tmp_path / name).read_text() for name in ("index.html", "comparison.md"))
    assert page.count('<p class="banner" role="note"><strong>Caution:</strong>') == text.count("**Caution:**") == 2
    assert page.index("Caution:") < page.index("<h2>")
