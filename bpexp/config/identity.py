"""Identity: the hash of what decides a run's numbers; it does not change when keys are added.

Studies are kept for years, and later versions add keys. Such a key has a neutral value, declared in
`bpexp.config.schema`, with which a run is the same as before the key existed. The identity leaves
out keys that have their neutral value, and `completed` adds missing keys with it. A key that was
renamed is hashed under its first name.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from bpexp.config.keys import ORIGINAL, Group
from bpexp.config.schema import IDENTITY_KEYS, KEYS
from bpexp.nn.choices import SOURCE, Value

ALGORITHM = 6  # raised whenever a change alters the numbers of a run
# Keys that are hashed even if neutral, as version 0.1 did.
HASHED_ALWAYS = {"probe.jacobian"}


def identity(config: Mapping[str, Any], digest: str, algorithm: int) -> str:
    """Return the hash of all that decides a run's numbers, 16 hexadecimal digits.

    Args:
        config: a complete configuration, as `Config.nested` returns it.
        digest: the data set's digest, which is hashed instead of its paths and parameters.
        algorithm: the number of the algorithm that makes the run.
    """
    return _hash({"algorithm": algorithm, "digest": digest, **_decisive(config)})


def configuration(config: Mapping[str, Any], digest: str) -> str:
    """Return the hash of `identity` without the algorithm, for the same arguments."""
    return _hash({"digest": digest, **_decisive(config)})


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration with this version's keys: later ones added, old ones renamed.

    Args:
        config: the nested configuration, of this version or an older one.
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
    """Return the algorithm of a run of version 0.1, whose journals do not name it; 0 if unknown.

    Version 0.1 hashed all recorded keys. The result is the number for which this hash equals the
    recorded identity.

    Args:
        config: the configuration as it was recorded.
        digest: the data set's digest.
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
    for algorithm in range(1, 6):  # the algorithms before journals named them
        if _hash({"algorithm": algorithm, "digest": digest, **decisive}) == found:
            return algorithm
    return 0


def flatten(nested: Mapping[str, Any]) -> dict[str, Value]:
    """Return {override key: value} of a nested configuration; a group's key has the row's name."""
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
    return key.partition(".")[0] in _sections(tuple(IDENTITY_KEYS))


@cache
def _sections(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in names)


def differing(flats: Sequence[Mapping[str, Value]]) -> list[str]:
    """Return the keys that decide numbers and whose values differ.

    Parameters that only some rows of a group have are compared among the configurations that have
    them.

    Args:
        flats: configurations as `flatten` returns them.
    """
    keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if decides(key)]
    return [
        key
        for key in keys
        if _differ(flat[key] for flat in flats if key in flat) and not _follows_name(key, flats)
    ]


def _differ(values: Iterator[Value]) -> bool:
    """Return whether values differ as JSON, in which 1, 1.0 and true are different."""
    one = next(values)
    text = json.dumps(one)
    return any(value is not one and json.dumps(value) != text for value in values)


def _follows_name(key: str, flats: Sequence[Mapping[str, Value]]) -> bool:
    """Return whether a key is the source of registered rows and is determined by the row's name."""
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
    """Return {first name: value} of the keys that decide the numbers and are not neutral."""
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
