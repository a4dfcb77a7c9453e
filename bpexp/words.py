"""What can be refused from the words of a command line alone, before Hydra composes them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException

from bpexp.errors import ConfigError, one_of, quoted, reason
from bpexp.schema import KEYS, Group, Key


def refuse(arguments: Sequence[str], *, multirun: bool, known: Sequence[str]) -> None:
    """Check every override's key and value against the schema.

    Hydra takes the last of two overrides of one key, and adds a key that has a plus before it;
    both are refused here, and its own refusals come in one line and sooner.

    Args:
        arguments: the overrides.
        multirun: several values of a key are a sweep.
        known: names of experiments/.

    Raises:
        ConfigError: an override is malformed, of an unknown key, or of a value out of range.
    """
    parser = OverridesParser.create()
    seen: set[str] = set()
    for argument in arguments:
        try:
            if argument.startswith("="):  # Hydra's parser fails on it otherwise
                raise HydraException("no key before '='")
            override = parser.parse_override(argument)
        except HydraException as error:
            told = str(error).partition("\nSee ")[0].partition(" expecting {")[0]
            raise ConfigError(f"{quoted(argument)}: {' '.join(told.split())}") from None
        key = override.key_or_group
        if key in seen:
            raise ConfigError(f"{quoted(key)}: given twice; a sweep is {quoted(key)}=a,b")
        seen.add(key)
        if key.startswith("hydra"):
            continue
        if override.is_sweep_override() and not multirun:
            raise ConfigError(
                f"{quoted(argument)}: several values are a sweep: python -m bpexp -m ..."
            )
        _check(override, known)


def _check(override: Override, known: Sequence[str]) -> None:
    key, row = override.key_or_group, KEYS.get(override.key_or_group)
    names: Sequence[object]
    if isinstance(row, Key):
        for value in _values(override):
            row.check(key, value)
        return
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


def _values(override: Override) -> list[object]:
    """Return the values of an override, one or those of a discrete sweep."""
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP and isinstance(
        KEYS.get(override.key_or_group), Group
    ):
        return []  # what it matches is known to Hydra
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: a sweep is {override.key_or_group}=a,b")
    try:
        values: list[object] = list(override.sweep_iterator())
    except (HydraException, ValueError) as error:
        raise ConfigError(f"{override.input_line}: {reason(error)}") from None
    if not values:
        raise ConfigError(f"{override.input_line}: no values")
    return values
