"""Draw the figures of the results page from the tables beside it. Usage: python docs/figures.py."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bundle.evaluation.names import in_words

DOCS = Path(__file__).parent
TABLES, IMAGES = DOCS / "tables", DOCS / "images"
SEEN, UNSEEN = "#1f6fd0", "#d0701f"  # anatomies that the training has, and has not
NCC = "NCC with the true change (dimensionless)"
DIRECTIONS = {"-": "disease removed, NCC(-)", "+": "disease added, NCC(+)"}


def draw_intervals(axis: Axes, names: Sequence[str], table: pd.DataFrame, value: str = "mean") -> None:
    """Draw a point with its 95 % interval for each row and split.

    Args:
        axis: where to draw.
        names: rows, from top to bottom.
        table: columns `row`, `split`, `ci_low`, `ci_high` and `value`.
        value: column of the points.
    """
    for split, colour, offset in (("seen", SEEN, -0.15), ("unseen", UNSEEN, 0.15)):
        chosen = table[table["split"] == split].set_index("row").reindex(names)
        places = np.arange(len(names)) + offset
        axis.hlines(places, chosen["ci_low"], chosen["ci_high"], color=colour, linewidth=2)
        axis.plot(chosen[value], places, "o", color=colour, markersize=4, label=f"{split} anatomies, 95 % interval")
    axis.set(yticks=np.arange(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axis.axvline(0, color="black", linewidth=0.6)
    axis.grid(axis="x", alpha=0.3)


def draw_directions(table: pd.DataFrame, names: dict[str, str], title: str, xlabel: str = NCC, value: str = "mean") -> Figure:
    """Draw both directions of translation beside each other.

    Args:
        table: columns of `draw_intervals`, and `direction`.
        names: titles by row.
        title: of the figure.
        xlabel: quantity and unit.
        value: column of the points.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9, 1.4 + 0.24 * len(names)), sharey=True, layout="constrained")
    table = table.assign(row=table["row"].map(names)).dropna(subset="row")
    for axis, (direction, name) in zip(axes, DIRECTIONS.items(), strict=True):
        draw_intervals(axis, list(names.values()), table[table["direction"] == direction], value)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel(xlabel, fontsize=8)
        axis.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def draw_lesion_maps() -> Figure:
    """Maps of the shipped network of slices between floor and ceiling."""
    table = pd.read_csv(TABLES / "lesions_maps.csv").rename(columns={"method": "row"})
    table = table.query("protocol == 'paired' and metric == 'ncc_image'")
    names = [
        "oracle", "exemplar_reconstruction", "sampled_reconstruction", "exemplar_input", "sampled_input", "image",
        "image_minus_mean", "image_minus_reference", "noise",
    ]  # fmt: skip
    titles = {name: in_words(name) for name in names}
    return draw_directions(table, titles, "Simulated lesions: maps lie between floor and ceiling")


def draw_volume_maps() -> Figure:
    """Maps of the two shipped networks of volumes."""
    names = [
        "longitudinal", "to_age", "exemplar_reconstruction", "sampled_reconstruction", "image", "image_minus_reference", "noise",
    ]  # fmt: skip
    tables = []
    for cohort in ("conversion", "ageing"):
        table = pd.read_csv(TABLES / f"{cohort}_maps.csv").assign(row=lambda t, cohort=cohort: cohort + ": " + t["method"])
        tables.append(table)
    titles = {f"{cohort}: {name}": f"{cohort}: {in_words(name)}" for cohort in ("conversion", "ageing") for name in names}
    table = pd.concat(tables).query("metric == 'ncc_image' and protocol != 'paired'")
    titles = {key: name for key, name in titles.items() if key in set(table["row"])}
    return draw_directions(table, titles, "Simulated conversion and ageing, volumes")


