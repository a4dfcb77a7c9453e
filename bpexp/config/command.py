"""The command that trains a recorded run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from bpexp.config.config import defaults
from bpexp.config.identity import completed, flatten
from bpexp.config.schema import IDENTITY_KEYS
from bpexp.config.shipped import tree

# Text that needs no quotes in Hydra's grammar.
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*")
SPECIAL = {*'"$`\\!'}  # what shells change within double quotes
WORDS = {"null", "true", "false", "nan", "inf"}  # Hydra reads these as values other than text


def command(config: Mapping[str, Any], *, program: str = "", seeds: Sequence[int] = ()) -> str:
    """Return the shell command that trains a run, or the run with several seeds.

    Args:
        config: the nested configuration, as in the start line of a journal.
        program: the script that registers functions of the run; empty: `-m bpexp`.
        seeds: the seeds to train; empty: that of the configuration.
    """
    words = overrides({**config, "seed": seeds[0]} if seeds else config)
    if len(seeds) > 1:
        words = [word for word in words if not word.startswith("seed=")]
        words = ["-m", *words, f"seed={','.join(map(str, seeds))}"]
    return joined(["python", *([program] if program else ["-m", "bpexp"]), *words])


def joined(words: Sequence[str]) -> str:
    """Return words as one shell command that is easy to read.

    Words with single quotes, which Hydra's grammar has, are put in double quotes where possible.

    >>> print(joined(["echo", "a='1/2'", "b c"]))
    echo "a='1/2'" 'b c'
    """
    return " ".join(
        f'"{word}"' if "'" in word and not {*word} & SPECIAL else shlex.quote(word)
        for word in words
    )


def overrides(config: Mapping[str, Any]) -> list[str]:
    """Return the overrides that turn the defaults into a configuration.

    Keys that do not decide a run's numbers are left out, except for the study, by which the run is
    found.

    Args:
        config: the nested configuration, of this version or an older one.
    """
    found = []
    known, shipped = completed(config), _defaults()
    for key, value in flatten(known).items():
        group, _, parameter = key.partition(".")
        if key not in IDENTITY_KEYS and group not in IDENTITY_KEYS and key != "study":
            continue
        is_parameter = parameter and key not in IDENTITY_KEYS
        row = _row(group, str(known[group]["name"])) if is_parameter else shipped
        if key not in row or row[key] != value:
            found.append(f"{key}={hydra_value(value)}")
    return found


def hydra_value(value: object) -> str:
    """Return a value in the grammar of Hydra's overrides.

    >>> hydra_value(None), hydra_value(True), hydra_value([1, "a b"]), hydra_value("10 %")
    ('null', 'true', "[1,'a b']", "'10 %'")
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(hydra_value, value))}]"
    if not isinstance(value, str):
        return repr(value)
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    # In quoted text a backslash escapes a quote; backslashes before a quote or the end are doubled.
    escaped = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return "'" + escaped.replace("${", "\\${") + "'"


@cache
def _defaults() -> dict[str, Any]:
    return defaults(tree("conf"))


@cache
def _row(group: str, name: str) -> dict[str, Any]:
    """Return the defaults of a row's parameters by key; empty if conf/ has no file of the row."""
    path = tree("conf") / group / f"{name}.yaml"
    return flatten({group: yaml.safe_load(path.read_text())}) if path.exists() else {}
