"""What is refused before a benchmark runs anything."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from monai.bundle import ConfigParser

SCHEMA = Path(__file__).with_name("schema.yaml")
SEQUENCES = Draft202012Validator.TYPE_CHECKER.redefine("array", lambda _, value: isinstance(value, list | tuple))
PlanValidator = extend(Draft202012Validator, type_checker=SEQUENCES)
ALL = "*"  # in place of a name: every method of a measure, each with a row


def check_plan(
    methods: Mapping[str, Mapping[str, Any]],
    measures: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    published: Mapping[str, Mapping[str, Any]],
    **others: Any,
) -> None:
    """Check keys and types, and that measures and rows fit together.

    Args:
        methods: see `bundle.benchmark.plan.plan_runs`.
        measures: likewise.
        seeds: seeds of the trainings.
        published: see `bundle.benchmark.Benchmark`.
        others: further keys of `schema.yaml`.

    Raises:
        ValueError: When one of them is not as `schema.yaml` says, a method asks for an unknown measure or has rows of one that is
            not taken of it, or titles do not tell rows apart.
    """
    given = {"methods": methods, "measures": measures, "seeds": seeds, "published": published, **others}
    error = best_match(PlanValidator(ConfigParser.load_config_file(SCHEMA)).iter_errors(given))
    if error is not None:
        place = "#".join(map(str, error.absolute_path))
        raise ValueError(f"{place} must be {error.schema['description']} ({error.message})")
    for name, method in methods.items():
        _check_rows(name, method, measures)
    titles = Counter(title for method in methods.values() for title in method.get("rows", {}))
    doubled = [title for title, count in titles.items() if count > 1]
    if doubled:
        raise ValueError(f"two rows have the title {doubled[0]}")


def check_rival(rival: str, methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the title of the row that all others are compared with.

    Args:
        rival: the title.
        methods: by name `rows`, as in `bundle.benchmark.rows.list_rows`.

    Raises:
        ValueError: When no row of one method has this title.
    """
    titles = [title for entry in methods.values() for title, place in entry.get("rows", {}).items() if not place.endswith(ALL)]
    if rival not in titles:
        raise ValueError(f"rival must be the title of a row, one of {', '.join(titles)}, got {rival!r}")
    return rival


def _check_rows(name: str, method: Mapping[str, Any], measures: Mapping[str, Any]) -> None:
    """Check that the measures of a method exist, and that its rows are of those."""
    asked = method.get("measures", ())
    unknown = sorted(set(asked) - set(measures))
    if unknown:
        raise ValueError(f"the method {name} asks for the measure {unknown[0]}; known are {', '.join(measures)}")
    for title, place in method.get("rows", {}).items():
        measure, _, row = place.partition("/")
        if measure not in asked:
            raise ValueError(
                f"the row {title} is of {measure}, which is not among the measures of {name}: {', '.join(asked) or 'none'}"
            )
        if row == ALL and "{}" not in title:
            raise ValueError(f"the row {title} is of many methods, {place}: its title needs {{}}, which becomes the name of each")
