"""Kinds of the values of a config: one that is given is of the kind that the config files have there."""

from collections.abc import Iterator, Sequence
from typing import Any

from monai.bundle import ConfigParser

from bundle.renaming import MARKS, is_path

PER_AXIS = ("pixdim", "augmentation#scaling", "augmentation#translation")  # a number for all axes, or one for each
ALONE = object()  # the value of a key without one, which Fire takes for True


def find_defaults(configs: Sequence[ConfigParser], key: str) -> list[Any]:
    """Look a key up in a config as each of its files leaves it.

    Args:
        configs: the config after the first file, after the first two, and so on.
        key: the key, outer#inner.

    Returns:
        Its plain values, those of references followed; none when the first is null or an expression, which may become anything.
    """
    found = [_follow(config, config[key]) for config in configs if key in config]
    return [value for value in found if not _is_open(value)] if found and not _is_open(found[0]) else []


def find_accepted(configs: Sequence[ConfigParser], key: str, value: Any) -> str | None:
    """Return what a key accepts when it does not accept a value; None when it does.

    An expression, a reference, null and a component are accepted everywhere, as is everything where no default is known.

    Args:
        configs: the config after the first file, after the first two, and so on.
        key: the key, outer#inner.
        value: what it is given; `ALONE` for nothing.
    """
    defaults = find_defaults(configs, key)
    if value is ALONE and is_path(key):
        return "accepted is the name of a file or folder"
    if value is ALONE and not defaults:
        return "give one after it" if configs[-1].get(key) is None else None
    component = str(configs[-1].get(f"{key.rpartition('#')[0]}#_target_", "bundle."))
    per_axis = key in PER_AXIS or not component.startswith("bundle.")  # whose own kinds are wider, such as MONAI's
    value = True if value is ALONE else value
    fits = not defaults or _is_open(value) or any(_fits(default, value, per_axis) for default in defaults)
    return None if fits else _name_kind(defaults[0])


def list_values(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a key and its value, and those inside where it is a table; parts of a component are its own."""
    yield key, value
    if isinstance(value, dict) and "_target_" not in value:
        for name, inner in value.items():
            yield from list_values(f"{key}#{name}", inner)


def _follow(config: ConfigParser, value: Any) -> Any:
    """Return what a reference refers to."""
    seen = set[str]()
    while isinstance(value, str) and value.startswith("@") and value not in seen and value[1:] in config:
        seen.add(value)
        value = config[value[1:]]
    return value


def _is_open(value: Any) -> bool:
    """Return whether a value may become anything: null, an expression, a reference, a component."""
    return (
        value is None or (isinstance(value, str) and value.startswith(MARKS)) or (isinstance(value, dict) and "_target_" in value)
    )


def _is_number(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _fits(default: Any, value: Any, per_axis: bool) -> bool:
    """Return whether a value is of the kind of a default; with `per_axis` a number and a list of numbers are one kind."""
    if isinstance(default, bool | dict):
        return isinstance(value, type(default))
    if isinstance(default, str):  # many of MONAI's texts may be lists of them
        return isinstance(value, str | list | tuple)
    numbers = default if isinstance(default, list) else [default]
    kinds: Any = int if all(isinstance(number, int) for number in numbers) else int | float
    known = bool(numbers) and all(_is_number(number, int | float) for number in numbers)
    if isinstance(value, list | tuple):
        items_fit = not known or all(_is_open(item) or _is_number(item, kinds) for item in value)
        return items_fit and (isinstance(default, list) or per_axis)
    return known and _is_number(value, kinds) and (not isinstance(default, list) or per_axis)


def _name_kind(default: Any) -> str:
    """Return what is accepted where a default stands, as the end of a sentence."""
    if isinstance(default, bool):
        return "accepted are True and False"
    if isinstance(default, dict):
        return "accepted is a table of key: value"
    if isinstance(default, list):
        return f"accepted is a list, such as {default}" if default else "accepted is a list"
    if isinstance(default, str):
        return f"accepted is a text, such as {default}"
    return f"accepted is a {'whole ' * isinstance(default, int)}number, such as {default}"
