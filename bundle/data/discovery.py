"""The one discovery of scans: which files of a folder are scans, and why others are not."""

import fnmatch
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bundle.data.bids import RAW, read_description, write_camel_case
from bundle.data.formats import SUFFIXES, has_suffix, strip_suffix
from bundle.files import TABLE_SUFFIXES, TEMPORARY_PREFIX, locate

IMAGES = ("fa_mean", "fa_variance", "fa_low", "fa_high", "translated", "fa_exemplar", "fa_value", "translated_value")
SERIES = ("fa_draws", "translated_steps", "translated_value_steps")  # several images in one file, with plain names in BIDS too
MAPS = (*(f"_{name}" for name in (*IMAGES, *SERIES)), "_interpolation")  # endings of what inference writes
DERIVED = re.compile(rf"(?i:_desc-[a-z0-9+]*(?:{'|'.join(map(write_camel_case, IMAGES))}))_[A-Za-z0-9]+$")  # by BIDS
PREPARED = ("_desc-prepared_T1w", "_desc-brain_mask")  # and of what the preparation writes
FOREIGN = ("@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN")  # folders that systems leave behind
LABELS = ("mask", "masks", "label", "labels", "segmentation", "segmentations", "parcellation", "parcellations", "atlas", "dseg",
          "probseg", "seg", "aseg", "aparc", "wmparc", "ribbon", "roi", "rois", "pve", "pveseg")  # in names  # fmt: skip
TISSUE = re.compile(r"(?:m?w|r)?c[1-6][A-Za-z]")  # start of SPM's tissue maps, such as c1T1 of T1; c1 and c1_T1 are scans
CONTRASTS = ("T1w", "T2w", "PDw", "FLAIR", "T2starw", "inplaneT1", "inplaneT2", "PDT2", "UNIT1")  # of BIDS
OTHER_IMAGES = (".dcm", ".ima", ".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip", ".nii.gz.zip", ".img.gz", ".hdr.gz", ".mha",
                ".mhd", ".mif", ".brik", ".head", ".nhdr", ".mnc.gz")  # fmt: skip
DEAD = "link to a file that is not there: fetch it, or leave the scan out"
LOOPS = "links to a folder that holds them, or that is read under another name"
DEAD_LINKS = "links to what is not there"
OTHER_IMAGE = "images of an ending that is not read"
DOUBTFUL = (DEAD_LINKS, OTHER_IMAGE)
DERIVATIVE = "made from scans beside them, by desc- in their names; to have them: --scan_suffix all, or a table that lists them"
UNREADABLE = "folders that cannot be read"


class Layout(NamedTuple):
    """Where a dataset has its scans.

    Args:
        name: What it is called in messages.
        folders: Pattern of the folders, relative to the dataset, that are entered.
        places: Pattern of the folders that hold scans, likewise.
    """

    name: str
    folders: str
    places: str


BIDS = Layout(  # or the folder of one participant or session of it
    "BIDS", r"sub-[^/]+(/ses-[^/]+)?(/anat)?|ses-[^/]+(/anat)?|anat", r"(sub-[^/]+/)?(ses-[^/]+/)?anat"
)
STUDY = Layout(BIDS.name, rf"{RAW}(/({BIDS.folders}))?", rf"{RAW}/({BIDS.places})")
CAPS = Layout("CAPS", r"subjects(/sub-[^/]+(/ses-[^/]+(/t1_linear)?)?)?", r"subjects/sub-[^/]+/ses-[^/]+/t1_linear")

logger = logging.getLogger(__name__)


