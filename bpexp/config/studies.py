"""Read the settings and the grid of a study from its file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bpexp.config.identity import flatten
from bpexp.config.keys import Group
from bpexp.config.parsing import parsed, values_of
from bpexp.config.schema import KEYS
from bpexp.errors import ConfigError, one_of

OVERRIDE = re.compile("^override /")  # the prefix of a group whose choice a study changes


def study_settings(study: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the values that a study sets, by key, and its grid; None if only Hydra can read it."""
    try:
        tree: Any = OmegaConf.to_container(OmegaConf.load(study), resolve=False)
        rows = [item for entry in tree.pop("defaults", ()) for item in entry.items()]
        grid = tree.pop("hydra", {}).get("sweeper", {}).get("params", {})
        chosen = {OVERRIDE.sub("", key): name for key, name in rows}
        known = all(isinstance(KEYS.get(key), Group) for key in chosen)
        return (chosen | flatten(tree), dict(grid)) if known else None
    except (OSError, ValueError, AttributeError, TypeError, YAMLError, OmegaConfBaseException):
        return None


def study_grid(name: object, studies: Path, *, ends: bool) -> dict[str, list[Any]]:
    """Return the values that a study sets by key, one for each key or those of its grid.

    Args:
        name: the study's name.
        studies: the folder of the studies' files.
        ends: whether to return only the first and the last value of each key of the grid.

    Raises:
        ConfigError: there is no such study, or only Hydra can read it.
    """
    known = [path.stem for path in studies.glob("*.yaml")]
    if name not in known:
        raise ConfigError(one_of("experiment", name, known))
    found = study_settings(studies / f"{name}.yaml")
    if found is None:
        raise ConfigError(f"experiment: {name} can be composed by the command line only")
    own, swept = found
    values = {key: [value] for key, value in own.items()}
    for override in parsed([f"{key}={value}" for key, value in swept.items()]):
        listed = values_of(override)
        values[override.key_or_group] = [listed[0], listed[-1]] if ends else listed
    return values
