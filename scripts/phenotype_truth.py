"""Compare the phenotypes that a network finds with the lesioned parcels of a simulated cohort.

Run: python scripts/phenotype_truth.py output/phenotypes/phenotypes.tsv data/lesions/participants.tsv
"""

from pathlib import Path

import fire
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict


def compare(phenotypes: str, participants: str) -> pd.DataFrame:
    """Return how well modes and clusters of diseased scans go with the optional parcels.

    Args:
        phenotypes: `phenotypes.tsv` of scans of the cohort.
        participants: table of the cohort, with `participant_id`, `label` and `parcels`.

    Returns:
        One row a parcel that some scans have and others have not: its R2 by linear regression on all scores, each scan predicted
        from the others (ten folds), the correlation with each mode, and the adjusted Rand index with the clusters; and a row of
        the sets of parcels with the index of the clusters.
    """
    table, truth = (pd.read_csv(path, sep="\t") for path in (phenotypes, participants))
    table["participant_id"] = [next(part for part in Path(name).parts if part.startswith("sub-")) for name in table["name"]]
    table = table.merge(truth, on="participant_id")
    table = table[table["label"] == 1]
    scores = table.filter(regex="^mode_")
    sets = table["parcels"].str.split("+")
    parcels = sorted({parcel for each in sets for parcel in each})
    rows = []
    for parcel in parcels:
        present = np.array([parcel in each for each in sets], dtype=float)
        if 0 < present.mean() < 1:
            predicted = cross_val_predict(LinearRegression(), scores, present, cv=10)
            error = np.square(present - predicted).sum() / np.square(present - present.mean()).sum()
            correlations = {name: np.corrcoef(scores[name], present)[0, 1] for name in scores}
            index = adjusted_rand_score(present, table["cluster"])
            rows.append({"parcels": parcel, "n": len(table), "r2": 1 - error, **correlations, "cluster_index": index})
    rows.append({"parcels": "set", "n": len(table), "cluster_index": adjusted_rand_score(table["parcels"], table["cluster"])})
    return pd.DataFrame(rows)


def main(phenotypes: str, participants: str) -> None:
    """Print the table of `compare`, tab-separated."""
    print(compare(phenotypes, participants).to_csv(sep="\t", index=False, float_format="%.2f", na_rep="n/a"), end="")


if __name__ == "__main__":
    fire.Fire(main)