class Discovery:
    """Walks through a folder, and keeps what is left out, by reason.

    Hidden files and folders, and those that systems leave behind, are not entered. Links to folders are followed, once for
    each folder, and not where they lead back to a folder that holds them; a folder is read under its own name where it has one.

    Args:
        folder: Where to look.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.left_out: dict[str, list[str]] = {}  # paths relative to the folder, by reason
        self.doubtful: set[str] = set()  # reasons that deserve a warning

    def leave_out(self, reason: str, path: str | Path, doubtful: bool = False) -> None:
        """Note that a file or folder is left out."""
        name = os.path.relpath(path, self.folder) if Path(path).is_absolute() else str(path)
        self.left_out.setdefault(reason, []).append(name)
        self.doubtful |= {reason} if doubtful else set()

    def log(self) -> None:
        """Log a line for each reason: how many files and folders it left out, and the first of them."""
        for reason, names in self.left_out.items():
            level = logging.WARNING if reason in self.doubtful else logging.INFO
            logger.log(level, "%s: %d left out: %s (first: %s)", self.folder, len(names), reason, names[0])

    def walk(self, enter: Callable[[str], bool] = lambda relative: True) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield each folder, its folders and its files.

        Args:
            enter: Whether a folder is read, by its path relative to the folder.

        Yields:
            Path of a folder relative to the one that is walked through ("" for itself), and sorted names of the folders in it,
            which may be taken out of the list, and of the files, dead links among them.
        """
        waiting, linked, seen = [""], list[str](), set[tuple[int, int]]()
        while waiting or linked:
            relative = waiting.pop() if waiting else linked.pop(0)
            path = self.folder / relative
            try:
                entries = sorted(os.scandir(path), key=lambda entry: entry.name)
                state = path.stat()
            except OSError as error:
                self.leave_out(f"{UNREADABLE} ({(error.strerror or 'error').lower()})", path, doubtful=True)
                continue
            if (state.st_dev, state.st_ino) in seen:
                self.leave_out(LOOPS, path)
                continue
            seen.add((state.st_dev, state.st_ino))
            folders, links, files = self._sort(entries, relative, enter)
            names = [*folders, *links]
            yield relative, names, files
            kept = set(names)
            waiting += [_join(relative, name) for name in reversed(folders) if name in kept]
            linked += [_join(relative, name) for name in links if name in kept]

    def _sort(
        self, entries: list[os.DirEntry], relative: str, enter: Callable[[str], bool]
    ) -> tuple[list[str], list[str], list[str]]:
        """Return names of folders, of links to folders, and of files."""
        folders: list[str] = []
        links: list[str] = []
        files: list[str] = []
        for entry in entries:
            is_folder = Path(entry.path).is_dir()
            if entry.name.startswith(".") or entry.name in FOREIGN:
                if (is_folder or has_suffix(entry.name)) and not entry.name.startswith(TEMPORARY_PREFIX):
                    self.leave_out("hidden, or left behind by a system", entry.path)
            elif not is_folder:
                files.append(entry.name)
            elif not enter(_join(relative, entry.name)):
                self.leave_out("folders that the layout has no scans in", entry.path)
            elif entry.is_symlink() and _holds(os.path.realpath(entry.path), os.path.realpath(self.folder / relative)):
                self.leave_out(LOOPS, entry.path)
            else:
                (links if entry.is_symlink() else folders).append(entry.name)
        return folders, links, files

    def find(
        self, suffix: str | None = "T1w", made: tuple[str, ...] = MAPS, layout: Layout | None = None, pattern: str | None = None
    ) -> list[Path]:
        """Return the scans of the folder, in the order of their paths.

        Of a dataset in the layout of BIDS, a study that holds one as `rawdata`, or Clinica CAPS they are the anatomical scans of
        the participants of one contrast, without those that were made from a scan beside them; of any other folder all scans at
        any depth. Masks, probability maps and label images are none, by their names.

        Args:
            suffix: Contrast that is taken of a dataset, the last part of a BIDS name; None for every file of the folder.
            made: Endings of names, before the suffix of the file, that this bundle gives its own files.
            layout: Layout of the folder; None to find out, unless `suffix` is None.
            pattern: Glob pattern of a scan's name; None for that of the contrast.

        Returns:
            Paths of files, and of links to files that are not there.
        """
        known = layout or (self.find_layout(suffix) if suffix is not None else None)
        name, folders, places = known or Layout("", ".*", ".*")
        pattern = pattern or (f"*_{suffix}.*" if known else "*")
        found = []
        for relative, _, files in self.walk(lambda path: re.fullmatch(folders, path) is not None):
            here, beside = re.fullmatch(places, relative) is not None, {file.lower() for file in files}
            for file in files:
                path = self.folder / relative / file
                reason = DEAD_LINKS if not has_suffix(file) and is_dead(path) else find_reason(file, made, beside)
                if reason is None and not (here and fnmatch.fnmatchcase(file, pattern)):
                    reason = f"not named {pattern}" if here else f"not where {name} has its scans"
                if reason is None:
                    found.append(path)
                elif path.suffix.lower() not in TABLE_SUFFIXES:  # read by others
                    self.leave_out(reason, _join(relative, file), reason in DOUBTFUL)
        derived = _find_derived(found) if known and layout is None else set()
        for path in sorted(derived):
            self.leave_out(DERIVATIVE, path)
        return sorted(set(found) - derived)

    def find_layout(self, suffix: str) -> Layout | None:
        """Return the layout of the folder, if it is a dataset with scans of any contrast, or says that it is BIDS.

        Args:
            suffix: Contrast that is wanted; it counts where BIDS does not have it.
        """
        described = "BIDSVersion" in read_description(self.folder) and self._has("sub-*")
        if self._shows(suffix, "subjects/sub-*/ses-*/t1_linear/*"):
            return CAPS
        places = ("anat", "ses-*/anat", "sub-*/anat", "sub-*/ses-*/anat")
        if described or any(self._shows(suffix, f"{place}/sub-*") for place in places):
            return BIDS
        raw = self.folder / RAW
        return STUDY if raw.is_dir() and Discovery(raw).find_layout(suffix) == BIDS else None

    def _shows(self, suffix: str, pattern: str) -> bool:
        """Check whether a file that a pattern finds is named as a scan of a contrast, the wanted or another one."""
        known = {suffix, *CONTRASTS}
        return any(path.name.split(".")[0].rpartition("_")[2] in known for path in self.folder.glob(pattern))

    def _has(self, pattern: str) -> bool:
        return next(self.folder.glob(pattern), None) is not None


