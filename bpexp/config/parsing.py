"""Parse overrides with Hydra's parser, and expand the values of a sweep."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import islice

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, Sweep, ValueType
from hydra.errors import HydraException

from bpexp.config.config import LARGEST_GRID
from bpexp.config.keys import Group
from bpexp.config.schema import KEYS
from bpexp.errors import ConfigError, in_quotes, quoted, reason

TEXTS = ("study", "data.path", "data.root", "data.target", "tracking.uri")  # keys of free text
PATHS = ("data.path", "data.root")
# Words that Hydra reads as numbers or booleans: 2026, 1e3, true.
_NO_TEXT = re.compile(r"[+-]?(\.?\d[\w.+-]*|inf|nan|true|false)", re.IGNORECASE)


def as_text(argument: str) -> str:
    """Prepare an override of a key of free text for Hydra; return other overrides unchanged.

    Hydra would read names such as 2026 and 1e3 as numbers, so they are put in quotes. ~ is expanded
    in paths: shells do so only at the beginning of a word, and Hydra's grammar does not allow ~.
    """
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    if name not in TEXTS:
        return argument
    texts = value.split(",")
    if name in PATHS:
        texts = [os.path.expanduser(text) for text in texts]
    return f"{key}{equals}" + ",".join(f'"{t}"' if _NO_TEXT.fullmatch(t) else t for t in texts)


def parsed(arguments: Sequence[str]) -> list[Override]:
    """Parse overrides with Hydra's parser, as `as_text` returns them.

    Raises:
        ConfigError: an override is malformed.
    """
    parser = OverridesParser.create()
    overrides = []
    for argument in arguments:
        try:
            if argument.startswith("="):  # Hydra's parser raises no HydraException for it
                raise HydraException("no key before '='")
            if "=" not in argument and not argument.startswith("~"):
                raise HydraException("no value; an override is key=value")
            overrides.append(parser.parse_override(as_text(argument)))
        except HydraException as error:
            raise ConfigError(f"{quoted(argument)}: {_reworded(argument, error)}") from None
    return overrides


def _reworded(argument: str, error: HydraException) -> str:
    """Return Hydra's message in one line, with advice on quoting if the value is free text."""
    message = " ".join(str(error).partition("\nSee ")[0].partition(" expecting {")[0].split())
    return message + quoting_advice(argument)


def quoting_advice(argument: str) -> str:
    """Return advice on quoting the value of a key of free text; empty for other keys."""
    key, _, value = argument.partition("=")
    if key not in TEXTS or value[:1] in ("'", '"'):
        return ""
    return f"; text with special characters is quoted: {in_quotes(key, value)}"


def values_of(override: Override) -> list[object]:
    """Return the values of an override, one or those of a discrete sweep."""
    if override.is_delete():
        return []
    if not override.is_sweep_override():
        return [override.value()]
    key = override.key_or_group
    named = key == "experiment" or isinstance(KEYS.get(key), Group)
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP and named:
        return []  # a glob, which Hydra expands
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP or not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: a sweep is {key}=a,b")
    try:
        iterator = islice(override.sweep_iterator(), LARGEST_GRID + 1)
        values = [unquoted(value) for value in iterator]
    except (HydraException, ValueError) as error:
        raise ConfigError(f"{override.input_line}: {reason(error)}") from None
    if any(isinstance(value, Sweep) for value in values):
        raise ConfigError(f"{override.input_line}: a sweep within a list; a sweep is {key}=a,b")
    if not values:
        raise ConfigError(f"{override.input_line}: no values")
    return values


def unquoted(value: object) -> object:
    """Return a value of a sweep without quotes, as Hydra sets it; also within lists."""
    if isinstance(value, QuotedString):
        return value.text
    return [unquoted(item) for item in value] if isinstance(value, list) else value
