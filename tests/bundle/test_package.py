"""The packed bundle holds what it should, is refused when it is not sound, and works where nothing else is."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.bundle import download, load

from scripts.package import JSON_TWINS, LISTED, NAME, find_version, load_packed, make_json, pack, read_committed, write_zip

ROOT = Path(__file__).parents[2]
LOAD = """
import torch
from monai.bundle import load
network = load("{name}", bundle_dir="models", workflow_type="inference", device="cpu")
weights = torch.load("models/{name}/models/model.pt", weights_only=True)
loaded = network.state_dict()
print(type(network).__module__, len(loaded), all(torch.equal(loaded[key], weight) for key, weight in weights.items()))
"""


def git(root: Path, *command: str) -> None:
    """Run a git command that needs no user and no settings of the machine."""
    settings = ["-c", "user.name=test", "-c", "user.email=test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *settings, *command], check=True, capture_output=True)


def commit(root: Path) -> None:
    """Commit everything."""
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "test")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a repository with a few files, listed and others."""
    root = tmp_path / "small"
    for name in ("LICENSE", "bundle/__init__.py", "bundle/files.py", "docs/README.md", "data/scan.nii.gz", "tests/test.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    git(tmp_path, "init", "--quiet", "small")
    commit(root)
    return root


LISTED_SMALL = ["LICENSE", "bundle/__init__.py", "bundle/files.py", "docs/README.md"]


def test_only_committed_files_of_the_list_go_in(small: Path) -> None:
    for name in ("bundle/draft.py", "bundle/__pycache__/files.pyc", "models/model.pt", "models/other.pt", "docs/notes.md"):
        (small / name).parent.mkdir(exist_ok=True)
        (small / name).write_text("not committed")
    assert list(read_committed(small)) == LISTED_SMALL


def test_a_committed_network_that_is_not_listed_stays_out(small: Path) -> None:
    (small / "models").mkdir()
    for name in ("model.pt", "other.pt", "model.pt.bak"):
        (small / "models" / name).write_text(name)
    commit(small)
    assert list(read_committed(small)) == [*LISTED_SMALL, "models/model.pt"]


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("change", [lambda path: path.write_text("changed"), Path.unlink], ids=["changed", "deleted"])
def test_a_listed_file_with_uncommitted_changes_is_refused(small: Path, change: Callable[[Path], object], staged: bool) -> None:
    change(small / "bundle" / "files.py")
    if staged:
        git(small, "add", "--all")
    with pytest.raises(ValueError, match=r"^bundle/files\.py differs from the last commit: commit or undo"):
        read_committed(small)


def test_changes_of_other_files_do_not_matter(small: Path) -> None:
    (small / "tests" / "test.py").write_text("changed")
    assert list(read_committed(small)) == LISTED_SMALL


def test_links_are_refused(small: Path) -> None:
    (small / "docs" / "secret.md").symlink_to("/etc/hostname")
    commit(small)
    with pytest.raises(ValueError, match=r"docs/secret\.md is a link"):
        read_committed(small)


def test_files_that_are_too_large_for_the_zoo_are_refused(small: Path) -> None:
    (small / "models").mkdir()
    (small / "models" / "model.pt").write_bytes(bytes(26_000_000))
    commit(small)
    with pytest.raises(ValueError, match=r"models/model\.pt has 26 MB, accepted are 25: .*large_files\.yml"):
        read_committed(small)


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be packed .*accepted is a clone with a commit"):
        read_committed(tmp_path)


def test_a_version_without_a_changelog_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has version 2\.0, which its changelog does not have"):
        find_version({"configs/metadata.json": b'{"version": "2.0", "changelog": {"1.0": "first"}}'})


def test_the_same_files_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "first.zip", read_committed(small))
    git(tmp_path, "clone", "--quiet", "small", "clone")
    for path in (tmp_path / "clone" / "bundle").iterdir():
        os.utime(path, (0, 0))
        path.chmod(0o600)
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "--message", "later")
    write_zip(tmp_path / "second.zip", read_committed(tmp_path / "clone"))
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


