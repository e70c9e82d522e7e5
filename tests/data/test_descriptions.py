"""What a description of a transform holds: two that compute something else differ."""

import functools
import json
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, Lambda, LambdaD, ScaleIntensity
from tiny_store import make_transform, save_cohort

from bundle.data import descriptions
from bundle.data.descriptions import describe, list_differences


def multiply(factor: float) -> Callable[[Any], Any]:
    return lambda image: image * factor


def shift(image: Any, by: float = 1.0, *, twice: bool = False) -> Any:
    return image + by * (1 + twice)


class Shift:
    """Adds a number."""

    __slots__ = ("by",)

    def __init__(self, by: float) -> None:
        self.by = by

    def add(self, image: Any) -> Any:
        return image + self.by


def evaluate(text: str, **keys: Any) -> Any:
    """Return what an expression of a config is."""
    return ConfigParser({"imports": ["$import numpy as np"], "step": f"${text}", **keys}).get_parsed_content("step")


PAIRS = {
    "names": (lambda: lambda x: np.log(x), lambda: lambda x: np.exp(x)),
    "constants": (lambda: lambda x: x * 2, lambda: lambda x: x * 3),
    "inner functions": (lambda: lambda x: [np.log(y) for y in x], lambda: lambda x: [np.exp(y) for y in x]),
    "enclosed values": (lambda: multiply(2), lambda: multiply(3)),
    "defaults": (lambda: lambda x, k=2: x * k, lambda: lambda x, k=3: x * k),
    "keyword defaults": (lambda: lambda x, *, k=2: x * k, lambda: lambda x, *, k=3: x * k),
    "arguments of partial": (lambda: functools.partial(shift, by=2), lambda: functools.partial(shift, by=3)),
    "function of partial": (lambda: functools.partial(np.add, 1), lambda: functools.partial(np.subtract, 1)),
    "ufuncs": (lambda: np.log, lambda: np.exp),
    "builtin functions": (lambda: abs, lambda: max),
    "objects of methods": (lambda: Shift(2).add, lambda: Shift(3).add),
    "slots": (lambda: Shift(2), lambda: Shift(3)),
    "arrays": (lambda: np.arange(2000), lambda: np.arange(2000)[::-1]),
    "types of arrays": (lambda: np.zeros(3, np.int16), lambda: np.zeros(3, np.int32)),
    "dtypes": (lambda: torch.float32, lambda: torch.float16),
    "sets": (lambda: {"a", "b"}, lambda: {"a", "c"}),
    "modules": (lambda: np, lambda: torch),
    "global names of a config": (lambda: evaluate("lambda x: np.log(x)"), lambda: evaluate("lambda x: np.exp(x)")),
    "references of a config": (lambda: evaluate("lambda x: x * @k", k=2), lambda: evaluate("lambda x: x * @k", k=3)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: Lambda(each) if callable(each) else each])
def test_what_computes_something_else_has_another_description_and_the_same_has_the_same(name: str, wrap: Callable) -> None:
    one, again, other = (json.dumps(describe(wrap(make()))) for make in (PAIRS[name][0], *PAIRS[name]))
    assert one == again != other
    assert " at 0x" not in one


def test_a_function_of_a_file_that_has_changed_has_another_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for factor in (2, 3):  # the function stays the same, and what it refers to does not
        descriptions._hash_file.cache_clear()
        module = types.ModuleType("steps_of_mine")
        path = tmp_path / f"{factor}.py"
        path.write_text(f"FACTOR = {factor}\ndef step(x): return x * FACTOR\nclass Step:\n    pass\n")
        exec(compile(path.read_text(), path, "exec"), vars(module))
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "steps_of_mine", module)
        found.append([describe(each) for each in (module.step, module.Step, module.Step())])
    assert all(one != other for one, other in zip(*found, strict=True))
    descriptions._hash_file.cache_clear()


def test_descriptions_hold_every_attribute_and_stay_when_a_transform_is_used(tmp_path: Path) -> None:
    items, transform = save_cohort(tmp_path), make_transform()
    before = describe(transform.transforms[:-1])
    transform(items[1])
    assert describe(transform.transforms[:-1]) == before
    found, wanted = describe(make_transform().transforms[1]), describe(make_transform(3).transforms[1])
    assert list_differences(found, found) == []
    assert set(list_differences(found, wanted)) == {"spatial_size", "plane", "pixdim"}


def test_what_refers_to_itself_is_described() -> None:
    def call(x: int) -> int:
        return call(x - 1) if x else 0

    loop: list[Any] = [1]
    loop.append(loop)
    assert describe(call) == describe(call) and describe(loop) == [1, {"above": 0}]
    nested = [LambdaD("image", multiply(2)), Compose([ScaleIntensity()])]
    assert describe(nested) == describe([LambdaD("image", multiply(2)), Compose([ScaleIntensity()])])


@pytest.mark.parametrize("value", [threading.Lock(), np.frompyfunc(lambda x: x, 1, 1), open])
def test_what_has_no_description_is_refused(value: Any) -> None:
    if value is open:
        value = open(__file__)  # noqa: PTH123, SIM115
    sentence = r"in the preprocessing has no description by which scans on disk are found again: give data_in memory"
    with pytest.raises(ValueError, match=sentence):
        describe(Lambda(lambda image: (value, image)))
