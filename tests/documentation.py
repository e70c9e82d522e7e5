"""What the README and the pages document: commands and Python snippets."""

import re
import shlex
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKED = "bundles/brain_mri_feature_attribution/"  # of the page on sharing: the bundle, unpacked
INLINE = r"`(?:python -m monai\.bundle run )?((?:\w+ )?--config_file [^`]+)`"  # the start of a command is left out in text


def read_lines(page: Path) -> list[str]:
    """Return the lines of a page's indented blocks, with the shell variables that are set before them."""
    lines = re.sub(r"\\\n\s*", "", page.read_text()).splitlines()
    variables: dict[str, str] = {"(python -m bundle)": "configs"}
    found = []
    for line in (line.strip() for line in lines if line.startswith("    ")):
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        if assigned := re.fullmatch(r'(\w+)="(.*)"', line):
            variables[assigned[1]] = assigned[2]
        else:
            found.append(line.replace(PACKED, ""))
    return found


def read_commands(page: Path) -> list[list[str]]:
    """Return the commands of MONAI's bundle in a page's indented blocks, then those in its text."""
    start = "python -m monai.bundle run"
    commands = [line for line in read_lines(page) if line.startswith(start)]
    commands += [f"{start} {command}" for command in re.findall(INLINE, page.read_text())]
    return [shlex.split(command) for command in commands]


def read_scripts(page: Path) -> list[list[str]]:
    """Return the scripts in a page's indented blocks, with their arguments."""
    return [shlex.split(line)[1:] for line in read_lines(page) if line.startswith("python scripts/")]


def read_snippets(page: Path) -> list[str]:
    """Return the Python code of a page: fenced, or an indented block that starts with an import."""
    text = page.read_text()
    blocks = map(textwrap.dedent, re.findall(r"(?:^    .*\n|(?<=\n)\n(?=    ))+", text, flags=re.MULTILINE))
    indented = [block.strip() for block in blocks if re.match(r"\s*(import|from) ", block)]
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) + indented


def split_options(arguments: list[str]) -> tuple[str, list[str], dict[str, str]]:
    """Split what follows `python -m monai.bundle run` into entry point, config files and other options."""
    entry = "run" if arguments[0].startswith("--") else arguments[0]
    words = arguments[entry != "run" :]
    options = {word.removeprefix("--"): value for word, value in zip(words[::2], words[1::2], strict=True)}
    files = [name.strip(" '\"") for name in options.pop("config_file").strip("[]").split(",")]
    return entry, files, options
