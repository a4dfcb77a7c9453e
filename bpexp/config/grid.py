"""The grid of a sweep in Python: convert keyword arguments to configurations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from inspect import signature
from itertools import islice, product
from typing import Any

import numpy as np

from bpexp.config.config import LARGEST_GRID, Config, defaults, refuse_size
from bpexp.config.identity import decides, nest
from bpexp.config.keys import Group
from bpexp.config.schema import KEYS
from bpexp.config.shipped import tree
from bpexp.data import Dataset
from bpexp.errors import ConfigError, one_of
from bpexp.nn import Choice


def grid(keys: Mapping[str, object]) -> dict[str, list[Any]]:
    """Return the list of values of each override key, in the order given.

    Args:
        keys: one value or several for each key. `probe__every`, and the entry `every` of a mapping
            `probe`, are the key `probe.every`. Values of a group are names, Choices, or mappings
            with a `name`.

    Raises:
        ConfigError: a key is unknown, is given twice or has no values, or a key that does not
            decide a run's numbers has several.
    """
    found: dict[str, list[Any]] = {}
    for key, value in _flat(keys):
        if key in found:
            raise ConfigError(f"{key}: given twice")
        _require_key(key)
        values = _values(key, value)
        if not values:
            raise ConfigError(f"{key}: no values")
        if isinstance(KEYS.get(key), Group):
            _require_choices(key, values)
        if len(values) > 1 and not decides(key):
            raise ConfigError(f"{key}: does not change a run's numbers; give one value")
        found[key] = values
    return found


def configs(values: Mapping[str, list[Any]]) -> list[Config]:
    """Return the configurations of a grid; the last key changes fastest.

    Args:
        values: as `grid` returns them. Other keys have the defaults of the command line.

    Raises:
        ConfigError: a configuration is invalid.
    """
    shipped = defaults(tree("conf"))
    base = nest({key: value for key, value in shipped.items() if key in KEYS})  # not Hydra's keys
    refuse_size(values)
    made = []
    for combination in product(*values.values()):
        nested = deepcopy(base)
        items = zip(values, combination, strict=True)
        # A choice replaces the parameters of its group, so groups are set before parameters.
        for key, value in sorted(items, key=lambda item: "." in item[0]):
            _assign(nested, key, value)
        made.append(Config.of(nested))
    return made


def _flat(keys: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield override keys and their values: __ becomes a dot, mappings of keys are flattened."""
    for spelled, value in keys.items():
        key = spelled.replace("__", ".")
        if isinstance(value, Mapping) and "name" not in value:
            yield from ((f"{key}.{inner}", entry) for inner, entry in value.items())
        else:
            yield key, value


def _require_key(key: str) -> None:
    """Raise ConfigError, with the nearest match, for a key that no configuration has."""
    section, _, parameter = key.partition(".")
    if key in KEYS:
        return
    group = KEYS.get(section)
    if not parameter or not isinstance(group, Group):
        raise ConfigError(one_of("key", key, KEYS))
    known = {name for row in group.table.values() for name in signature(row).parameters}
    if parameter not in known:
        raise ConfigError(one_of(key, parameter, known))


def _require_choices(key: str, values: list[Any]) -> None:
    """Raise ConfigError for a value of a group that is not a name, a Choice or a mapping."""
    for value in values:
        if not isinstance(value, str | Mapping):
            shown = "None" if value is None else f"a {type(value).__name__}"
            hint = "; bpexp.train trains on it" if isinstance(value, Dataset) else ""
            raise ConfigError(f"{key}: {shown} is not a name, a Choice or a mapping{hint}")


def _values(key: str, value: object) -> list[Any]:
    """Return the list of values of a key."""
    plain = _plain(value)
    row = KEYS.get(key)
    if not isinstance(plain, list):
        return [plain]
    lists = not isinstance(row, Group | None) and row.kind is list
    return [plain] if lists and not any(isinstance(entry, list) for entry in plain) else plain


def _plain(value: object) -> Any:
    """Convert Choices to mappings, paths to text, and arrays and other iterables to lists."""
    if isinstance(value, Choice):
        return {"name": value.name, **value.parameters}
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        # Too long or endless iterables are cut here and refused later.
        return [_plain(entry) for entry in islice(value, LARGEST_GRID + 1)]
    return value


def _assign(nested: dict[str, Any], key: str, value: Any) -> None:
    section, _, inner = key.partition(".")
    if inner:
        nested.setdefault(section, {})[inner] = value
    elif isinstance(KEYS.get(key), Group) and isinstance(value, str):
        nested[key] = {"name": value}
    else:
        nested[key] = deepcopy(value)
