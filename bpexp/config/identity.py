"""Identity: the hash of what decides a run's numbers, the same whatever keys are added later.

A study is kept for years, and later versions add keys. Such a key has a neutral value, declared
with it in `bpexp.config.schema`, which does what was done before the key existed. Identity leaves
a key out where it has its neutral value, and `completed` reads a configuration that lacks it as
having that value. A key that was renamed is hashed under its first name.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bpexp.config.schema import IDENTITY_KEYS, KEYS, ORIGINAL, Group
from bpexp.nn.choices import SOURCE, Value

ALGORITHM = 6  # raised whenever a change alters the numbers of a run
# It has a neutral value, and was hashed before identity left such values out.
HASHED_ALWAYS = {"probe.jacobian"}


def identity(config: Mapping[str, Any], digest: str, algorithm: int) -> str:
    """Hash what decides a run's numbers: 16 hexadecimal digits.

    Args:
        config: a complete configuration, as `Config.nested` returns it.
        digest: of the data set's arrays, which stands for the data's paths and parameters.
        algorithm: the number of the algorithm that makes the run.
    """
    return _hash({"algorithm": algorithm, "digest": digest, **_decisive(config)})


def configuration(config: Mapping[str, Any], digest: str) -> str:
    """Hash the same without the algorithm: equal for runs that differ in the algorithm only."""
    return _hash({"digest": digest, **_decisive(config)})


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration with the keys that later versions added, and their names.

    Args:
        config: nested, of this version or an older one.
    """
    known = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in config.items()
    }
    for name, key in KEYS.items():
        section, leaf = _place(known, name)
        if key.formerly is not None and leaf not in section:
            old_section, old_leaf = _place(known, key.formerly)
            if old_leaf in old_section:
                section[leaf] = old_section.pop(old_leaf)
        if key.neutral is not ORIGINAL and leaf not in section:
            section[leaf] = copy.deepcopy(key.neutral)
        if isinstance(key, Group) and leaf in section:
            for parameter, neutral in key.later.get(section[leaf]["name"], {}).items():
                section[leaf].setdefault(parameter, neutral)
    order = dict.fromkeys([*(name.partition(".")[0] for name in KEYS), *known])
    return {name: known[name] for name in order if name in known and known[name] != {}}


def recorded_algorithm(config: Mapping[str, Any], digest: str, found: str) -> int:
    """Return the algorithm of a run whose journal does not say it; 0 if it cannot be told.

    Journals of version 0.1 do not say it. That version hashed every key that it had.

    Args:
        config: the configuration as it was recorded.
        digest: of the data set.
        found: the run's identity.
    """
    names = {(key.formerly or name).partition(".")[0] for name, key in IDENTITY_KEYS.items()}
    later = {
        name
        for name, key in IDENTITY_KEYS.items()
        if key.neutral is not ORIGINAL and name not in HASHED_ALWAYS
    }
    decisive = {
        name: value
        for name, value in flatten(config).items()
        if name.partition(".")[0] in names - later and not name.startswith("data.")
    }
    for algorithm in range(1, 6):  # the numbers of those versions
        if _hash({"algorithm": algorithm, "digest": digest, **decisive}) == found:
            return algorithm
    return 0


def flatten(nested: Mapping[str, Any]) -> dict[str, Value]:
    """Return {override key: value} of a nested configuration; a group's name stands at its key."""
    flat: dict[str, Value] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= {key if k == "name" else f"{key}.{k}": v for k, v in value.items()}
        else:
            flat[key] = value
    return flat


def nest(flat: Mapping[str, Value]) -> dict[str, Any]:
    """Return the nested configuration that `flatten` flattens."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        section, leaf = _place(nested, key)
        if isinstance(KEYS.get(key), Group):
            section.setdefault(leaf, {})["name"] = value
        else:
            section[leaf] = value
    return nested


def decides(key: str) -> bool:
    """Return whether a key decides a run's numbers, or is a parameter of a group that does."""
    return key.partition(".")[0] in {name.partition(".")[0] for name in IDENTITY_KEYS}


def differing(flats: Sequence[Mapping[str, Value]]) -> list[str]:
    """Return the keys that decide numbers and whose values differ.

    A parameter that comes with one choice of a group is compared among the runs that have it.

    Args:
        flats: configurations as `flatten` returns them.
    """
    keys = dict.fromkeys(key for flat in flats for key in flat if decides(key))
    values = {key: {json.dumps(flat[key]) for flat in flats if key in flat} for key in keys}
    return [key for key in keys if len(values[key]) > 1 and not _follows_name(key, flats)]


def _follows_name(key: str, flats: Sequence[Mapping[str, Value]]) -> bool:
    """Return whether a key is the source of registered rows, each of which has one source."""
    group, _, parameter = key.partition(".")
    if parameter != SOURCE:
        return False
    sources = {(flat[group], flat[key]) for flat in flats if key in flat}
    return len(sources) == len({name for name, _ in sources})


def _place(config: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that holds a key, created if it is missing, and the key's name there."""
    section, _, leaf = name.rpartition(".")
    return (config.setdefault(section, {}) if section else config), leaf


def _decisive(config: Mapping[str, Any]) -> dict[str, Value]:
    """Return {first name: value} of what decides the numbers and is not neutral."""
    decisive: dict[str, Value] = {}
    for name, key in IDENTITY_KEYS.items():
        section, _, leaf = name.rpartition(".")
        place = config.get(section, {}) if section else config
        if leaf not in place:
            continue
        value = place[leaf]
        if isinstance(key, Group):
            value = _parameters(name, key, value)
        if value == key.neutral and name not in HASHED_ALWAYS:
            continue
        decisive |= flatten({key.formerly or name: value})
    return decisive


def _parameters(name: str, group: Group, choice: Mapping[str, Value]) -> dict[str, Value]:
    """Return a choice without the parameters that were added later and are neutral."""
    later = group.later.get(str(choice["name"]), {})
    return {
        key: value
        for key, value in choice.items()
        if key == "name" or (name != "data" and not (key in later and value == later[key]))
    }


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
