"""Descriptions of transforms, by which scans that others have preprocessed are told from one's own."""

import copyreg
import hashlib
import pickle
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from monai.bundle import ReferenceResolver
from torch import Tensor

WRITTEN_OUT = bytes | complex | range | slice | type(...) | type(NotImplemented)
ROUTINE = type | FunctionType | MethodType | BuiltinFunctionType
RANDOM = np.random.RandomState | np.random.Generator | torch.Generator  # states of draws, and no settings
OWN = __name__.partition(".")[0]  # the package, whose preprocessing has a version of its own


def describe(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return what decides the result of a transform in the types of JSON: its class, all attributes, and theirs.

    Of functions these are code, defaults, enclosed variables, and what a config's expression refers to. Of classes and functions
    outside this package the file counts too. What a thread has of its own, as MONAI's transforms once they are used, is a state
    and no setting.

    Args:
        value: a transform, or a part of one.
        above: addresses of what the value is a part of.

    Raises:
        ValueError: When there is no description, such as of a lock or of an object of another language.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, WRITTEN_OUT):
        return repr(value)
    if id(value) in above:
        return {"above": above.index(id(value))}
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return {str(key): describe(each, above) for key, each in value.items() if not isinstance(each, threading.local)}
    if isinstance(value, list | tuple):
        return [describe(each, above) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((describe(each, above) for each in value), key=repr)
    if isinstance(value, np.ndarray | Tensor):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, RANDOM):
        return type(value).__qualname__
    if isinstance(value, CodeType):
        content = (value.co_code, value.co_exceptiontable, value.co_flags, value.co_names, value.co_varnames, value.co_freevars)
        return describe([*content, value.co_argcount, value.co_kwonlyargcount, value.co_consts], above)
    if isinstance(value, ROUTINE):
        return _describe_routine(value, above)
    return {"class": _describe_name(type(value)), **_describe_object(value, above)}


def list_differences(found: Any, wanted: Any, name: str = "settings") -> list[str]:
    """Return the names of the entries that differ in nested containers, each once."""
    if type(found) is type(wanted) and isinstance(found, dict) and found.keys() == wanted.keys():
        pairs = [(found[key], wanted[key], key) for key in found]
    elif type(found) is type(wanted) and isinstance(found, list) and len(found) == len(wanted):
        pairs = [(one, other, name) for one, other in zip(found, wanted, strict=True)]
    else:
        return [] if found == wanted else [name]
    return list(dict.fromkeys(each for pair in pairs for each in list_differences(*pair)))


def _describe_routine(value: Any, above: tuple[int, ...]) -> Any:
    """Describe a class or a function, bound or not, of Python or of another language."""
    content: dict[str, Any] = {"name": _describe_name(value)}
    bound = getattr(value, "__self__", None)
    if bound is not None and not isinstance(bound, ModuleType):
        content["bound"] = describe(bound, above)
    value = getattr(value, "__func__", value)
    if isinstance(value, FunctionType):
        parts = (value.__code__, value.__defaults__, value.__kwdefaults__, _list_enclosed(value))
        content["code"] = [describe(each, above) for each in parts]
        if _hash_file(value.__module__) is None and not _is_own(value.__module__):  # of a config, or typed in
            content["globals"] = {name: describe(each, above) for name, each in _list_globals(value)}
    if not isinstance(value, type):
        content["attributes"] = describe(getattr(value, "__dict__", {}), above)
    return content


def _describe_object(value: Any, above: tuple[int, ...]) -> dict[str, Any]:
    """Describe an object by what pickle makes it from, one level at a time."""
    try:
        reduce = copyreg.dispatch_table.get(type(value))
        parts = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(parts, str):
            return {"name": _describe_name(value), "pickled": pickle.dumps(value, 4).hex()}  # fails if the name is another's
    except Exception as error:
        raise ValueError(
            f"{type(value).__module__}.{type(value).__qualname__} in the preprocessing has no description by which scans on disk"
            " are found again: give data_in memory"
        ) from error
    make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
    listed = [list(each) if each is not None else [] for each in (items, pairs)]
    return {"made": describe([make, arguments], above), "state": describe(state, above), "items": describe(listed, above)}


def _describe_name(value: Any) -> list[str | None]:
    """Return the module of a class or function, its name there, and a hash of the module's file, if it is not this package's."""
    module = getattr(value, "__module__", None)
    return [module, getattr(value, "__qualname__", None), None if _is_own(module) else _hash_file(module)]


def _is_own(module: str | None) -> bool:
    return (module or "").partition(".")[0] == OWN


@cache
def _hash_file(module: str | None) -> str | None:
    """Return a hash of the file of a module; None where it has none."""
    path = getattr(sys.modules.get(module or ""), "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path and Path(path).is_file() else None


def _list_enclosed(function: FunctionType) -> list[Any]:
    """Return the values of the variables that a function has from those around it; a variable without a value is left out."""
    values = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            values.append(cell.cell_contents)
    return values


def _list_globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the global variables, and of the references of a config, that a function may use."""
    codes, constants = [function.__code__], list[Any]()
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        constants += [each for each in code.co_consts if isinstance(each, str)]
    for name in dict.fromkeys(name for code in codes for name in code.co_names):
        if name == ReferenceResolver._vars:
            references = function.__globals__.get(name, {})
            yield from ((f"@{key}", references[key]) for key in dict.fromkeys(constants) if key in references)
        elif name in function.__globals__:
            yield name, function.__globals__[name]
