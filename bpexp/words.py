"""What can be refused from the words of a command line alone, before Hydra composes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, ValueType
from hydra.errors import HydraException

from bpexp.config import refuse_frozen
from bpexp.errors import ConfigError, one_of, quoted, reason
from bpexp.schema import KEYS, Group, Key


def refuse(
    arguments: Sequence[str],
    *,
    multirun: bool,
    known: Sequence[str],
    defaults: Mapping[str, Any],
) -> None:
    """Check every override's key and value against the schema, and what must fit together.

    Hydra takes the last of two overrides of one key, and adds a key that has a plus before it;
    both are refused here, and its own refusals come in one line and sooner.

    Args:
        arguments: the overrides.
        multirun: several values of a key are a sweep.
        known: names of experiments/.
        defaults: each key's default, as `bpexp.config.defaults` gives them.

    Raises:
        ConfigError: an override is malformed, of an unknown key, of a value out of range, or one of
            a combination that no run can have.
    """
    parser = OverridesParser.create()
    values: dict[str, list[Any]] = {}
    for argument in arguments:
        try:
            if argument.startswith("="):  # Hydra's parser fails on it otherwise
                raise HydraException("no key before '='")
            override = parser.parse_override(argument)
        except HydraException as error:
            told = str(error).partition("\nSee ")[0].partition(" expecting {")[0]
            raise ConfigError(f"{quoted(argument)}: {' '.join(told.split())}") from None
        key = override.key_or_group
        if key in values:
            raise ConfigError(f"{quoted(key)}: given twice; a sweep is {quoted(key)}=a,b")
        values[key] = []
        if key.startswith("hydra"):
            continue
        if override.is_sweep_override() and not multirun:
            raise ConfigError(
                f"{quoted(argument)}: several values are a sweep: python -m bpexp -m ..."
            )
        values[key] = _check(override, known)
    if not any(key.startswith(("experiment", "hydra.sweeper")) for key in values):
        _check_together(values, defaults)  # those two bring values of their own


def _check_together(values: Mapping[str, list[Any]], defaults: Mapping[str, Any]) -> None:
    """Refuse a full grid with a combination of values that no run can have."""
    frozen, depth = (values.get(key, [defaults[key]]) for key in ("frozen", "depth"))
    if frozen and depth:
        refuse_frozen(max(frozen), min(depth))
    for key in values:
        name, _, parameter = key.partition(".")
        if parameter and isinstance(group := KEYS.get(name), Group):
            for row in values.get(name, [defaults[name]]):
                if parameter not in signature(group.table[row]).parameters:
                    raise ConfigError(f"{key}: not a parameter of the chosen {name}")


def _check(override: Override, known: Sequence[str]) -> list[Any]:
    """Check one override and return its values, or a parameter's name; none if Hydra knows them."""
    key, row = override.key_or_group, KEYS.get(override.key_or_group)
    names: Sequence[object]
    if isinstance(row, Key):
        return [row.check(key, value) for value in _values(override)]
    if key == "experiment":
        names, allowed = _values(override), known
    elif isinstance(row, Group):
        names, allowed = _values(override), list(row.table)
    elif isinstance(group := KEYS.get(key.partition(".")[0]), Group):
        parameters = {name for row in group.table.values() for name in signature(row).parameters}
        names, allowed = [key.partition(".")[2]], sorted(parameters)
    else:
        raise ConfigError(one_of("key", key, [*KEYS, "experiment"]))
    for name in names:
        if name not in allowed:
            raise ConfigError(one_of(key, name, allowed))
    return list(names)


def _values(override: Override) -> list[object]:
    """Return the values of an override, one or those of a discrete sweep."""
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    key = override.key_or_group
    named = key == "experiment" or isinstance(KEYS.get(key), Group)
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP and named:
        return []  # what it matches is known to Hydra
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: a sweep is {key}=a,b")
    try:
        values = [_unquoted(value) for value in override.sweep_iterator()]
    except (HydraException, ValueError) as error:
        raise ConfigError(f"{override.input_line}: {reason(error)}") from None
    if not values:
        raise ConfigError(f"{override.input_line}: no values")
    return values


def _unquoted(value: object) -> object:
    """Return a value of a sweep as Hydra will set it: quotes are gone, in lists too."""
    if isinstance(value, QuotedString):
        return value.text
    return [_unquoted(item) for item in value] if isinstance(value, list) else value
