"""Headers, tables, checkpoints and scans with damage: each is read, or refused with one sentence."""

import logging
import struct
from collections import Counter
from collections.abc import Callable, Sized
from pathlib import Path

import nibabel
import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from monai.bundle import ConfigParser

from bundle import CONFIGS
from bundle.checkpoints import load_network
from bundle.data import read_manifest
from bundle.data.manifest import SPLITS
from bundle.data.scans import LoadScan
from bundle.inference import find_scans
from faults.kills import Row
from faults.runs import limit_memory

REFUSALS = (ValueError, OSError)
FIELDS = {  # of a NIfTI-1 header: position and format
    "dim": (40, "8h"), "datatype": (70, "h"), "bitpix": (72, "h"), "pixdim": (76, "8f"), "vox_offset": (108, "f"),
    "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"), "qform_code": (252, "h"),
    "sform_code": (254, "h"), "quatern": (256, "3f"), "qoffset": (268, "3f"), "srow": (280, "12f"), "magic": (344, "4s"),
    "sizeof_hdr": (0, "i"),
}  # fmt: skip
RANGES = {"h": (-(2**15), 2**15 - 1), "B": (0, 255), "i": (-(2**31), 2**31 - 1)}
REQUIRED_COLUMNS = ("participant_id", "label", "split", "image", "age")
CELLS = (
    "sub-1", "0", "1", "2", "train", "test", "n/a", "NA", "", " ", "89+", "1e400", "-1", "1,5", "6/9/2010", '"', "0x1F", "1.nii",
    "../1.nii", "/", "nowhere.nii", "\u00fc", "\x00", "pair", "session_id", "mask", "sex", " label", "Image",
)  # fmt: skip


for name in ("nibabel", "bundle"):  # a line for each strange field
    logging.getLogger(name).setLevel(logging.CRITICAL)


