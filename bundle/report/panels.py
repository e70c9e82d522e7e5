"""Rows of pictures: what the network does to single test scans."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bundle.attribution import exemplar_maps, interpolate, sampled_maps
from bundle.data.intensities import BACKGROUND
from bundle.evaluation import Evaluation
from bundle.evaluation.encoding import plain
from bundle.evaluation.pairing import name_direction
from bundle.evaluation.truths import find_truths
from bundle.report.images import draw_map, draw_scan, draw_spread, draw_truth, find_point, find_range, take_planes

SHOWN = "exemplar_reconstruction"  # method by whose score the scans are chosen
QUANTILES = (0.25, 0.5, 0.75)  # of that score: neither the best nor the worst scans
SCANS = ("scan", "translated", "other")  # pictures in the intensities of a scan
NUM_STEPS = 7  # pictures of an interpolation


class Tile(NamedTuple):
    """A picture with its caption; `source` is a data URI."""

    source: str
    caption: str


class Panel(NamedTuple):
    """A row of pictures with a title."""

    title: str
    tiles: list[Tile]


def choose_scans(scans: pd.DataFrame, split: str, direction: str, metric: str) -> list[tuple[int, float]]:
    """Choose the scans at the quartiles of a score, so that what is shown is what is usual.

    Args:
        scans: contents of `scans.csv`.
        split: split to choose from.
        direction: direction of the translation.
        metric: score.

    Returns:
        Positions in the test split and scores; empty where there are no scores.
    """
    if scans.empty:
        return []
    rows = scans[(scans["split"] == split) & (scans["direction"] == direction) & (scans["method"] == SHOWN)]
    protocol = "paired" if (rows["protocol"] == "paired").any() else "paper"
    rows = rows[rows["protocol"] == protocol].dropna(subset=[metric]).sort_values([metric, "scan"])
    positions = sorted({round(quantile * (len(rows) - 1)) for quantile in QUANTILES}) if len(rows) else []
    return [(int(row["scan"]), float(row[metric])) for _, row in rows.iloc[positions].iterrows()]


def make_panel(evaluation: Evaluation, attribute: Tensor, index: int, target: int, score: float | None) -> Panel:
    """Show a test scan, its truth, its translation and its maps.

    Args:
        evaluation: the evaluation whose network, references and sampling are used.
        attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        index: position of the scan in the test split.
        target: class to translate to.
        score: its score, for the title.
    """
    comparison = evaluation.comparison
    lender = comparison.references[index][target]
    scan, reference = comparison.load(index), comparison.load(lender)
    image = scan["image"][None].to(comparison.device)
    targets = torch.tensor([target])
    borrowed = attribute[[lender]].to(comparison.device)
    views: dict[str, Any] = {"viewing": comparison.sampling["viewing"], "mirrored": comparison.mirror([lender])}
    exemplar = exemplar_maps(comparison.network, image, borrowed, targets, **views)
    drawn, mirrored = comparison.draw(comparison.draws, target)
    sides: dict[str, Any] = {"attributes": {target: drawn}, "mirrored": None if mirrored is None else {target: mirrored}}
    sampled = sampled_maps(comparison.network, image, targets, **comparison.sampling, **sides)
    truths = [truth.image for truth in find_truths(scan, reference, {}) if truth.kind in ("exemplar", "both")]
    pictures = {
        "scan": scan["image"],
        "truth": orient(truths[-1], scan["label"], target) if truths else None,
        "translated": exemplar.translated[0].cpu(),
        "exemplar": exemplar.mean[0].cpu(),
        "mean": sampled.mean[0].cpu(),
        "spread": sampled.variance[0].cpu().sqrt(),
    }
    name = f"{scan['participant_id']}, class {scan['label']} to {target}, reference {reference['participant_id']}"
    return Panel(name if score is None else f"{name}: NCC {score:.2f}", _draw(pictures, comparison.sampling["num_samples"]))


def make_pair(evaluation: Evaluation, attribute: Tensor, index: int, score: float) -> Panel:
    """Show a test scan, the other scan of the participant, and the scan translated with the attribute of the other.

    Args:
        evaluation: the evaluation whose network and pairs are used.
        attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        index: position of the scan in the test split.
        score: its mean absolute map, for the title.
    """
    comparison = evaluation.comparison
    about, scan, other = comparison.describe_pair(index), comparison.load(index), comparison.load(comparison.pairs[index])
    maps = evaluation.longitudinal.make_maps([index], attribute)
    mean, translated = maps.mean[0].cpu(), maps.translated[0].cpu()
    truth = orient(scan.get("disease_map", torch.zeros_like(mean)), about["label"], about["pair_label"])
    point, limit = find_point(truth if truth.any() else mean), find_range(mean)
    planes = {"scan": scan["image"], "other": other["image"], "translated": translated, "map": mean, "truth": truth}
    shown = {name: _take(image, point, name) for name, image in planes.items()}
    tiles = [
        Tile(draw_scan(shown["scan"]), f"scan {scan['session_id']}"),
        Tile(draw_scan(shown["other"]), f"other scan {other['session_id']}, on its own grid"),
        Tile(draw_scan(shown["translated"]), "translated"),
        Tile(draw_map(shown["map"], limit), f"map, ±{limit:.2f}"),
        *([_draw_truth(shown["scan"], shown["truth"], truth)] if truth.any() else []),
    ]
    name = f"{about['participant_id']}, {about['kind']}, class {about['label']} to {about['pair_label']}"
    return Panel(f"{name}: mean absolute map {score:.4f}", tiles)


def make_pairs(evaluation: Evaluation, pairs: pd.DataFrame, attribute: Tensor, split: str) -> list[Panel]:
    """Show the pair of median mean absolute map of each kind and direction of a split.

    Args:
        evaluation: the evaluation whose network and pairs are used.
        pairs: contents of `pairs.csv`.
        attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        split: split to show.
    """
    if pairs.empty:
        return []
    panels = []
    for _, group in pairs[pairs["split"] == split].groupby(["kind", "direction"]):
        ordered = group.sort_values(["mean_absolute_map", "scan"])
        row = ordered.iloc[(len(ordered) - 1) // 2]
        panels.append(make_pair(evaluation, attribute, int(row["scan"]), float(row["mean_absolute_map"])))
    return panels


def make_interpolation(evaluation: Evaluation, attribute: Tensor, index: int, target: int) -> Panel:
    """Show a scan while its attribute moves to that of its reference scan.

    Args:
        evaluation: the evaluation whose network and references are used.
        attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        index: position of the scan in the test split.
        target: class of the reference scan.
    """
    comparison = evaluation.comparison
    lender = comparison.references[index][target]
    image = plain(comparison.test[index]["image"])[None].to(comparison.device)
    own, lent = (attribute[[position]].to(comparison.device) for position in (index, lender))
    network, label = comparison.network, torch.tensor([target])
    start, end = network.tell(own, label, other=True), network.tell(lent, label)
    strip = interpolate(network, image, start, end, NUM_STEPS)[0].cpu()  # (num_steps, C, H, W[, D])
    change = strip - strip[:1]
    point, limit = find_point(change[-1]), find_range(change[-1])
    names = [f"{share:.0%}" for share in np.linspace(0, 1, NUM_STEPS)]
    tiles = [Tile(draw_scan(take_planes(step, point, BACKGROUND)), name) for step, name in zip(strip, names, strict=True)]
    for step, name in zip(change, names, strict=True):
        tiles.append(Tile(draw_map(take_planes(step, point), limit), f"change at {name}"))
    row = comparison.test.data[index]
    return Panel(f"{row['participant_id']}, from class {row['label']} to {target}; changes up to ±{limit:.2f}", tiles)


def make_panels(evaluation: Evaluation, scans: pd.DataFrame, attribute: Tensor, split: str) -> dict[str, list[Panel]]:
    """Show test scans of a split in every direction, by direction.

    Args:
        evaluation: the evaluation whose network, references and sampling are used.
        scans: contents of `scans.csv`.
        attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        split: split to show.
    """
    num_classes = evaluation.comparison.num_classes
    panels = {}
    for target in range(num_classes):
        for source in (source for source in range(num_classes) if source != target):
            direction = name_direction(source, target, num_classes)
            members = _members(evaluation, split, source)
            chosen = choose_scans(scans, split, direction, evaluation.headline)
            wanted: Sequence[tuple[int, float | None]] = chosen or [(index, None) for index in members[: len(QUANTILES)]]
            panels[direction] = [make_panel(evaluation, attribute, index, target, score) for index, score in wanted]
    return panels


def first_control(evaluation: Evaluation, split: str) -> int:
    """Return the position of the first test scan of class 0 of a split."""
    return _members(evaluation, split, 0)[0]


def _members(evaluation: Evaluation, split: str, label: int) -> list[int]:
    """Return the positions of the test scans of a class in a split."""
    return [i for i, own in enumerate(evaluation.splits) if own == split and evaluation.labels[i] == label]


def _draw(pictures: dict[str, Tensor | None], num_samples: int) -> list[Tile]:
    truth, exemplar, mean, spread = (pictures[key] for key in ("truth", "exemplar", "mean", "spread"))
    assert exemplar is not None and mean is not None and spread is not None
    point = find_point(exemplar if truth is None else truth)
    limit, highest = find_range(exemplar, mean), find_range(spread)
    planes = {key: _take(image, point, key) for key, image in pictures.items() if image is not None}
    marked = [] if truth is None else [_draw_truth(planes["scan"], planes["truth"], truth)]
    return [
        Tile(draw_scan(planes["scan"]), "scan"),
        *marked,
        Tile(draw_scan(planes["translated"]), "translated"),
        Tile(draw_map(planes["exemplar"], limit), f"exemplar map, ±{limit:.2f}"),
        Tile(draw_map(planes["mean"], limit), f"mean of {num_samples} maps, ±{limit:.2f}"),
        Tile(draw_spread(planes["spread"], highest), f"their standard deviation, to {highest:.1g}"),
    ]


def is_mask(truth: Tensor) -> bool:
    """Tell whether a truth marks voxels, rather than saying how they change."""
    return bool(((truth == 0) | (truth == 1)).all())


def orient(truth: Tensor, source: int, target: int) -> Tensor:
    """Return a truth as a translation should show it: a change, which is what disease adds, changes its sign towards health."""
    return truth if is_mask(truth) or target > source else -truth


def _draw_truth(scan: np.ndarray, shown: np.ndarray, truth: Tensor) -> Tile:
    """Draw a change as maps are drawn, a mask on top of the scan."""
    return Tile(draw_truth(scan, shown), "truth") if is_mask(truth) else Tile(draw_map(shown, find_range(truth)), "true change")


def _take(image: Tensor, point: Sequence[int], name: str) -> np.ndarray:
    return take_planes(image, point, BACKGROUND if name in SCANS else 0.0)
