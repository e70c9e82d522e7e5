"""README and pages: documented commands are accepted, links lead somewhere, and the README stays short."""

import copy
import functools
import re
import shlex
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from bundle.guards import check_overrides

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKED = "bundles/brain_mri_feature_attribution/"  # of the page on sharing: the bundle, unpacked


def read_commands(page: Path) -> list[list[str]]:
    """Return the commands of a page's indented blocks, with the shell variables that are set before them."""
    lines = re.sub(r"\\\n\s*", "", page.read_text()).splitlines()
    variables: dict[str, str] = {"(python -m bundle)": "configs"}
    commands = []
    for line in (line.strip() for line in lines if line.startswith("    ")):
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        if assigned := re.fullmatch(r'(\w+)="(.*)"', line):
            variables[assigned[1]] = assigned[2]
        elif line.startswith("python -m monai.bundle run"):
            commands.append(shlex.split(line.replace(PACKED, "")))
    return commands


COMMANDS = [pytest.param(command, id=f"{page.stem}-{command[4]}") for page in PAGES for command in read_commands(page)]


load_config = functools.cache(ConfigParser.load_config_file)  # most of the time is spent on reading YAML


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder like the repository's root, with the overlays that the reader writes."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for name in ("my.yaml", "mine.yaml", "tiny.yaml"):
        (tmp_path / name).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ConfigParser, "load_config_file", lambda path: copy.deepcopy(load_config(str(Path(path).resolve()))))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_names_files_entry_points_and_keys_that_exist(command: list[str], folder: Path) -> None:
    arguments = [re.sub(r"\.json$", ".yaml", argument) for argument in command[4:]]  # made when the bundle is packed
    files = arguments[arguments.index("--config_file") + 1]
    names = [name.strip(" '") for name in files.strip("[]").split(",")]
    assert [name for name in names if not (folder / name).is_file()] == []
    check_overrides(arguments)
    run_id = "run" if arguments[0].startswith("--") else arguments[0]
    assert run_id in ConfigParser.load_config_files(names)


def test_there_are_commands_on_the_pages() -> None:
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(((?!https?:|mailto:|#)[^)\s#]+)", text)
    generated = ("gallery/", "docs/_build")  # when the pages are built
    assert [link for link in links if not link.startswith(generated) and not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_tests_that_the_differences_name_exist() -> None:
    missing, content = [], ""
    for file, test in re.findall(r"`(tests/[\w/]+\.py)`|`(test_\w+)`", (ROOT / "docs" / "differences.md").read_text()):
        if file:
            content = (ROOT / file).read_text()
        elif f"def {test}(" not in content:
            missing.append(test)
    assert missing == []
