"""The page of a group, and its pictures."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bundle.colours import HIGH, LOW
from bundle.files import quote_path, write_atomically
from bundle.group.design import Comparison
from bundle.group.explained import ExplainedScan
from bundle.group.maps import MapStack
from bundle.group.methods import describe_counts
from bundle.group.pictures import Pictures
from bundle.group.testing import CORRECTIONS, Correction, VoxelTest
from bundle.inference.overview import check_limit
from bundle.templates import make_environment

FOLDER = Path(__file__).parent
INDEX, TEMPLATE = "index.html", "group.html"
UNIT = "network intensity (a scan's range is 2)"
FAINT = 0.05  # share of the colours below which means and differences are not drawn
NUM_CLUSTERS = 20  # of a test on the page; the table has all


class Result(NamedTuple):
    """What was found.

    Attributes:
        comparison: the question.
        test: the answer; None where there are too few scans.
        clusters: significant clusters; None without a test.
        estimate: mean map, or difference of the groups, shape (V,).
        images: names of its NIfTI files.
    """

    comparison: Comparison
    test: VoxelTest | None
    clusters: pd.DataFrame | None
    estimate: np.ndarray
    images: list[str]


class Limits(NamedTuple):
    """Magnitudes at which the colours of all pictures end, whatever the maps hold.

    Attributes:
        estimate: of means and differences, network intensity.
        t: of t statistics.
    """

    estimate: float = 0.1
    t: float = 10.0


Named = dict[str, list[tuple[str, str]]]  # pictures of each comparison: file, and text in its place


def draw_results(
    results: Sequence[Result], stack: MapStack, correction: Correction, folder: Path, mni_space: bool, limits: Limits
) -> Named:
    """Draw all results through the same planes and with the same colours.

    Args:
        results: what was found.
        stack: maps that were tested.
        correction: control of multiple comparisons.
        folder: where pictures go.
        mni_space: whether glass brains are drawn.
        limits: where the colours end.

    Returns:
        The pictures of each comparison by its key.
    """
    tests = [result.test for result in results if result.test is not None]
    found = [np.where(test.significant, test.t, 0) for test in tests if test.significant.any()]
    pictures = Pictures(stack, found or [result.estimate for result in results])
    named: Named = {}
    for result in results:
        item, test = result.comparison, result.test
        named[item.key] = []
        if item.note and not item.is_mean:
            continue
        head = f"{item.title}: {'mean' if item.is_mean else 'difference of the'} maps, {describe_counts(item)}"
        signs = f"{HIGH.capitalize()}: {item.red}. {LOW.capitalize()}: {item.blue}. Lighter is stronger."
        name = f"{item.key}_estimate.png"
        ends = f"Colours end at ±{limits.estimate:g}; magnitudes below {FAINT * limits.estimate:.2g} are not drawn."
        lines = [head, ends, signs]
        shown = np.where(np.abs(result.estimate) < FAINT * limits.estimate, 0, result.estimate)
        pictures.draw_slices(shown, limits.estimate, lines, UNIT, folder / name)
        named[item.key].append((name, " ".join(lines)))
        if test is None:
            continue
        shown = np.where(test.significant, test.t, 0)
        rule = f"t({test.degrees_of_freedom}) where p ≤ {correction.alpha:g}: {CORRECTIONS[correction.method]}"
        lines = [head, f"{rule}. {f'Colours end at ±{limits.t:g}.' if shown.any() else 'No voxel.'}", signs]
        draw = {"t": pictures.draw_slices}
        if mni_space and not pictures.is_slice:
            draw["glass"] = pictures.draw_glass_brain
        for kind, function in draw.items():
            name = f"{item.key}_{kind}.png"
            function(shown, limits.t, lines, "t", folder / name)
            named[item.key].append((name, " ".join(lines)))
    return named


def check_limits(limits: Limits) -> None:
    """Refuse ends of colours that are none: a `ValueError`."""
    check_limit(limits.estimate)
    if isinstance(limits.t, bool) or not (isinstance(limits.t, int | float) and 0 < limits.t < float("inf")):
        raise ValueError(f"t_limit must be a positive number, got {limits.t!r}")


def write_page(
    folder: Path,
    results: Sequence[Result],
    pictures: Named,
    stack: MapStack,
    correction: Correction,
    limits: Limits,
    methods: str,
    overlap: float | None,
    cautions: Sequence[str] = (),
    column: str = "",
) -> None:
    """Write the page.

    Args:
        folder: where it goes, beside its pictures.
        results: what was found.
        pictures: files of each comparison, with a text in their place.
        stack: maps that were tested.
        correction: control of multiple comparisons.
        limits: where the colours end.
        methods: paragraph to copy.
        overlap: of the mask with the MNI152 brain; None for scans that need not lie there.
        cautions: sentences on the network that stand above all results.
        column: of the groups; empty where predicted classes are compared.
    """
    content = (
        make_environment(FOLDER)
        .get_template(TEMPLATE)
        .render(
            shown=[_describe(result, pictures, correction, stack) for result in results],
            stack=stack,
            failed=stack.failed,
            alpha=correction.alpha,
            control=CORRECTIONS[correction.method],
            limits=limits,
            methods=methods,
            overlap=overlap,
            unit=UNIT,
            cautions=cautions,
            column=column,
            scans=[_list_scan(scan, column, folder) for scan in stack.scans],
        )
    )
    with write_atomically(folder / INDEX) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _list_scan(scan: ExplainedScan, column: str, folder: Path) -> Mapping[str, object]:
    """Return what the table of scans shows of one: its name, classes and group, and the address of its page where it has one."""
    page = scan.results.name_page(scan.row)
    link = "./" + quote_path(Path(os.path.relpath(page, folder.absolute())), Path()) if page.is_file() else ""
    classes = scan.results.name_classes(scan.row)
    return {"name": scan.row["name"], "link": link, "classes": classes, "group": scan.facts.get(column, "")}


def _describe(result: Result, pictures: Named, correction: Correction, stack: MapStack) -> Mapping[str, object]:
    """Return what the page shows of a result."""
    item, test, table = result.comparison, result.test, result.clusters
    clusters = [] if table is None else table.head(NUM_CLUSTERS).to_dict("records")
    voxel = abs(np.linalg.det(stack.affine[:3, :3])) / 1000
    least = correction.find_least(item.counts)
    return {
        "item": item,
        "counts": describe_counts(item),
        "test": test,
        "volume": 0.0 if test is None else float(test.significant.sum() * voxel),
        "strongest": 0.0 if test is None else float(np.abs(np.where(test.significant, test.effect_size, 0)).max()),
        "clusters": clusters,
        "more": 0 if table is None else len(table) - len(clusters),
        "pictures": pictures[item.key],
        "images": [(name, name.removeprefix(f"{item.key}_").removesuffix(".nii.gz").replace("_", " ")) for name in result.images],
        "least": least if test is not None and least > correction.alpha else 0.0,
    }
