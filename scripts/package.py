"""Pack the bundle as one zip, as MONAI's model zoo and `monai.bundle.download` take it.

Only committed files of the list below go in, and the same files give the same bytes. `monai.bundle.load` and the checks of the
zoo read configs/train and configs/inference as JSON, which is written from the YAML of the same name.

Usage: python scripts/package.py --output_dir FOLDER
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from bundle import SHIPPED
from bundle.files import check_writable, write_atomically

ROOT = Path(__file__).resolve().parents[1]
NAME = "brain_mri_feature_attribution"  # by the zoo's pattern; MONAI Label returns no map for names with "classification"
NETWORKS = {f"models/{file}": list(overlays) for file, overlays in SHIPPED.values()}  # and the overlays of their architecture
LISTED = (
    "LICENSE", "CITATION.cff", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "large_files.yml", "pyproject.toml", "setup.py",
    "constraints.txt", "bundle", "configs", "docs", "scripts", *NETWORKS,
)  # fmt: skip
JSON_TWINS = ("configs/train", "configs/inference")
MAX_SIZE = 25_000_000  # bytes; larger files are downloaded by the zoo from the addresses in large_files.yml
EARLIEST = (1980, 1, 1, 0, 0, 0)  # time of all files: the first that a zip can hold


def pack(root: str | Path, output_dir: str | Path) -> Path:
    """Pack a bundle, completely or not at all.

    Args:
        root: root of the bundle's git repository.
        output_dir: folder that the zip is written to; made when absent.

    Returns:
        Path of the zip, with the bundle's name and version.

    Raises:
        OSError: When nothing can be written to `output_dir`.
        ValueError: When listed files differ from their last commit, or the zoo or the bundle itself would refuse one.
    """
    check_writable(output_dir)
    files = read_committed(root)
    files = dict(sorted((files | make_json(files)).items()))
    version = find_version(files)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for network, overlays in NETWORKS.items():
            load_packed(folder, network, overlays)
    archive = Path(output_dir) / f"{NAME}_v{version}.zip"
    write_zip(archive, files)
    return archive


def read_committed(root: str | Path) -> dict[str, bytes]:
    """Read the listed files as they are in the last commit, so that nothing else of the folder gets in.

    Args:
        root: root of a git repository.

    Returns:
        Contents by relative path, sorted.

    Raises:
        ValueError: When a listed file is changed, is no plain file, or is too large for the zoo.
    """
    if changed := _run_git(root, "status", "--porcelain", "--untracked-files=no", "--", *LISTED).decode().splitlines():
        raise ValueError(f"{changed[0][3:]} differs from the last commit: commit or undo the change first")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(_run_git(root, "archive", "HEAD"))) as committed:
        for member in committed:
            if member.isdir() or not any(member.name == name or member.name.startswith(f"{name}/") for name in LISTED):
                continue
            content = committed.extractfile(member) if member.isfile() else None
            if content is None:
                raise ValueError(f"{member.name} is a link: a bundle holds plain files only")
            if member.size > MAX_SIZE:
                raise ValueError(
                    f"{member.name} has {member.size / 1e6:.0f} MB, accepted are {MAX_SIZE / 1e6:.0f}:"
                    " take it out of git, and give its address in large_files.yml"
                )
            files[member.name] = content.read()
    return dict(sorted(files.items()))


def _run_git(root: str | Path, *command: str) -> bytes:
    """Return the output of a git command."""
    done = subprocess.run(["git", "-C", str(root), *command], capture_output=True)
    if done.returncode:
        raise ValueError(f"{root} cannot be packed ({done.stderr.decode().strip()}): accepted is a clone with a commit")
    return done.stdout


def make_json(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write the configs that MONAI reads as JSON.

    Args:
        files: contents by relative path, with the YAML.

    Returns:
        Contents of the JSON by relative path.
    """
    return {f"{name}.json": (json.dumps(yaml.safe_load(files[f"{name}.yaml"]), indent=4) + "\n").encode() for name in JSON_TWINS}


def find_version(files: Mapping[str, bytes]) -> str:
    """Return the version of a bundle.

    Args:
        files: contents by relative path.

    Raises:
        ValueError: When the version is not in the changelog, which the zoo demands.
    """
    metadata = json.loads(files["configs/metadata.json"])
    if metadata["version"] not in metadata["changelog"]:
        raise ValueError(f"configs/metadata.json has version {metadata['version']}, which its changelog does not have")
    return metadata["version"]


def load_packed(folder: str | Path, network: str, overlays: list[str]) -> None:
    """Load a network strictly, in a process that sees the packed files only.

    Args:
        folder: the packed files.
        network: file of the weights, for the error.
        overlays: names of the configs that give its architecture.

    Raises:
        ValueError: When the code does not run, or the weights are unsafe or of another architecture.
    """
    configs = ["configs/inference.json", *(f"configs/{name}.yaml" for name in overlays)]
    command = [sys.executable, "-m", "monai.bundle", "run", "network", "--config_file", str(configs), "--device", "cpu"]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1].removeprefix("Error: ")
        raise ValueError(f"{network} cannot be used by {' and '.join(configs)} ({reason})")


def write_zip(path: str | Path, files: Mapping[str, bytes]) -> None:
    """Write files into a zip, uncompressed: compressed bytes depend on the version of zlib, and weights hardly shrink.

    Args:
        path: name of the zip; its folder is made when absent.
        files: contents by relative path; they go into a folder with the bundle's name.

    Raises:
        OSError: When it cannot be written.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", EARLIEST)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, readable by all
            archive.writestr(entry, content)
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise OSError(
            f"{path} could not be written ({(error.strerror or str(error)).lower()}): give another output_dir"
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Pack this repository's bundle and print what was written; None for the arguments of the command line."""
    parser = argparse.ArgumentParser(description="Pack the bundle as one zip, as MONAI's model zoo takes it.")
    parser.add_argument("--output_dir", required=True, help="folder that the zip is written to")
    try:
        archive = pack(ROOT, parser.parse_args(arguments).output_dir)
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    content = archive.read_bytes()
    print(f"{archive}: {len(zipfile.ZipFile(archive).namelist())} files, {len(content) / 1e6:.1f} MB")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