@pytest.mark.parametrize("name", ["../outside.txt", f"{NAME}/../../outside.txt", "/tmp/outside-of-the-bundle.txt"])
def test_monai_refuses_a_zip_that_writes_outside_its_folder(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / "hostile.zip", {"LICENSE": b"text"})
    with zipfile.ZipFile(tmp_path / "hostile.zip", "a") as archive:
        archive.writestr(name, "hostile")
    with pytest.raises(ValueError, match="Unsafe path"):
        download(name="hostile", url=(tmp_path / "hostile.zip").as_uri(), bundle_dir=tmp_path / "a" / "b", progress=False)
    assert not list(tmp_path.rglob("outside*")) and not Path("/tmp/outside-of-the-bundle.txt").exists()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the listed files of this folder."""
    root = tmp_path_factory.mktemp("repository")
    (root / "models").mkdir()
    for path in [ROOT / name for name in LISTED if (ROOT / name).exists()]:
        if path.is_dir():
            shutil.copytree(path, root / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, root / path.relative_to(ROOT))
    git(root, "init", "--quiet")
    commit(root)
    return root


@pytest.fixture(scope="module")
def zoo(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that has nothing but `models`, with the packed bundle as MONAI downloads it."""
    archive = pack(repository, tmp_path_factory.mktemp("packed"))
    folder = tmp_path_factory.mktemp("zoo")
    download(name=NAME, url=archive.as_uri(), bundle_dir=folder / "models", progress=False)
    return folder


def run_alone(zoo: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run Python in the folder, with the bundle's root as the only PYTHONPATH."""
    environment = os.environ | {"PYTHONPATH": str(zoo / "models" / NAME), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=zoo, env=environment, capture_output=True, text=True)


class Payload:
    """What a hostile checkpoint does when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (self.path.touch, ())


@pytest.mark.slow
def test_a_checkpoint_that_runs_code_is_refused_and_does_not_run(repository: Path, tmp_path: Path) -> None:
    root = shutil.copytree(repository, tmp_path / "root")
    torch.save({"model": Payload(tmp_path / "ran")}, root / "models" / "model.pt")
    for name, content in make_json({f"{twin}.yaml": (root / f"{twin}.yaml").read_bytes() for twin in JSON_TWINS}).items():
        (root / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"models/model\.pt cannot be used .*is damaged or no checkpoint"):
        load_packed(root, "models/model.pt", [])
    with pytest.raises(pickle.UnpicklingError):
        load("root", bundle_dir=tmp_path, workflow_type="inference", device="cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_weights_of_another_architecture_are_refused_and_nothing_is_packed(repository: Path, tmp_path: Path) -> None:
    root = shutil.copytree(repository, tmp_path / "root")
    shutil.copy(root / "models" / "conversion.pt", root / "models" / "model.pt")
    commit(root)
    with pytest.raises(ValueError, match=r"models/model\.pt cannot be used .*fits another architecture"):
        pack(root, tmp_path / "packed")
    assert list((tmp_path / "packed").iterdir()) == []


@pytest.mark.slow
def test_the_zip_has_the_version_in_its_name_and_one_folder_without_caches_or_data(repository: Path, zoo: Path) -> None:
    (bundle,) = (zoo / "models").glob("*/")
    names = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    assert bundle.name == NAME and names == {*read_committed(repository), "configs/train.json", "configs/inference.json"}
    assert {"LICENSE", "configs/metadata.json", "configs/inference.json", "docs/README.md", "docs/data_license.txt"} < names
    assert not [name for name in names if name.startswith(("data/", "output/")) or "__pycache__" in name]
    with zipfile.ZipFile(zoo / "models" / f"{NAME}.zip") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.slow
def test_links_between_packed_documents_lead_somewhere(zoo: Path) -> None:
    docs = zoo / "models" / NAME / "docs"
    inner = re.compile(r"\]\((?!https?:)([^)#:]+)")
    links = [(page.name, link) for page in docs.glob("*.md") for link in inner.findall(page.read_text())]
    assert links
    assert [link for link in links if not (docs / link[1]).exists()] == []


@pytest.mark.slow
def test_load_gives_the_network_in_a_folder_that_has_nothing_but_the_bundle(zoo: Path) -> None:
    done = run_alone(zoo, "-c", LOAD.format(name=NAME))
    assert done.stdout.splitlines()[-1] == "bundle.networks.icam 118 True", done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_zoos_unit_test_passes_where_nothing_but_the_bundle_is(zoo: Path) -> None:
    unit_test = zoo / "ci" / "unit_tests" / f"test_{NAME}.py"
    unit_test.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "bundle" / "zoo_workflows.py", unit_test)
    done = run_alone(zoo, unit_test)
    assert done.returncode == 0, done.stderr[-3000:]
