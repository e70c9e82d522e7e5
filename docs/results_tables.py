"""Write the tables of a shipped network for the results page, from its evaluation.

Usage: python docs/results_tables.py lesions output [--ten_views output/ten_views] [--seeds output/seed1 output/seed2]
           [--one_view output/one_view0 output/one_view1 output/one_view2] [--views output/one_view0 output/both_views]
The first is the prefix of the tables, then come output folders: of training and evaluation, of an evaluation in ten views, of
evaluations of networks that were trained with other seeds, of evaluations of all of them in one view, and of evaluations of one
network in several views, which are compared.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from bundle.benchmark.summary import seed_interval

TABLES = Path(__file__).parent / "tables"
KEYS = ["split", "protocol", "method", "direction", "metric"]
COLUMNS = [*KEYS, "mean", "ci_low", "ci_high", "n"]
LEARNING = ["epoch", "iteration", "phase", "val_ncc_minus", "val_ncc_plus", "val_accuracy", "val_agreement", "reconstruction_l1"]
QUERIES = {  # rows of metrics.csv, by table
    "maps": "metric in ('ncc_image', 'ncc_brain') and protocol != 'uncertainty'",
    "classes": "method == 'classifier' or method.str.startswith('probe_')",
    "pairs": "protocol == 'pairs'",
    "ages": "protocol == 'ages'",
    "regions": "protocol == 'regions'",
    "uncertainty": "protocol == 'uncertainty' and not metric.str.contains('quantile|_50|_80|_95|width')",
}
VIEWS = (  # of the networks' own maps
    "protocol == 'paired' and metric == 'ncc_image' and method.str.endswith('_reconstruction')"
    f" or {QUERIES['uncertainty']} and method.str.endswith('_mixture')"
    " or protocol == 'regions' and method == 'sampled_reconstruction' and metric.str.startswith('correlation_')"
)
TRIVIAL = "^(?:image|noise|oracle|measure|training_mean)"  # what depends on no training
SEEDS = f"protocol != 'uncertainty' and not method.str.contains('{TRIVIAL}|_input$')"


def write(table: pd.DataFrame, name: str) -> None:
    """Write a table with four digits, if it has rows."""
    if len(table):
        table.to_csv(TABLES / f"{name}.csv", index=False, float_format="%.4g")
        print(f"{TABLES / name}.csv: {len(table)} rows")


def read_metrics(output_dir: Path) -> pd.DataFrame:
    """Read the figures of an evaluation."""
    return pd.read_csv(output_dir / "eval" / "metrics.csv")


def compare_views(folder: Path) -> pd.DataFrame:
    """Return the figures of the maps of an evaluation, with the views that it had."""
    maps = json.loads((folder / "eval" / "settings.json").read_text())["maps"]
    return read_metrics(folder).query(VIEWS)[COLUMNS].assign(mirror_axis=maps["mirror_axis"], shift=maps["shift"])


def compare_seeds(folders: list[Path]) -> pd.DataFrame:
    """Return the figures of trainings with other seeds side by side, their mean, and its 95 % interval by Student's t."""
    columns = []
    for seed, folder in enumerate(folders):
        figures = read_metrics(folder).query(SEEDS).fillna(dict.fromkeys(KEYS, ""))
        columns.append(figures.set_index(KEYS)["mean"].rename(f"seed_{seed}"))
    seeds = pd.concat(columns, axis=1, join="inner")
    intervals = [seed_interval(row) for row in seeds.to_numpy()]
    return seeds.join(pd.DataFrame(intervals, index=seeds.index, columns=["mean", "ci_low", "ci_high"])).reset_index()


def main() -> None:
    """Write all tables for which the evaluation has figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the cohort, as the tables' names begin")
    parser.add_argument("output_dir", type=Path, help="of the evaluation, and of the training if it shall be drawn")
    parser.add_argument("--ten_views", type=Path, help="output folder of an evaluation with mirror_axis 0 and shift 2")
    parser.add_argument(
        "--seeds", type=Path, nargs="+", default=[], help="output folders with the seeds 1, 2, ..., in this order"
    )
    parser.add_argument(
        "--one_view",
        type=Path,
        nargs="+",
        default=[],
        help="output folders of evaluations with mirror_axis none, seeds 0, 1, ...",
    )
    parser.add_argument("--views", type=Path, nargs="+", default=[], help="output folders of evaluations with other views")
    args = parser.parse_args()
    tables = {name: read_metrics(args.output_dir).query(query)[COLUMNS] for name, query in QUERIES.items()}
    if args.ten_views:
        more = read_metrics(args.ten_views).query(QUERIES["uncertainty"])[COLUMNS]
        tables["uncertainty"] = pd.concat([tables["uncertainty"].assign(views=1), more.assign(views=10)])
    if args.seeds:
        tables["seeds"] = compare_seeds([args.output_dir, *args.seeds])
    if args.views:
        tables["views"] = pd.concat(map(compare_views, args.views))
    if args.one_view:
        tables["one_view"] = compare_seeds(args.one_view)
    for name, table in tables.items():
        write(table, f"{args.name}_{name}")
    history = args.output_dir / "train" / "train.csv"
    if history.is_file():
        write(pd.read_csv(history)[LEARNING], f"{args.name}_learning")


if __name__ == "__main__":
    main()
