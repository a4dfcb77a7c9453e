"""What can be refused from the words of a command line alone, before Hydra composes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, ValueType
from hydra.errors import HydraException

from bpexp.config import refuse_frozen, settings
from bpexp.errors import ConfigError, one_of, quoted, reason
from bpexp.schema import KEYS, Group, Key, checked


def refuse(arguments: Sequence[str], *, multirun: bool, conf: Path, studies: Path) -> None:
    """Check every override's key and value against the schema, and what must fit together.

    Hydra takes the last of two overrides of one key, and adds a key that has a plus before it;
    both are refused here, and its own refusals come in one line and sooner.

    Args:
        arguments: the overrides.
        multirun: several values of a key are a sweep.
        conf: the Hydra tree, for the defaults.
        studies: the folder of experiments.

    Raises:
        ConfigError: an override is malformed, of an unknown key, of a value out of range, or one of
            a combination that no run can have.
    """
    known = [path.stem for path in studies.glob("*.yaml")]
    values: dict[str, list[Any]] = {}
    for override in _parsed(arguments):
        key = override.key_or_group
        if key in values:
            raise ConfigError(f"{quoted(key)}: given twice; a sweep is {quoted(key)}=a,b")
        values[key] = []
        if override.is_delete() and "." not in key and not _names_a_choice(override.value()):
            raise ConfigError(f"{quoted(str(override.input_line))}: no such choice to delete")
        if key.startswith("hydra"):
            continue
        if override.is_sweep_override() and not multirun:
            argument = quoted(str(override.input_line))
            raise ConfigError(f"{argument}: several values are a sweep: python -m bpexp -m ...")
        values[key] = _check(override, known)
    if any(key.startswith("hydra.sweeper") for key in values):
        return  # a grid of its own
    files = [conf / "config.yaml"]
    if "experiment" in values:
        if len(values["experiment"]) != 1 or "quick" in values:
            return  # several studies, or the ends of one's grid
        files.append(studies / f"{values['experiment'][0]}.yaml")
    _check_together(values, files, known, multirun=multirun)


def _parsed(arguments: Sequence[str]) -> Iterator[Override]:
    parser = OverridesParser.create()
    for argument in arguments:
        try:
            if argument.startswith("="):  # Hydra's parser fails on it otherwise
                raise HydraException("no key before '='")
            yield parser.parse_override(argument)
        except HydraException as error:
            told = str(error).partition("\nSee ")[0].partition(" expecting {")[0]
            raise ConfigError(f"{quoted(argument)}: {' '.join(told.split())}") from None


def _check_together(
    given: Mapping[str, list[Any]], files: Sequence[Path], known: Sequence[str], *, multirun: bool
) -> None:
    """Refuse a grid, of words over files, that holds a combination no run can have."""
    values: dict[str, list[Any]] = {}
    for path in files:
        single, grid = settings(path)
        values |= {key: [value] for key, value in single.items()}
        if multirun:
            words = [f"{key}={value}" for key, value in grid.items()]
            values |= {word.key_or_group: _check(word, known) for word in _parsed(words)}
    values |= given
    frozen, depth = values["frozen"], values["depth"]
    if frozen and depth and all(isinstance(number, int) for number in (*frozen, *depth)):
        refuse_frozen(max(frozen), min(depth))
    for name, group in KEYS.items():
        if isinstance(group, Group):
            _check_rows(name, group, values)


def _check_rows(name: str, group: Group, values: Mapping[str, list[Any]]) -> None:
    """Refuse parameters that a chosen row of a group has not, or out of the row's range."""
    given = {
        key.partition(".")[2]: listed
        for key, listed in values.items()
        if key.startswith(f"{name}.")
    }
    for row in values[name] if given else ():
        if row not in group.table:
            continue  # an interpolation
        for parameter in given:
            if parameter not in signature(group.table[row]).parameters:
                raise ConfigError(f"{name}.{parameter}: not a parameter of the chosen {name}")
        for combination in product(*given.values()):
            if not _interpolated(combination):
                checked(name, {"name": row, **dict(zip(given, combination, strict=True))})


def _check(override: Override, known: Sequence[str]) -> list[Any]:
    """Check one override and return its values; none if only Hydra knows them."""
    key, row = override.key_or_group, KEYS.get(override.key_or_group)
    names: Sequence[object]
    if row is not None and override.is_delete():
        raise ConfigError(f"{key}: missing")
    if isinstance(row, Key):
        return [v if _interpolated(v) else row.check(key, v) for v in _values(override)]
    if key == "experiment":
        names, allowed = _values(override), known
    elif isinstance(row, Group):
        names, allowed = _values(override), list(row.table)
    elif isinstance(group := KEYS.get(key.partition(".")[0]), Group):
        parameters = {name for row in group.table.values() for name in signature(row).parameters}
        if key.partition(".")[2] not in parameters:
            raise ConfigError(one_of(key, key.partition(".")[2], sorted(parameters)))
        return _values(override)
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


def _names_a_choice(value: object) -> bool:
    """Return whether a deletion's value is one that Hydra takes for a group's: a name or none."""
    return value is None or isinstance(value, str)


def _interpolated(value: object) -> bool:
    """Return whether a value stands for another key's, which Hydra looks up."""
    return "${" in str(value)


def _unquoted(value: object) -> object:
    """Return a value of a sweep as Hydra will set it: quotes are gone, in lists too."""
    if isinstance(value, QuotedString):
        return value.text
    return [_unquoted(item) for item in value] if isinstance(value, list) else value
