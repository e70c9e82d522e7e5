"""The results of a group: from folders of maps to images, tables, pictures and a page."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.errors import describe_failures
from bundle.files import announce, check_writable, hold_folder, write_atomically, write_nifti, write_table
from bundle.group.clusters import COLUMNS, list_clusters, measure_overlap
from bundle.group.design import Comparison, Design
from bundle.group.explained import Cohort
from bundle.group.maps import MapReader, MapStack
from bundle.group.methods import list_cautions, list_versions, write_methods
from bundle.group.page import Limits, Result, check_limits, draw_results, write_page
from bundle.group.testing import Correction, VoxelTest, run_test
from bundle.inference.methods import read_network
from bundle.inference.predictions import RECORD as INFERENCE_RECORD
from bundle.records import compute_fingerprint, read_record, write_record

RECORD, CLUSTERS, METHODS, LOCK = "settings.json", "clusters.tsv", "methods.txt", "group.lock"
FILES = "files"  # key of the record
LEAST_OVERLAP = 0.6  # Dice of the mask with the MNI152 brain; brains in MNI space have 0.85 and more

logger = logging.getLogger(__name__)


class GroupAnalysis:
    """Mean, spread and tests of the maps of a group.

    Args:
        cohort: the scans.
        reader: reads their maps.
        design: groups and covariates.
        correction: control of multiple comparisons.
        output_dir: folder to write to; results of an earlier run in it are replaced.
        mni_space: whether scans lie in MNI152 space, so that regions have names and glass brains are drawn.
        colour_limit: magnitude at which the colours of means and differences end, network intensity.
        t_limit: t at which the colours of tests end.

    Raises:
        ValueError: When `colour_limit` or `t_limit` is no positive number.
    """

    def __init__(
        self,
        cohort: Cohort,
        reader: MapReader,
        design: Design,
        correction: Correction,
        output_dir: str | Path,
        mni_space: bool = True,
        colour_limit: float = Limits().estimate,
        t_limit: float = Limits().t,
    ) -> None:
        self.cohort, self.reader, self.design, self.correction = cohort, reader, design, correction
        self.output_dir, self.mni_space, self.limits = Path(output_dir), mni_space, Limits(colour_limit, t_limit)
        check_limits(self.limits)

    def run(self, written: Mapping[str, str] | None = None) -> None:
        """Write all results, and end the program with status 1 and one sentence when scans could not be read.

        Args:
            written: what each file is, by its name or pattern, for the end; None to print nothing.

        Raises:
            OSError: When nothing can be written to the folder.
            SystemExit: When a scan could not be read; the results of the others are complete.
            ValueError: When scans, table or settings are not accepted, or another process writes there.
        """
        check_writable(self.output_dir)
        with hold_folder(self.output_dir, self.output_dir / LOCK, "output_dir"):
            stack = self._run()
        if written:
            announce(self.output_dir, written)
        if stack.failed:
            count = len(stack.failed)
            raise SystemExit(f"{describe_failures(count, count + len(stack.scans))}; the first: {stack.failed[0]}")

    def _run(self) -> MapStack:
        scans = self.cohort.read()
        if not scans:
            raise ValueError(f"results_dir {', '.join(map(str, self.cohort.folders))} has no scan that is done")
        self.design.check(scans)
        self.design.list_comparisons(scans)  # refuses what is wrong before maps are read
        stack = self.reader.read(scans)
        overlap = self._check_space(stack)
        comparisons = self.design.list_comparisons(stack.scans)
        self._remove_earlier()
        results, clusters, files = [], [pd.DataFrame(columns=COLUMNS)], list[str]()
        for comparison in comparisons:
            logger.info("%s: %s", comparison.title, comparison.note or "tested")
            test = None
            if not comparison.note:
                test = run_test(
                    stack.values[comparison.members], comparison.tested, comparison.covariates, self.correction, stack.mask
                )
                clusters.append(list_clusters(comparison.key, test, stack, self.mni_space))
            images = self._write_maps(comparison, test, stack)
            found = None if test is None else clusters[-1]
            results.append(Result(comparison, test, found, _find_estimate(comparison, test, stack), images))
            files += images
        pictures = draw_results(results, stack, self.correction, self.output_dir, self.mni_space, self.limits)
        files += [name for names in pictures.values() for name, _ in names]
        first = stack.scans[0].results.folder  # all are of one network and its settings
        network, inference = read_network(first), read_record(first / INFERENCE_RECORD, None) or {}
        text = self._write_methods(results, stack, network, inference)
        table = pd.concat([part for part in clusters if len(part)] or clusters[:1])
        write_table(self.output_dir / CLUSTERS, table, "%.6g")
        with write_atomically(self.output_dir / METHODS) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        cautions, column = list_cautions(network), (self.design.groups or [""])[0]
        write_page(self.output_dir, results, pictures, stack, self.correction, self.limits, text, overlap, cautions, column)
        self._write_record(results, stack, overlap, [*files, CLUSTERS, METHODS], network, inference)
        return stack

    def _check_space(self, stack: MapStack) -> float | None:
        """Return the overlap of the mask with the MNI152 brain; None where scans need not lie there."""
        if not self.mni_space:
            return None
        overlap = measure_overlap(stack)
        if overlap < LEAST_OVERLAP:
            raise ValueError(
                f"the scans do not lie in MNI152 space: their mask overlaps that brain by {overlap:.2f} (Dice), accepted is"
                f" {LEAST_OVERLAP} or more; for another template give --mni_space False"
            )
        return overlap

    def _remove_earlier(self) -> None:
        """Remove the files of an earlier run, which may have had other groups."""
        earlier = read_record(self.output_dir / RECORD, None) or {}
        for name in earlier.get(FILES, []):
            (self.output_dir / Path(name).name).unlink(missing_ok=True)

    def _write_maps(self, comparison: Comparison, test: VoxelTest | None, stack: MapStack) -> list[str]:
        """Write the images of a comparison; return their names."""
        members = comparison.members
        images: dict[str, np.ndarray] = {}
        if comparison.is_mean:
            images["mean"] = _find_estimate(comparison, test, stack)
            images["count"] = stack.present[members].sum(axis=0)
            if len(members) > 1:
                images["std"] = stack.values[members].astype(np.float64).std(axis=0, ddof=1)
        elif test is not None:
            images["difference"] = test.estimate
        if test is not None:
            images |= {"t": test.t, "effect_size": test.effect_size, "logp": test.logp}
        for name, values in images.items():
            image = stack.make_image(values)
            write_nifti(self.output_dir / f"{comparison.key}_{name}.nii.gz", np.asarray(image.dataobj), stack.affine)
        return [f"{comparison.key}_{name}.nii.gz" for name in images]

    def _write_methods(
        self, results: Sequence[Result], stack: MapStack, network: Mapping[str, Any], inference: Mapping[str, Any]
    ) -> str:
        comparisons = [result.comparison for result in results]
        covariates = self.design.describe(stack.scans, [comparison for comparison in comparisons if not comparison.note])
        return write_methods(comparisons, stack, self.reader, self.correction, covariates, inference, network)

    def _write_record(
        self,
        results: Sequence[Result],
        stack: MapStack,
        overlap: float | None,
        files: Sequence[str],
        network: Mapping[str, Any],
        inference: Mapping[str, Any],
    ) -> None:
        """Write the settings and numbers of the run, after all else."""
        content: dict[str, Any] = {
            "results_dir": [str(folder) for folder in self.cohort.folders],
            "participants": None if self.cohort.participants is None else str(self.cohort.participants),
            "groups": self.design.groups or None,
            "covariates": self.design.covariates,
            "categories": self.design.categories,
            "correction": vars(self.correction),
            "smoothing_fwhm": self.reader.smoothing_fwhm,
            "mask": None if self.reader.mask is None else str(self.reader.mask),
            "foreground_share": self.reader.foreground_share,
            "mni_space": self.mni_space,
            "mni_overlap": overlap,
            "inference": inference,
            "network": network,
            "versions": list_versions(),
            "num_voxels": int(stack.mask.sum()),
            "colours_end_at": self.limits._asdict(),
            "tests": {
                result.comparison.key: {
                    "title": result.comparison.title,
                    "scans": result.comparison.counts,
                    "not_tested": result.comparison.note or None,
                    "degrees_of_freedom": result.test and result.test.degrees_of_freedom,
                    "significant_voxels": None if result.test is None else int(result.test.significant.sum()),
                    "members": [stack.scans[place].row["name"] for place in result.comparison.members],
                }
                for result in results
            },
            "failed": stack.failed,
            FILES: list(files),
        }
        content = json.loads(json.dumps(content))
        write_record(self.output_dir / RECORD, compute_fingerprint(content), content)


def _find_estimate(comparison: Comparison, test: VoxelTest | None, stack: MapStack) -> np.ndarray:
    """Return the mean map of a direction, or the difference of the groups, shape (V,)."""
    if test is not None:
        return test.estimate
    values = stack.values[comparison.members].astype(np.float64)
    if comparison.is_mean:
        return np.asarray(values.mean(axis=0))
    return np.zeros(values.shape[1])
