"""README and pages: documented commands are accepted, links lead somewhere, and the README stays short."""

import re
from pathlib import Path

import pytest
from documentation import PAGES, ROOT, read_commands, split_options
from monai.bundle import ConfigParser

from bundle.guards import check_overrides

COMMANDS = [pytest.param(command, id=f"{page.stem}-{command[4]}") for page in PAGES for command in read_commands(page)]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder like the repository's root, with the overlays that the reader writes."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for name in ("my.yaml", "mine.yaml", "tiny.yaml"):
        (tmp_path / name).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_names_files_entry_points_and_keys_that_exist(command: list[str], folder: Path) -> None:
    arguments = [re.sub(r"\.json$", ".yaml", argument) for argument in command[4:]]  # made when the bundle is packed
    entry, names, _ = split_options(arguments)
    assert [name for name in names if not (folder / name).is_file()] == []
    check_overrides(arguments)
    assert entry in ConfigParser.load_config_files(names)


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
