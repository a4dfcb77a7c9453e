"""The command that trains a recorded run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from bpexp.config.config import defaults
from bpexp.config.identity import completed, flatten
from bpexp.config.schema import IDENTITY_KEYS
from bpexp.config.shipped import tree

# Text that Hydra reads as it stands. Other text is quoted.
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*")
WORDS = {"null", "true", "false", "nan", "inf"}  # which Hydra reads as other than text


def command(config: Mapping[str, Any]) -> str:
    """Return the shell command of one run: `python -m bpexp` and its overrides.

    Args:
        config: nested, as the start line of a journal has it.
    """
    return shlex.join(["python", "-m", "bpexp", *overrides(config)])


def overrides(config: Mapping[str, Any]) -> list[str]:
    """Return the overrides that lead from the defaults to a configuration.

    Keys that decide no numbers are left out, except for the study, by which the run is found.

    Args:
        config: nested, of this version or an older one.
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
    """Return a value as Hydra's grammar of overrides writes it.

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
    # Of a quoted text a backslash escapes a quote, and those before a quote or the end are doubled.
    escaped = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return "'" + escaped.replace("${", "\\${") + "'"


@cache
def _defaults() -> dict[str, Any]:
    return defaults(tree("conf"))


@cache
def _row(group: str, name: str) -> dict[str, Any]:
    """Return the defaults of a row's parameters by their keys; empty if the row is not shipped."""
    path = tree("conf") / group / f"{name}.yaml"
    return flatten({group: yaml.safe_load(path.read_text())}) if path.exists() else {}
