"""Rows of pictures: what the network does to single test scans."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from monai.data import MetaTensor
from torch import Tensor

from bundle.data.intensities import BACKGROUND
from bundle.evaluation import Longitudinal, Split, TranslatingExplainer
from bundle.evaluation.ground_truth import find_truths
from bundle.evaluation.known_scans import Scan
from bundle.inference.overview import COLOUR_LIMIT, to_voxel
from bundle.report.images import (
    RANGE,
    SPREAD_LIMIT,
    draw_map,
    draw_scan,
    draw_spread,
    draw_truth,
    find_point,
    find_range,
    name_planes,
    take_planes,
)

SHOWN = "exemplar_reconstruction"  # method by whose score the scans are chosen
QUANTILES = (0.25, 0.5, 0.75)  # of that score: neither the best nor the worst scans
NUM_STEPS = 7  # pictures of an interpolation
MAP_END, SPREAD_END = f"±{COLOUR_LIMIT:g}", f"0 to {SPREAD_LIMIT:g}"  # where their colours end, network intensity


class Tile(NamedTuple):
    """A picture with its caption; `source` is a data URI."""

    source: str
    caption: str


class Panel(NamedTuple):
    """A row of pictures with a title."""

    title: str
    tiles: list[Tile]


def choose_scans(scans: pd.DataFrame, split: str, direction: str, metric: str) -> list[tuple[int, float]]:
    """Choose the scans at the quartiles of a score in `scans.csv`, so that what is shown is what is usual.

    Returns their positions in the test split and scores; nothing where there are no scores.
    """
    if scans.empty:
        return []
    rows = scans[(scans["split"] == split) & (scans["direction"] == direction) & (scans["method"] == SHOWN)]
    protocol = "paired" if (rows["protocol"] == "paired").any() else "paper"
    rows = rows[rows["protocol"] == protocol].dropna(subset=[metric]).sort_values([metric, "scan"])
    positions = sorted({round(quantile * (len(rows) - 1)) for quantile in QUANTILES}) if len(rows) else []
    return [(int(row["scan"]), float(row[metric])) for _, row in rows.iloc[positions].iterrows()]


def make_panel(explainer: TranslatingExplainer, attribute: Tensor, index: int, target: int, score: float | None) -> Panel:
    """Show a test scan, its truth, its translation to a class and its maps.

    `attribute` has the means of all test scans, shape (N, 1, H/16, W/16[, D/16]); the score is for the title.
    """
    split = explainer.split
    scan, reference = split.load(index), split.load(split.references[index][target])
    _, exemplar, sampled = explainer.explain([index], target, attribute)
    truths = [truth.image for truth in find_truths(scan, reference, {}) if truth.kind in ("exemplar", "both")]
    truth = orient(truths[-1], scan.label, target) if truths else None
    mean, translated = exemplar.mean[0].cpu(), exemplar.translated[0].cpu()
    average, spread = sampled.mean[0].cpu(), sampled.variance[0].cpu().sqrt()
    point = find_point(mean if truth is None else truth)
    tiles = [
        Tile(draw_scan(take_planes(scan.image, point, BACKGROUND)), "scan"),
        *([] if truth is None else [_draw_truth(scan, truth, point)]),
        Tile(draw_scan(take_planes(translated, point, BACKGROUND)), "translated"),
        Tile(draw_map(take_planes(mean, point)), f"exemplar map, {MAP_END}"),
        Tile(draw_map(take_planes(average, point)), f"mean of {explainer.num_samples} maps, {MAP_END}"),
        Tile(draw_spread(take_planes(spread, point)), f"their standard deviation, {SPREAD_END}"),
    ]
    participants = [each.row["participant_id"] for each in (scan, reference)]
    name = f"{participants[0]}, class {split.name_class(scan.label)} to {split.name_class(target)}, reference {participants[1]}"
    name = name if score is None else f"{name}: NCC {score:.2f}"
    return Panel(f"{name}. {name_planes(scan.image, scan.affine, point)}", tiles)


def make_pair(pairs: Longitudinal, attribute: Tensor, index: int, score: float) -> Panel:
    """Show a test scan, the other scan of the participant, and the scan translated with the attribute of the other.

    The other scan is shown at the same place in mm, where that is known, or in the same voxels. Arguments are those of
    `make_panel`; the score is the mean absolute map.
    """
    split = pairs.split
    about, scan, other = split.describe_pair(index), split.load(index), split.load(split.pairs[index])
    maps = pairs.make_maps([index], attribute)
    mean, translated = maps.mean[0].cpu(), maps.translated[0].cpu()
    truth = torch.zeros_like(mean) if scan.disease_map is None else scan.disease_map
    truth = orient(truth, about["label"], about["pair_label"])
    point = find_point(truth if truth.any() else mean)
    sessions = scan.row["session_id"], other.row["session_id"]
    names = f"scan {sessions[0]}", f"other scan {sessions[1]}, on its own grid", "translated"
    tiles = [
        Tile(draw_scan(take_planes(image, place, BACKGROUND)), caption)
        for image, place, caption in zip(
            (scan.image, other.image, translated), (point, _find_same(scan, other, point), point), names, strict=True
        )
    ]
    tiles.append(Tile(draw_map(take_planes(mean, point)), f"map, {MAP_END}"))
    tiles += [_draw_truth(scan, truth, point)] if truth.any() else []
    classes = [split.name_class(about[key]) for key in ("label", "pair_label")]
    name = f"{about['participant_id']}, {about['kind']}, class {classes[0]} to {classes[1]}"
    return Panel(f"{name}: mean absolute map {score:.4f}. {name_planes(scan.image, scan.affine, point)}", tiles)


def make_pairs(pairs: Longitudinal | None, table: pd.DataFrame, attribute: Tensor, split: str) -> list[Panel]:
    """Show the pair of median mean absolute map of each kind and direction of a split, by the table `pairs.csv`."""
    if pairs is None or table.empty:
        return []
    panels = []
    for _, group in table[table["split"] == split].groupby(["kind", "direction"]):
        ordered = group.sort_values(["mean_absolute_map", "scan"])
        row = ordered.iloc[(len(ordered) - 1) // 2]
        panels.append(make_pair(pairs, attribute, int(row["scan"]), float(row["mean_absolute_map"])))
    return panels


def make_interpolation(explainer: TranslatingExplainer, attribute: Tensor, split: str, target: int) -> Panel | None:
    """Show the first control of a split while its attribute moves to that of its reference scan of class `target`, if any."""
    members = _members(explainer.split, split, 0, target)
    if not members:
        return None
    index = members[0]
    strip = explainer.interpolate(index, target, attribute, NUM_STEPS)  # (num_steps, C, H, W[, D])
    change = strip - strip[:1]
    point = find_point(change[-1])
    shares = [f"{share:.0%}" for share in np.linspace(0, 1, NUM_STEPS)]
    tiles = [Tile(draw_scan(take_planes(step, point, BACKGROUND)), name) for step, name in zip(strip, shares, strict=True)]
    for step, name in zip(change, shares, strict=True):
        tiles.append(Tile(draw_map(take_planes(step, point)), f"change at {name}, {MAP_END}"))
    row, planes = explainer.split.rows[index], name_planes(strip[0], explainer.split.load(index).affine, point)
    names = explainer.split.name_class(row["label"]), explainer.split.name_class(target)
    return Panel(f"{row['participant_id']}, from class {names[0]} to {names[1]}. {planes}", tiles)


def make_panels(
    explainer: TranslatingExplainer, scans: pd.DataFrame, attribute: Tensor, split: str, metric: str
) -> dict[str, list[Panel]]:
    """Show test scans of a split in every direction, by direction, chosen by a score in `scans.csv`, which may be empty."""
    panels = {}
    for source, target in sorted(explainer.split.list_directions(), key=lambda pair: pair[1]):
        direction = explainer.split.name_direction(source, target)
        chosen: Sequence[tuple[int, float | None]] = choose_scans(scans, split, direction, metric)
        first = _members(explainer.split, split, source, target)[: len(QUANTILES)]
        wanted = chosen or [(index, None) for index in first]
        panels[direction] = [make_panel(explainer, attribute, index, target, score) for index, score in wanted]
    return panels


def is_mask(truth: Tensor) -> bool:
    """Return whether a truth marks voxels, rather than saying how they change."""
    return bool(((truth == 0) | (truth == 1)).all())


def orient(truth: Tensor, source: int, target: int) -> Tensor:
    """Return a truth as a translation should show it: a change, which is what disease adds, changes its sign towards health."""
    return truth if is_mask(truth) or target > source else -truth


def _members(split: Split, name: str, label: int, target: int) -> list[int]:
    """Return the positions of the scans of a class that have a reference scan of another one."""
    members = [i for i, own in enumerate(split.names) if own == name and split.labels[i] == label]
    return [i for i in members if split.has_reference(i, target)]


def _find_same(scan: Scan, other: Scan, point: Sequence[int]) -> Sequence[int]:
    """Return the voxel of another scan at the place of a scan's voxel; the same voxel where their places are not known."""
    if scan.affine is None or other.affine is None:
        return point
    place = scan.affine @ [*point, *[0] * (3 - len(point)), 1]
    return to_voxel(MetaTensor(other.image, affine=torch.from_numpy(other.affine)), place[:3].tolist())


def _draw_truth(scan: Scan, truth: Tensor, point: Sequence[int]) -> Tile:
    """Draw a mask on top of the scan; a change, scanner units, as maps are, in network intensity where that is known."""
    shown = take_planes(truth, point)
    if is_mask(truth):
        return Tile(draw_truth(take_planes(scan.image, point, BACKGROUND), shown), "truth")
    if scan.unit is None:
        limit = find_range(truth)
        return Tile(draw_map(shown, limit), f"true change, scanner units, ±{limit:.3g}, its {RANGE:g} percentile")
    return Tile(draw_map(shown * scan.unit), f"true change, {MAP_END}")