def draw_learning() -> Figure:
    """Validation figures of the default training over its epochs."""
    table = pd.read_csv(TABLES / "lesions_learning.csv")
    figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    axis.plot(table["epoch"], table["val_ncc_minus"], "o-", label="NCC(-)", color=SEEN)
    axis.plot(table["epoch"], table["val_ncc_plus"], "o-", label="NCC(+)", color=UNSEEN)
    axis.plot(table["epoch"], table["reconstruction_l1"], "o-", label="reconstruction L1 (network intensity)", color="grey")
    axis.axvline(8, color="black", linewidth=0.6, linestyle=":", label="length of the quickstart")
    axis.set(xlabel="epoch of 125 iterations", ylabel="validation figure", title="Simulated lesions: learning")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def draw_uncertainty() -> Figure:
    """What the standard deviation of sampled maps says, in one view and in ten."""
    table = pd.read_csv(TABLES / "lesions_uncertainty.csv")
    figures = {
        "error_correlation": "Correlation of standard deviation and error",
        "calibrated_changed_90": "Changing voxels inside\n90 % interval (share)",
        "calibrated_found_90": "Changing voxels whose\n90 % interval excludes 0 (share)",
    }
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    groups = [(source, sign) for source in ("prior", "mixture") for sign in "-+"]
    for axis, (key, title) in zip(axes, figures.items(), strict=True):
        for views, offset, alpha in ((1, -0.2, 0.5), (10, 0.2, 1.0)):
            for split, colour, shift in (("seen", SEEN, -0.08), ("unseen", UNSEEN, 0.08)):
                chosen = table[(table["metric"] == key) & (table["views"] == views) & (table["split"] == split)]
                means = chosen.set_index(["method", "direction"])["mean"]
                heights = [means[f"sampled_{source}", sign] for source, sign in groups]
                label = f"{views} view{'s' if views > 1 else ''}, {split}"
                axis.bar(np.arange(len(groups)) + offset + shift, heights, 0.15, color=colour, alpha=alpha, label=label)
        ticks = [f"{source} ({sign})" for source, sign in groups]
        axis.set(xticks=np.arange(len(groups)), xticklabels=ticks, ylim=(0, 1))
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(axis="y", alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle("Simulated lesions: test-time augmentation makes the variance informative", fontsize=11)
    return figure


def draw_comparison(cohort: str, title: str) -> Figure:
    """All rows of a comparison, by NCC(-) on seen anatomies.

    Args:
        cohort: `lesions` or `conversion`.
        title: of the figure.
    """
    table = pd.read_csv(TABLES / f"comparison_{cohort}.csv").query("metric == 'ncc_image' and protocol != 'paired'")
    first = table.query("split == 'seen' and direction == '-'").sort_values("mean", ascending=False)
    return draw_directions(table, {row: row for row in first["row"]}, title)


def draw_parts() -> Figure:
    """By how much the default is ahead of itself without one part."""
    table = pd.read_csv(TABLES / "comparison_lesions_lead.csv")
    table = table.rename(columns={"lead": "mean", "lead_ci_low": "ci_low", "lead_ci_high": "ci_high"})
    names = {
        "ICAM, ours, against the input": "own reconstruction as reference\n(instead of the input)",
        "ICAM, ours, one view": "mirrored view",
        "ICAM, ours, in half the time": "twice the epochs, as they are cheap",
        "ICAM, ours, as many epochs, the paper's networks": "our networks\n(as many epochs)",
        "ICAM, ours, the paper's objective": "our objective",
    }
    return draw_directions(table, names, "What each part gives", "gain in NCC (dimensionless)")


def draw_faithfulness() -> Figure:
    """Deletion, insertion and parameter randomisation of all methods."""
    table = pd.read_csv(TABLES / "comparison_lesions_faithfulness.csv")
    metrics = {
        "deletion": "deletion: mean probability\n(good when low)",
        "insertion": "insertion: mean probability\n(good when high)",
        "randomisation_ncc": "NCC with the map of shuffled weights\n(good when near 0)",
    }
    names = list(table.query("split == 'seen' and metric == 'deletion'").sort_values("mean")["row"])
    figure, axes = plt.subplots(1, 3, figsize=(11, 8), sharey=True, layout="constrained")
    for axis, (metric, title) in zip(axes, metrics.items(), strict=True):
        draw_intervals(axis, names, table[(table["metric"] == metric) & (table["direction"] == "-")])
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
    for axis, limits in zip(axes, ((0.2, 1.1), (0, 1.1), (-1, 1)), strict=True):
        axis.set_xlim(*limits)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle("Faithfulness of maps of diseased scans, simulated lesions", fontsize=11)
    return figure


def main() -> None:
    """Write all figures."""
    for name, figure in {
        "lesions": draw_lesion_maps(),
        "volumes": draw_volume_maps(),
        "learning": draw_learning(),
        "uncertainty": draw_uncertainty(),
        "comparison_lesions": draw_comparison("lesions", "All methods under one budget, simulated lesions"),
        "comparison_conversion": draw_comparison("conversion", "All methods under one budget, simulated conversion, volumes"),
        "parts": draw_parts(),
        "faithfulness": draw_faithfulness(),
    }.items():
        figure.savefig(IMAGES / f"results_{name}.png", dpi=90, metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
