"""The simulated lesion cohort on disk."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.files import write_folder_atomically, write_nifti
from bundle.simulation.anatomies import PARCELS, list_anatomies, load_anatomy
from bundle.simulation.lesions import select_parcels
from bundle.simulation.subjects import Subject, simulate_subject

logger = logging.getLogger(__name__)

UNSEEN_ANATOMY = "colin27"
CERTAIN_PARCEL = "MT"  # lesioned in every disease state; each other parcel with probability 0.5
SLICE_SLAB = (-5, 35)  # mm, all that an axial slice can touch
GROUPS = ("train", "validation", "test", "unseen")
NUM_WORKERS = 2
DESCRIPTION = "dataset_description.json"


def simulate_lesion_cohort(
    dataset_dir: str | Path,
    spatial_size: Sequence[int] = (96, 112),
    voxel_size: float = 2.0,
    num_train: int = 1000,
    num_validation: int = 100,
    num_test: int = 100,
    num_unseen: int = 60,
    seed: int = 0,
    anatomies: Sequence[str] | None = None,
) -> Path:
    """Write a cohort of T2-weighted brains with and without cortical lesions, or find it already written.

    Each subject has its own anatomy, appearance and set of parcels, and both of its states on disk; label 0 shows the
    control state, label 1 the disease state. Test subjects on the unseen anatomy (Colin27) follow those on training
    anatomies. The same arguments give the same bytes.

    Source: after the lesion experiment of Bass et al., NeurIPS 2020, Sec. 4.1 (https://arxiv.org/abs/2006.08287).

    Args:
        dataset_dir: Folder of the cohort.
        spatial_size: Size of the images, H, W[, D].
        voxel_size: Edge of a voxel in mm.
        num_train: Number of training subjects, half of them with disease.
        num_validation: Number of validation subjects.
        num_test: Number of test subjects on anatomies of the training set.
        num_unseen: Number of test subjects on the unseen anatomy.
        seed: Determines all subjects; a subject does not depend on how many others there are.
        anatomies: Names of the training anatomies; None takes all that are installed.

    Returns:
        The folder of the cohort.

    Raises:
        ValueError: When the folder holds a cohort with other settings, or an anatomy is unknown.
    """
    dataset_dir = Path(dataset_dir)
    seen = [name for name in anatomies or list_anatomies() if not name.startswith(UNSEEN_ANATOMY)]
    unseen = [name for name in list_anatomies() if name.startswith(UNSEEN_ANATOMY)]
    numbers = dict(zip(GROUPS, (num_train, num_validation, num_test, num_unseen), strict=True))
    settings = {
        "simulation": "lesions", "version": 1, "spatial_size": list(spatial_size), "voxel_size": voxel_size,
        "numbers": numbers, "seed": seed, "anatomies": seen, "unseen_anatomies": unseen,
    }  # fmt: skip
    if is_written(dataset_dir, settings):
        return dataset_dir
    logger.info("Simulating a lesion cohort in %s on the anatomies %s; unseen %s", dataset_dir, seen, unseen)
    table = plan_subjects(numbers, seed, seen, unseen)
    slab = SLICE_SLAB if len(spatial_size) == 2 else None

    def simulate(row: dict) -> Subject:
        return simulate_subject(load_anatomy(row["anatomy"], slab), spatial_size, voxel_size, row["seed"])

    for name in sorted({*table["anatomy"]}):
        load_anatomy(name, slab)
    write_cohort(dataset_dir, table, simulate, settings)
    return dataset_dir


def is_written(dataset_dir: Path, settings: dict) -> bool:
    """Tell whether a folder already holds the cohort.

    Args:
        dataset_dir: Folder of the cohort.
        settings: What determines the cohort.

    Returns:
        True when the cohort was written with the same settings, False when the folder is absent or empty.

    Raises:
        ValueError: When the folder holds something else.
    """
    description = dataset_dir / DESCRIPTION
    if not description.is_file():
        if dataset_dir.is_dir() and any(dataset_dir.iterdir()):
            raise ValueError(f"{dataset_dir} holds files but no {DESCRIPTION}: give an empty or a new dataset_dir")
        return False
    found = json.loads(description.read_text()).get("Simulation")
    if found != settings:
        different = [key for key in settings if not isinstance(found, dict) or found.get(key) != settings[key]]
        raise ValueError(
            f"{dataset_dir} holds a cohort with other settings ({', '.join(different)}): "
            "remove the folder or give another dataset_dir"
        )
    return True


def plan_subjects(numbers: dict[str, int], seed: int, seen: Sequence[str], unseen: Sequence[str]) -> pd.DataFrame:
    """Plan who is in the cohort: label, split, anatomy, parcels and seed of every subject.

    Labels alternate at random within successive pairs, so that every split is balanced; anatomy, parcels and seed are
    drawn without regard to the label.

    Args:
        numbers: Number of subjects in each of `GROUPS`.
        seed: Seed of the cohort.
        seen: Anatomies of training, validation and test.
        unseen: Anatomies of the group `unseen`.

    Returns:
        Table with one row per subject.
    """
    rows = []
    for group in GROUPS:
        names = unseen if group == "unseen" else seen
        for index in range(numbers[group]):
            flip = np.random.default_rng([seed, GROUPS.index(group), index // 2, 0]).integers(2)
            random = np.random.default_rng([seed, GROUPS.index(group), index, 1])
            parcels = [name for name in PARCELS if name == CERTAIN_PARCEL or random.random() < 0.5]
            rows.append({
                "label": int(index % 2 == flip), "split": "test" if group == "unseen" else group,
                "anatomy": names[random.integers(len(names))], "seed": int(random.integers(2**31)),
                "parcels": "+".join(parcels),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table.insert(0, "participant_id", [f"sub-{number:04d}" for number in range(1, len(table) + 1)])
    return table


def write_cohort(
    dataset_dir: Path, table: pd.DataFrame, simulate: Callable[[dict], Subject], settings: dict
) -> None:
    """Simulate and write all subjects, their table and the description; all or nothing.

    Args:
        dataset_dir: Folder of the cohort.
        table: The plan, one row per subject.
        simulate: Makes the subject of a row.
        settings: What determines the cohort.
    """
    with write_folder_atomically(dataset_dir) as partial, ThreadPoolExecutor(NUM_WORKERS) as executor:
        rows = table.to_dict("records")
        jobs = executor.map(lambda row: write_subject(partial, row, simulate(row)), rows)
        paths = list(tqdm(jobs, total=len(rows), desc=f"simulating {dataset_dir.name}", unit="subject"))
        complete = pd.concat([table, pd.DataFrame(paths)], axis=1)
        complete.to_csv(partial / "participants.tsv", sep="\t", index=False, na_rep="n/a")
        description = {"Name": "Simulated cohort", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                       "Simulation": settings, "Checksum": compute_checksum(partial)}  # fmt: skip
        (partial / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


def write_subject(dataset_dir: Path, row: dict, subject: Subject) -> dict[str, str | None]:
    """Write a subject's images and name them.

    Args:
        dataset_dir: Folder of the cohort.
        row: The subject's row of the plan.
        subject: The simulated subject.

    Returns:
        Paths relative to `dataset_dir` by column; the mask of a control is None.
    """
    name, diseased = row["participant_id"], row["label"] == 1
    lesion = select_parcels(subject.parcel_map, row["parcels"])
    images = {
        "control_image": ("desc-control_T2w", subject.control),
        "disease_image": ("desc-disease_T2w", subject.control + subject.effect * lesion),
        "parcel_map": ("desc-parcels_dseg", subject.parcel_map),
        "effect": ("desc-effect_T2w", subject.effect),
        "brain_mask": ("desc-brain_mask", subject.brain_mask),
    }
    if diseased:
        images["mask"] = ("desc-lesion_mask", lesion.astype(np.uint8))
    paths: dict[str, str | None] = {}
    for column, (suffix, array) in images.items():
        paths[column] = f"{name}/anat/{name}_{suffix}.nii.gz"
        write_nifti(dataset_dir / str(paths[column]), array, subject.affine)
    shown = paths["disease_image" if diseased else "control_image"]
    return {"image": shown, "mask": paths.get("mask"), **{key: paths[key] for key in images if key != "mask"}}


def compute_checksum(dataset_dir: Path) -> str:
    """Compute one SHA-256 over the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in _list_files(dataset_dir):
        digest.update(path.relative_to(dataset_dir).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _list_files(folder: Path) -> Iterator[Path]:
    """List the files below a folder in a fixed order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
