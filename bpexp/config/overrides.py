"""Check overrides before Hydra composes them: unknown and repeated keys, values, combinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override

from bpexp.config import defaults, refuse_depth, refuse_frozen
from bpexp.config.config import refuse_size
from bpexp.config.keys import Group, Key
from bpexp.config.parsing import parsed, quoting_advice, unquoted, values_of
from bpexp.config.schema import KEYS, RUNTIME_KEYS, checked
from bpexp.config.studies import study_grid, study_settings
from bpexp.errors import ConfigError, one_of, quoted

# Keys of Hydra's own job folders, which only another launcher writes.
WITHOUT_EFFECT = (
    "hydra.run.", "hydra.sweep.", "hydra.output_subdir", "hydra.job.chdir", "hydra.job.name",
    "hydra.job.config.", "hydra.job.override_dirname",
)  # fmt: skip


def refuse(
    arguments: Sequence[str], *, multirun: bool, trains: bool, conf: Path, studies: Path
) -> None:
    """Check the overrides' keys and values against the schema, and their combinations.

    Hydra uses the last of two overrides of one key, and adds an unknown key that has a plus before
    it. Both are refused here. Overrides that Hydra would refuse are refused sooner, with a message
    of one line. If `hydra.searchpath` adds choices, or another sweeper has its own syntax, the
    overrides are only parsed, because the valid values are not known here.

    Args:
        arguments: the overrides.
        multirun: whether the command is a sweep, so that keys may have several values.
        trains: whether runs are trained, and not only shown (`--cfg`, `--info`).
        conf: the folder of the Hydra tree, for the defaults.
        studies: the folder of the studies' files.

    Raises:
        ConfigError: an override is malformed, its key is unknown, its value is out of range, or no
            run can have the combination of values.
    """
    known = [path.stem for path in studies.glob("*.yaml")]
    values: dict[str, list[Any]] = {}
    overrides = parsed(arguments)
    given = {o.key_or_group: o for o in overrides}
    if "hydra.searchpath" in given:
        _check_search_path(given["hydra.searchpath"].value())
        return
    if _is_foreign(given.get("hydra/sweeper")):
        return
    mode = given.get("hydra.mode")
    multirun = multirun or (mode is not None and mode.value() == "MULTIRUN")
    if trains and not multirun and "experiment" in given:
        _refuse_sweep_without_flag(given["experiment"], studies)
    for override in overrides:
        key = override.key_or_group
        if key in values:
            raise ConfigError(f"{quoted(key)}: given twice; a sweep is {quoted(key)}=a,b")
        values[key] = []
        if key == "experiment" or key.startswith("hydra"):
            _check_deletion(override)
        if key.startswith("hydra"):
            _check_sections(override)
            if key.startswith(WITHOUT_EFFECT) and not _is_foreign(given.get("hydra/launcher")):
                raise ConfigError(f"{quoted(key)}: without effect; runs are written below runs/")
            continue
        refuse_swept_runtime_key(override)
        if override.is_sweep_override() and not multirun:
            argument = quoted(str(override.input_line))
            line = f"{argument}: several values are a sweep: python -m bpexp -m ..."
            raise ConfigError(line + quoting_advice(str(override.input_line)))
        values[key] = _check(override, known)
    if any(key == "hydra" or key.startswith("hydra.sweeper") for key in values):
        return  # Hydra determines the grid
    single, grid = defaults(conf), {}
    if "experiment" in values:
        study = None
        if len(values["experiment"]) == 1 and "quick" not in values:  # quick changes the grid
            study = study_settings(studies / f"{values['experiment'][0]}.yaml")
        if study is None:
            return
        single |= study[0]
        grid = study[1] if multirun else {}
    swept = parsed([f"{key}={value}" for key, value in grid.items()])
    _check_together(
        {key: [value] for key, value in single.items()}
        | {override.key_or_group: _check(override, known) for override in swept}
        | values
    )


def override_grid(arguments: Sequence[str], *, conf: Path, studies: Path) -> dict[str, list[Any]]:
    """Return the values by key that the overrides of a sweep and its study set.

    Raises:
        ConfigError: see `refuse`.
    """
    refuse(arguments, multirun=True, trains=False, conf=conf, studies=studies)
    given = {override.key_or_group: values_of(override) for override in parsed(arguments)}
    names = given.pop("experiment", [])
    found: dict[str, list[Any]] = {}
    for name in names:
        for key, values in study_grid(name, studies, ends=False).items():
            found[key] = [*found.get(key, []), *values]
    return found | given


def refuse_swept_runtime_key(override: Override) -> None:
    """Raise ConfigError for several values of a key that does not decide a run's numbers.

    The values would all give the same run.
    """
    key = override.key_or_group
    runtime = key in RUNTIME_KEYS or key.partition(".")[0] in RUNTIME_KEYS
    if runtime and override.is_sweep_override():
        raise ConfigError(
            f"{quoted(str(override.input_line))}: {quoted(key)} does not change a run's numbers; "
            "give one value"
        )


def _refuse_sweep_without_flag(override: Override, studies: Path) -> None:
    """Raise ConfigError if a study has a grid, in a command without -m."""
    name = override.value()
    found = study_settings(studies / f"{name}.yaml") if isinstance(name, str) else None
    if found and found[1]:
        raise ConfigError(
            f"experiment={name}: is a sweep: python -m bpexp -m experiment={name} ..."
        )


def _is_foreign(choice: Override | None) -> bool:
    """Return whether a sweeper or launcher other than this package's is chosen."""
    return choice is not None and choice.value() != "bpexp"