def find_reason(name: str, made: tuple[str, ...] = (), beside: Collection[str] = ()) -> str | None:
    """Return why a file is no scan, by its name; None when it is one.

    Args:
        name: Name of the file.
        made: Endings of names, before the suffix, of files of our own.
        beside: Names of the files in its folder, in lower case.
    """
    stem = strip_suffix(name)
    if name.lower().endswith(OTHER_IMAGES):
        return OTHER_IMAGE
    if not has_suffix(name):
        return "no scans, by their endings"
    if name.lower().endswith(".hdr") and f"{stem}.img".lower() in beside:
        return "headers of the images beside them"
    if made and (stem.endswith(made) or DERIVED.search(stem)):
        return "written by this bundle"
    return "masks, probability maps or label images, by their names" if is_label_image(stem) else None


def is_label_image(stem: str) -> bool:
    """Check whether a name, without suffix, is that of a mask, probability map or label image.

    Whole words count, whatever digits they have: `brain_mask`, `mask01`, `brainmask_fs` and `aparc+aseg`, but neither `unmasked`
    nor the participant `sub-mask`. A name that ends in a contrast, as in BIDS, is a scan, other than a tissue map of SPM.
    """
    if TISSUE.match(stem):
        return True
    if stem.split("_")[-1] in CONTRASTS:
        return False
    words = re.split(r"[_\-.+ ]", re.sub(r"(?:^|_)(?:sub|ses)-[^_]*", "", stem).lower())
    words = [word.strip("0123456789") for word in words]
    return any(word in LABELS or (word.endswith("mask") and word not in ("unmask", "nomask")) for word in words)


def is_dead(path: str | Path) -> bool:
    """Check whether a path is a link to a file that is not there."""
    return Path(path).is_symlink() and not Path(path).exists()


def find_source(dataset_dir: str | Path) -> Path:
    """Return the absolute path of a folder, a table or a scan, under its own name where it is a link.

    Raises:
        FileNotFoundError: When it does not exist, or is a link to a file that is not there.
        ValueError: When it is another file.
    """
    source = locate(dataset_dir)
    if source.is_dir():
        return source.resolve()
    accepted = f"accepted are a folder, a scan ({', '.join(SUFFIXES)}) and a table ({', '.join(TABLE_SUFFIXES)})"
    if not source.exists():
        raise FileNotFoundError(f"dataset_dir {source} {f'is a {DEAD}' if is_dead(source) else f'does not exist: {accepted}'}")
    if not has_suffix(source) and source.suffix.lower() not in TABLE_SUFFIXES:
        raise ValueError(f"dataset_dir {source} is no scan and no table, by its ending: {accepted}")
    return source


def find_scan_files(folder: str | Path, suffix: str | None = "T1w", made: tuple[str, ...] = MAPS) -> list[Path]:
    """Return the scans of a folder, dead links among them, and log what is left out.

    Args:
        folder: Its path.
        suffix: Contrast that is taken of a BIDS or CAPS dataset; None, or "all", for every file.
        made: Endings of names that this bundle gives its own files.

    Raises:
        ValueError: When there is none; the message says what was left out.
    """
    discovery = Discovery(folder)
    found = discovery.find(None if suffix == "all" else suffix, made)
    discovery.log()
    if not found:
        left = "".join(f"; {len(names)} left out: {reason}" for reason, names in discovery.left_out.items())
        hint = "; another contrast: --scan_suffix" if "not named" in left else ""
        raise ValueError(f"dataset_dir {folder} holds no scan: accepted are files ending in {', '.join(SUFFIXES)}{left}{hint}")
    return found


def _holds(folder: str, path: str) -> bool:
    """Check whether a folder is another one, or holds it."""
    return Path(path).is_relative_to(folder)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _find_derived(paths: Iterable[Path]) -> set[Path]:
    """Return the scans with the entity `desc` beside which the scan without it is there: those that were made from it."""
    stems = {path: strip_suffix(str(path)) for path in paths}
    names = set(stems.values())
    return {path for path, stem in stems.items() if (own := re.sub(r"_desc-[^_/]+(?=[^/]*$)", "", stem)) != stem and own in names}
