"""Kinds of keys: the type, the range and the meaning of a key's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpexp.errors import ConfigError, in_quotes, one_of, out_of_range, quoted
from bpexp.nn.choices import Value
from bpexp.parameters import LARGEST, is_number
from bpexp.probes import INSTRUMENTS

FORMATS = ("png", "svg", "pdf")


class _Original:
    """The type of ORIGINAL, which marks keys of the first version; they have no neutral value."""

    def __repr__(self) -> str:
        return "ORIGINAL"


ORIGINAL = _Original()


@dataclass(frozen=True)
class Key:
    """A key of one value, or of a list of names.

    Attributes:
        kind: the type of its values.
        allowed: the allowed values, in words.
        holds: returns whether a value of that type is allowed.
        meaning: the key's meaning, for `--help`.
        nullable: whether it may be null.
        neutral: for a key that was added after the first version, the value with which a run is the
            same as before; see `bpexp.config.identity`.
        formerly: the first name of a key that was renamed.
        convert: called with the key's name and an allowed value; returns the value to use, or
            raises ConfigError.
    """

    kind: type
    allowed: str
    holds: Callable[[Any], bool]
    meaning: str
    nullable: bool = False
    neutral: object = ORIGINAL
    formerly: str | None = None
    convert: Callable[[str, Any], Any] | None = None

    def check(self, name: str, value: object) -> Any:
        """Return a value after checking it; an integer is converted if the type is float.

        Args:
            name: the key, for messages.
            value: the value.

        Raises:
            ConfigError: the value has another type or is out of range.
        """
        if value is None and self.nullable:
            return None
        wide = float(value) if self.kind is float and is_number(value) else value  # type: ignore[arg-type]
        if self.kind is str and isinstance(value, bool | int | float):
            raise ConfigError(f"{name}: {value!r} is not text; quote it: {in_quotes(name, value)}")
        if type(wide) is not self.kind or not self.holds(wide):
            raise ConfigError(out_of_range(name, value, self.allowed))
        return self.convert(name, wide) if self.convert else wide


@dataclass(frozen=True)
class Group:
    """A key that chooses a row of a table, with the row's parameters under it.

    Attributes:
        table: the factory of each row, whose keyword arguments are the row's parameters.
        meaning: the key's meaning, for `--help`.
        neutral: for a group that was added after the first version, the row and all of its
            parameters with which a run is the same as before: {"name": row, parameter: value, ...}.
        formerly: the first name of a group that was renamed.
        later: neutral values of parameters that were added to a row: {row: {parameter: value}}.
    """

    table: Mapping[str, Callable[..., Any]]
    meaning: str
    neutral: object = ORIGINAL
    formerly: str | None = None
    later: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


def integer(
    meaning: str,
    low: int,
    high: int = 10**9,
    *,
    nullable: bool = False,
    neutral: object = ORIGINAL,
) -> Key:
    """Return a key whose values are integers in [low, high]."""
    allowed = _or_null(f"an integer of at least {low} and at most {high}", nullable)
    return Key(int, allowed, lambda v: low <= v <= high, meaning, nullable, neutral)


def number(meaning: str, *, nullable: bool = False) -> Key:
    """Return a key whose values are positive numbers."""
    allowed = _or_null(f"a number above 0 and at most {LARGEST:g}", nullable)
    return Key(float, allowed, lambda v: 0 < v <= LARGEST, meaning, nullable)


def name_of(meaning: str, *names: str, neutral: object = ORIGINAL) -> Key:
    """Return a key whose values are some names."""
    allowed = f"one of {', '.join(names)}"
    return Key(str, allowed, lambda v: v in names, meaning, neutral=neutral)


def instruments(meaning: str, convert: Callable[[str, list[str]], list[str]]) -> Key:
    """Return a key whose values are lists of instruments; its neutral value is the empty list."""

    def known(key: str, names: list[str]) -> list[str]:
        plain = set()
        for spelled in names:
            name, _, source = spelled.partition("@")
            if name not in INSTRUMENTS:
                raise ConfigError(one_of(key, name, INSTRUMENTS))
            if source and source != INSTRUMENTS[name].source:
                raise ConfigError(f"{key}: {quoted(spelled)}: {name} was edited since")
            plain.add(name)
        return convert(key, [name for name in INSTRUMENTS if name in plain])

    def holds(names: list[object]) -> bool:
        return all(isinstance(name, str) for name in names)

    allowed = "a list of names of instruments"
    return Key(list, allowed, holds, meaning, neutral=[], convert=known)


def without_standard(key: str, names: list[str]) -> list[str]:
    """Return the instruments without the standard ones, so that equal runs have equal identities.

    Raises:
        ConfigError: an instrument has its own key.
    """
    for name in names:
        if own := INSTRUMENTS[name].examples_key:
            raise ConfigError(f"{key}: {name} has a key of its own, probe.{own}")
    chosen = [name for name in names if not INSTRUMENTS[name].standard]
    sources = [INSTRUMENTS[name].source for name in chosen]
    return [f"{n}@{source}" if source else n for n, source in zip(chosen, sources, strict=True)]


def formats(meaning: str) -> Key:
    """Return a key that lists formats of figures, at least one."""

    def known(key: str, names: list[str]) -> list[str]:
        for name in names:
            if name not in FORMATS:
                raise ConfigError(one_of(key, name, FORMATS))
        return [name for name in FORMATS if name in names]

    def holds(names: list[object]) -> bool:
        return bool(names) and all(isinstance(name, str) for name in names)

    allowed = f"a list of {', '.join(FORMATS)}, at least one"
    return Key(list, allowed, holds, meaning, neutral=["png"], convert=known)


def switch(meaning: str) -> Key:
    """Return a key whose values are true and false."""
    return Key(bool, "true or false", lambda v: True, meaning)


def _or_null(allowed: str, nullable: bool) -> str:
    return f"{allowed}, or null" if nullable else allowed
