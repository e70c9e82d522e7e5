"""The comparison of phenotypes with lesioned parcels, on places that are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.phenotype_truth import compare


def test_a_mode_that_is_a_parcel_is_found_and_a_cluster_that_is_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    has = random.random((80, 2)) < 0.5
    names = [f"sub-{number:03}" for number in range(81)]
    parcels = ["+".join(["MT", *np.array(["OP1", "9a"])[row]]) for row in has]
    truth = pd.DataFrame({"participant_id": names, "label": [1] * 80 + [0], "parcels": [*parcels, "MT"]})
    truth.to_csv(tmp_path / "participants.tsv", sep="\t", index=False)
    scores = has[:, :1] + 0.01 * random.normal(size=(80, 1))
    table = pd.DataFrame({"name": [f"{name}/anat/{name}_T1w" for name in names], "mode_1": [*scores[:, 0], 9.0]})
    table["cluster"] = [*(1 + has[:, 1]), 1]
    table.to_csv(tmp_path / "phenotypes.tsv", sep="\t", index=False)
    rows = compare(str(tmp_path / "phenotypes.tsv"), str(tmp_path / "participants.tsv")).set_index("parcels")
    assert list(rows.index) == ["9a", "OP1", "set"] and set(rows["n"]) == {80}
    assert rows.loc["OP1", "r2"] == pytest.approx(1, abs=0.01) and rows.loc["9a", "r2"] < 0.1
    assert rows.loc["OP1", "mode_1"] > 0.99 and rows.loc["9a", "cluster_index"] == 1
    assert abs(rows.loc["OP1", "cluster_index"]) < 0.1 < rows.loc["set", "cluster_index"] < 0.6