class Tally:
    """Counts of what came of inputs, and the first that came out wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def take(self, read: Callable[[], str]) -> None:
        """Count an input: what `read` returns, "refused", or an error that is no sentence."""
        try:
            outcome = read()
        except REFUSALS as error:
            outcome = "refused" if str(error) and "\n" not in str(error) else f"no sentence: {error!r}"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        self.counts[outcome if outcome in ("refused", "read", "equal") else "wrong"] += 1
        if outcome not in ("refused", "read", "equal"):
            self.wrong.append(outcome)

    def make_row(self, fault: str, where: str) -> Row:
        """Return the row of the table."""
        total = self.counts.total()
        good = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return Row(fault, where, total, total - self.counts["wrong"], self.wrong[0] if self.wrong else good)


def damage_headers(folder: Path, count: int, number: int) -> Row:
    """Read NIfTI files whose headers have drawn values in drawn fields.

    Args:
        folder: where the file is written.
        count: number of headers.
        number: seed of the draws.
    """
    path, tally = folder / "header.nii", Tally()
    image = nibabel.Nifti1Image(np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32), np.eye(4))
    raw, load = image.to_bytes(), LoadScan()

    @_examples(count, number)
    @given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.data(), max_size=4), st.data())
    def read(fields: dict[str, object], data: st.DataObject) -> None:
        """Read a file with values drawn for these fields."""
        content = bytearray(raw)
        for name in fields:
            place, form = FIELDS[name]
            values = [data.draw(_draw_value(form[-1])) for _ in range(1 if form[-1] == "s" else int(form[:-1] or 1))]
            struct.pack_into(f"<{form}", content, place, *values)
        path.write_bytes(content)
        tally.take(lambda: _read_scan(load, path))

    with limit_memory():
        read()
    return tally.make_row("header with drawn values", "NIfTI files")


def damage_tables(folder: Path, count: int, number: int) -> Row:
    """Read tables of drawn columns, cells, separators and encodings, as cohorts and as lists of scans.

    Args:
        folder: where the table is written.
        count: number of tables.
        number: seed of the draws.
    """
    folder.mkdir(exist_ok=True)
    path, tally = folder / "participants.tsv", Tally()
    rows = [list(REQUIRED_COLUMNS)]
    for index in range(6):
        nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), folder / f"{index}.nii")
        rows.append([f"sub-{index}", str(index % 2), SPLITS[index // 2], f"{index}.nii", f"{60 + index}"])
    places = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, len(rows[0])))
    changes = st.dictionaries(places, st.one_of(st.sampled_from(CELLS), st.text(max_size=6)), max_size=3)
    encodings = st.sampled_from(("utf-8", "utf-16", "latin-1", "utf-8-sig", "cp1252"))

    @_examples(count, number)
    @given(st.one_of(st.binary(max_size=200), st.tuples(changes, st.sampled_from("\t\t,;| "), encodings)))
    def read(drawn: bytes | tuple) -> None:
        """Read a drawn table in both ways."""
        if isinstance(drawn, tuple):
            changed, separator, encoding = drawn
            lines = [row.copy() for row in rows]
            for (line, column), cell in changed.items():
                lines[line][column : column + 1] = [cell]
            drawn = "\n".join(separator.join(line) for line in [*lines, ""]).encode(encoding, errors="replace")
        path.write_bytes(drawn)
        tally.take(lambda: _describe(read_manifest(folder)))
        tally.take(lambda: _describe(find_scans(path)))

    read()
    return tally.make_row("table with drawn content", "cohorts and lists of scans")


def damage_checkpoints(checkpoint: Path, folder: Path, count: int, random: np.random.Generator) -> Row:
    """Load checkpoints with changed, missing or repeated bytes.

    Args:
        checkpoint: one of the tiny network.
        folder: where the damaged file is written.
        count: number of files.
        random: draws the damage.
    """
    parser = ConfigParser(ConfigParser.load_config_files([str(CONFIGS / "inference.yaml")]))
    parser["image_size"] = [32, 32]
    network, path, raw, tally = parser.get_parsed_content("network_def"), folder / "damaged.pt", checkpoint.read_bytes(), Tally()
    expected = {name: weight.clone() for name, weight in load_network(network, checkpoint).state_dict().items()}

    def read() -> str:
        state = load_network(network, path).state_dict()
        return "equal" if all(torch.equal(state[name], weight) for name, weight in expected.items()) else "other weights"

    for _ in range(count):
        path.write_bytes(damage(raw, random))
        tally.take(read)
    return tally.make_row("damaged bytes", "checkpoints")


def damage_scans(scan: Path, folder: Path, count: int, random: np.random.Generator) -> Row:
    """Read compressed scans with changed, missing or repeated bytes.

    Args:
        scan: a good one.
        folder: where the damaged file is written.
        count: number of files.
        random: draws the damage.
    """
    path, raw, load, tally = folder / "damaged.nii.gz", scan.read_bytes(), LoadScan(), Tally()
    expected = load(scan)

    def read() -> str:
        image = load(path)
        same = image.shape == expected.shape and bool((image == expected).all()) and bool((image.affine == expected.affine).all())
        return "equal" if same else "another image"

    for _ in range(count):
        path.write_bytes(damage(raw, random))
        tally.take(read)
    return tally.make_row("damaged bytes", "scans, .nii.gz")


def damage(raw: bytes, random: np.random.Generator) -> bytes:
    """Return bytes of which some are changed, cut off, repeated, zero or exchanged.

    Args:
        raw: good bytes.
        random: draws the kind of damage and its place.
    """
    kind, (start, end) = random.integers(5), sorted(random.integers(len(raw), size=2).tolist())
    if kind == 0:
        content = bytearray(raw)
        for place in random.integers(len(raw), size=int(random.integers(1, 9))):
            content[place] ^= int(random.integers(1, 256))
        return bytes(content)
    return [raw[:start], raw[:end] + raw[start:], raw[:start] + bytes(end - start) + raw[end:], raw[:start] + raw[end:]][kind - 1]


def _draw_value(form: str) -> st.SearchStrategy:
    """Return a strategy for one value of a field."""
    if form == "s":
        return st.one_of(st.just(b"n+1\0"), st.just(b"ni1\0"), st.binary(min_size=4, max_size=4))
    if form == "f":
        return st.one_of(st.sampled_from((0.0, 1.0, -1.0, 1e-3, 1e3, float("nan"), float("inf"))), st.floats(width=32))
    return st.one_of(st.integers(0, 8), st.integers(*RANGES[form]))


def _examples(count: int, number: int) -> Callable[[Callable], Callable]:
    """Return a decorator: so many examples, drawn by a seed, none kept."""
    chosen = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    return lambda function: seed(number)(chosen(function))


def _describe(rows: Sized) -> str:
    return "read" if len(rows) else "neither refused nor read"


def _read_scan(load: LoadScan, path: Path) -> str:
    image = load(path)
    good = bool(torch.isfinite(image).all()) and abs(float(torch.linalg.det(image.affine))) > 0
    return "read" if good else "neither refused nor finite"