def _check_together(values: Mapping[str, list[Any]]) -> None:
    """Raise ConfigError if a grid holds a combination that no run can have.

    Args:
        values: the values of each key; keys with an empty list are not checked.
    """
    values = {key: listed for key, listed in values.items() if listed}
    refuse_size(values)
    frozen, depth = values.get("frozen", [0]), values.get("depth", [0])
    if all(isinstance(number, int) for number in (*frozen, *depth)):
        refuse_frozen(max(frozen), min(depth))
    for key, listed in values.items():
        name, _, parameter = key.partition(".")
        if parameter and isinstance(group := KEYS.get(name), Group):
            for row in values.get(name, ()):
                if isinstance(row, str) and row in group.table:
                    _check_parameter(name, row, parameter, listed)
    for row, every, number in product(
        values.get("skip", ()), values.get("skip.every", [None]), depth
    ):
        if isinstance(number, int) and isinstance(every, int | None):
            parameters = {} if every is None else {"every": every}
            refuse_depth(number, checked("skip", {"name": row, **parameters}))


def _check_parameter(name: str, row: str, parameter: str, values: Sequence[object]) -> None:
    """Raise ConfigError if a group's row lacks the parameter or a value is out of its range."""
    group = KEYS[name]
    assert isinstance(group, Group)
    if parameter not in signature(group.table[row]).parameters:
        raise ConfigError(f"{name}.{parameter}: not a parameter of the chosen {name}")
    for value in values:
        if not _interpolated(value):
            checked(name, {"name": row, parameter: value})


def _check_deletion(override: Override) -> None:
    """Raise ConfigError for deleting something other than a choice, on which Hydra fails."""
    if override.is_delete() and not isinstance(override.value(), str | None):
        raise ConfigError(f"{quoted(str(override.input_line))}: no such choice to delete")


def _check_search_path(value: object) -> None:
    """Raise ConfigError for a missing folder of choices, for which Hydra only warns."""
    for entry in value if isinstance(value, list) else [value]:
        path = str(unquoted(entry)).removeprefix("file://")
        if "://" not in path and "${" not in path and not Path(path).is_dir():
            raise ConfigError(f"hydra.searchpath: {path!r} is not a folder")


def _check_sections(override: Override) -> None:
    """Raise ConfigError for values of Hydra's own groups of keys on which it fails."""
    key, value = override.key_or_group, override.value()
    if key in ("hydra.sweeper._target_", "hydra.launcher._target_"):
        section = key.split(".")[1]
        raise ConfigError(f"{key}: cannot be changed; hydra/{section}=NAME chooses another")
    sections = ("hydra", "hydra.sweeper", "hydra.launcher", "hydra.sweeper.params")
    if key == "hydra.sweeper.params" and value is None:
        return  # removes a study's grid
    if key in sections and not override.is_delete() and not isinstance(value, dict):
        raise ConfigError(f"{key}: {value!r} is not a group of keys")


def _check(override: Override, known: Sequence[str]) -> list[Any]:
    """Check one override and return its values; an empty list if Hydra determines them."""
    key, row = override.key_or_group, KEYS.get(override.key_or_group)
    names: Sequence[object]
    if override.is_delete() and (isinstance(row, Group) or (row and "." not in key)):
        raise ConfigError(f"{key}: every run has one; it cannot be deleted")
    if isinstance(row, Key):
        return [v if _interpolated(v) else row.check(key, v) for v in values_of(override)]
    if key == "experiment":
        names, allowed = values_of(override), known
    elif isinstance(row, Group):
        names, allowed = values_of(override), list(row.table)
    elif isinstance(group := KEYS.get(key.partition(".")[0]), Group):
        parameters = {name for row in group.table.values() for name in signature(row).parameters}
        if key.partition(".")[2] not in parameters:
            raise ConfigError(one_of(key, key.partition(".")[2], sorted(parameters)))
        return values_of(override)
    else:
        raise ConfigError(one_of("key", key, [*KEYS, "experiment"]))
    for name in names:
        if name not in allowed:
            raise ConfigError(one_of(key, name, allowed))
    return list(names)


def _interpolated(value: object) -> bool:
    """Return whether a value is an interpolation of another key, which Hydra resolves."""
    return "${" in str(value)
