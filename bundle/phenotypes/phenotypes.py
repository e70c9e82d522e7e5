"""The phenotypes of a class, as pictures, a page and a table of scans."""

import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.data import Dataset
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor

from bundle.attribution import EncodedScans, MixtureSource
from bundle.attribution.maps import single_maps
from bundle.attribution.sources import check_whole
from bundle.cautions import list_cautions
from bundle.checkpoints import hash_weights
from bundle.files import announce, check_writable, escape_name, write_table
from bundle.inference.datasets import FAILURE, load_scan
from bundle.inference.methods import describe_network
from bundle.inference.overview import name_class
from bundle.networks import ICAM
from bundle.phenotypes.modes import Modes, find_modes
from bundle.phenotypes.page import Panel, write_page
from bundle.records import PROGRAM, compute_fingerprint, list_versions, read_version, write_record
from bundle.structures import Attributes

TABLE, PAGE, RECORD = "phenotypes.tsv", "phenotypes.html", "phenotypes.json"
SPREAD = 2.0  # standard deviations from the mean at which modes are drawn
LEAST_SHARE = 0.01  # of a cluster that is drawn

logger = logging.getLogger(__name__)


class Phenotypes:
    """Show what the sampled maps of a class vary in, and where scans lie among them.

    All maps are drawn on the content of one scan, so that they differ by their attributes alone. Modes are the principal
    components of maps with attributes drawn from the distribution of the class; clusters are the components of that distribution.

    Args:
        network: trained network.
        source: how attributes of a class are drawn.
        dataset: scans that get a place, from `ScanDataset`.
        preprocessing: the network's preprocessing.
        output_dir: folder to write to.
        label: the class; None for the last one.
        content_scan: scan whose content all maps are drawn on; None for the first that the network takes for another class, or
            else for the first of all.
        num_modes: modes that are kept.
        chunk_size: attributes decoded at once.
        class_names: names of the classes; empty where the checkpoint has none.
        checkpoint: file of the network, which the record names and cautions are read from; None for neither.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the network has no distributions of its classes, or a setting is not accepted.
    """

    def __init__(
        self,
        network: ICAM,
        source: MixtureSource,
        dataset: Dataset,
        preprocessing: Any,
        output_dir: str | Path,
        label: int | None = None,
        content_scan: str | Path | None = None,
        num_modes: int = 4,
        chunk_size: int = 10,
        class_names: Sequence[str] = (),
        checkpoint: str | Path | None = None,
    ) -> None:
        source.check()
        check_whole("num_modes", num_modes, 1)
        num_classes = len(network.class_attributes)
        if label is not None and label not in range(num_classes):
            raise ValueError(f"phenotype_class must be a class, 0 to {num_classes - 1}, or null, got {label}")
        self.network, self.source, self.dataset, self.preprocessing = network, source, dataset, preprocessing
        self.output_dir, self.label = Path(output_dir), num_classes - 1 if label is None else label
        self.content_scan, self.num_modes, self.chunk_size = content_scan, num_modes, chunk_size
        self.class_names = list(class_names)
        self.model = None if checkpoint is None else describe_network(checkpoint)
        self.cautions = [] if checkpoint is None else list_cautions(checkpoint)

    def run(self) -> pd.DataFrame:
        """Write `phenotypes.tsv`, `phenotypes.html` and `phenotypes.json`.

        Returns:
            The table: `name`, `scan`, `predicted_class`, `predicted_name` (where classes have names), `mode_1`, ... (standard
            deviations), `cluster` (the most probable) and `cluster_1`, ... (probabilities).

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When no scan can be read, or the maps do not vary.
            SystemExit: When a scan could not be read; the others are done.
        """
        check_writable(self.output_dir)
        scans, failed = self._read()
        content = self._choose_content(scans)
        draws = self.source.draw(self.label).values.flatten(1)
        maps = self._draw(content, draws)
        modes = find_modes(maps, draws.double().numpy(), self.num_modes)
        table = self._place(scans, content, modes)
        write_table(self.output_dir / TABLE, table, "%.6g")
        panels = [*self._list_modes(content, modes), *self._list_clusters(content, table)]
        about = {
            "name": name_class(self.label, self.class_names),
            "content": content["name"],
            "draws": len(draws),
            "spread": SPREAD,
            "cautions": self.cautions,
        }
        write_page(self.output_dir / PAGE, panels, content["image"].cpu().numpy()[0], content["affine"], table, about)
        self._write_record(scans, failed, content, modes)
        written = {PAGE: "modes and clusters of the maps, as pictures", TABLE: "the place of each scan", RECORD: "settings"}
        announce(self.output_dir, written)
        if failed:
            raise SystemExit(f"{len(failed)} of {len(scans) + len(failed)} scans are left out; the first: {failed[0]}")
        return table

    def _read(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return attribute, class and name of each scan, and why others are left out."""
        scans, failed = [], []
        for index in range(len(self.dataset)):
            item = self.dataset[index]
            if FAILURE in item:
                logger.warning("%s is left out: %s", item["scan"], item[FAILURE])
                failed.append(item[FAILURE])
                continue
            encoded = self._encode(item[Keys.IMAGE])
            about = {"name": item["name"], "scan": item["scan"], "predicted_class": int(encoded.probabilities.argmax())}
            scans.append(about | {"attribute": encoded.attribute.flatten(1).cpu(), "index": index})
        if not scans:
            raise ValueError(f"no scan can be read; the first: {failed[0]}")
        return scans, failed

    def _write_record(
        self, scans: Sequence[Mapping[str, Any]], failed: Sequence[str], content: Mapping[str, Any], modes: Modes
    ) -> None:
        """Write what the results are of; not `settings.json`, which an inference may have left in the same folder."""
        source = self.source
        record = {
            "network": self.model,
            "weights": hash_weights(self.network),
            "cautions": self.cautions,
            "phenotype_class": {"label": self.label, "name": name_class(self.label, self.class_names)},
            "content_scan": content["path"],
            "phenotype_samples": source.num_samples,
            "threshold": source.threshold,
            "seed": source.seed,
            "num_modes": self.num_modes,
            "shares_of_modes": [float(share) for share in modes.shares],
            "scans": len(scans),
            "failed": list(failed),
            "versions": {PROGRAM: read_version(), "python": platform.python_version(), **list_versions()},
        }
        write_record(self.output_dir / RECORD, compute_fingerprint(record), record)

    def _choose_content(self, scans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the scan on which maps are drawn: image, affine, name, path."""
        if self.content_scan is not None:
            image: Any = load_scan(self.content_scan, self.preprocessing)
            name, path = Path(self.content_scan).name, str(self.content_scan)
        else:
            chosen = next((scan for scan in scans if scan["predicted_class"] != self.label), scans[0])
            image, name, path = self.dataset[chosen["index"]][Keys.IMAGE], chosen["name"], chosen["scan"]
        encoded, affine = self._encode(image), image.affine.numpy()
        return {"image": image.as_tensor(), "affine": affine, "name": name, "path": escape_name(path), "encoded": encoded}

    def _encode(self, image: Any) -> EncodedScans:
        device = next(self.network.parameters()).device
        return EncodedScans(self.network, image.as_tensor()[None].to(device))

    def _draw(self, content: Mapping[str, Any], attributes: Tensor) -> np.ndarray:
        """Return the map of each attribute (D, N) on the content, shape (D, V)."""
        encoded = content["encoded"]
        values = attributes.float().view(-1, *self.network.attribute_encoder.latent_shape).to(encoded.image.device)
        target = torch.tensor([self.label], device=encoded.image.device)
        maps = single_maps(encoded, target, {self.label: Attributes(values)}, self.chunk_size)
        return maps.flatten(1).cpu().numpy()

    def _place(self, scans: Sequence[Mapping[str, Any]], content: Mapping[str, Any], modes: Modes) -> pd.DataFrame:
        """Return the table of scans."""
        attributes = torch.cat([scan["attribute"] for scan in scans])
        scores = modes.score(self._draw(content, attributes))
        distributions = self.network.distributions
        assert distributions is not None
        present = distributions.weights[self.label].cpu() > 0
        places = distributions.find_components(attributes.to(distributions.weights.device), self.label).cpu()[:, present]
        table = pd.DataFrame([{key: scan[key] for key in ("name", "scan", "predicted_class")} for scan in scans])
        if self.class_names:
            table["predicted_name"] = [self.class_names[label] for label in table["predicted_class"]]
        table[[f"mode_{number + 1}" for number in range(scores.shape[1])]] = scores
        table["cluster"] = places.argmax(1).numpy() + 1
        table[[f"cluster_{number + 1}" for number in range(places.shape[1])]] = places.numpy()
        return table

    def _list_modes(self, content: Mapping[str, Any], modes: Modes) -> list[Panel]:
        """Return the pictures of each mode: the map at the mean, and on either side of it."""
        low, high = (self._draw(content, torch.from_numpy(modes.list_attributes(sign * SPREAD))) for sign in (-1, 1))
        (mean,) = self._draw(content, torch.from_numpy(modes.attribute)[None])
        titles = [f"mean - {SPREAD:g} SD", "mean", f"mean + {SPREAD:g} SD"]
        return [
            Panel("mode", number, float(share), list(zip(titles, self._shape(content, [one, mean, other]), strict=True)))
            for number, (share, one, other) in enumerate(zip(modes.shares, low, high, strict=True), start=1)
        ]

    def _list_clusters(self, content: Mapping[str, Any], table: pd.DataFrame) -> list[Panel]:
        """Return the picture of each cluster: the map at its mean."""
        distributions = self.network.distributions
        assert distributions is not None
        weights, means = distributions.weights[self.label].cpu(), distributions.means[self.label].cpu()
        maps = self._shape(content, list(self._draw(content, means[weights > 0])))
        own = table.loc[table["predicted_class"] == self.label, "cluster"]
        return [
            Panel("cluster", number, float(share), [(f"{(own == number).sum()} of {len(own)} scans of the class", image)])
            for number, (share, image) in enumerate(zip(weights[weights > 0], maps, strict=True), start=1)
            if share >= LEAST_SHARE
        ]

    def _shape(self, content: Mapping[str, Any], maps: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return maps of V voxels on the network's grid, shape (H, W[, D])."""
        return [each.reshape(content["image"].shape[1:]) for each in maps]
