"""A choice: a name in a table of factories, and parameters of the factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

Value = bool | int | float | str | None
T = TypeVar("T")
SOURCE = "source"
"""The parameter of a registered row that holds the digest of its source (`bpexp.register`)."""


@dataclass(frozen=True)
class Choice:
    """The name of a row of a table, and the parameters that differ from the row's defaults.

    >>> Choice("leaky", {"negative_slope": 0.2})
    Choice('leaky', {'negative_slope': 0.2})
    >>> str(Choice("leaky", {"negative_slope": 0.2}))
    'leaky(negative_slope=0.2)'

    Attributes:
        name: the row's name.
        parameters: keyword arguments of the row's factory.
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the expression that makes this choice."""
        given = f", {dict(self.parameters)!r}" if self.parameters else ""
        return f"Choice({self.name!r}{given})"

    def __str__(self) -> str:
        """Return the name, with the parameters in brackets if there are any."""
        given = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name

    def __hash__(self) -> int:
        """Return a hash of name and parameters, equal for equal choices."""
        return hash((self.name, tuple(sorted(self.parameters.items()))))

    def build(self, table: Mapping[str, Callable[..., T]]) -> T:
        """Call the factory of this name.

        Args:
            table: factories by name.

        Returns:
            The factory's result for the parameters.

        Raises:
            ValueError: the name is not in the table, or a parameter is out of its range.
            TypeError: the factory has no such parameter.
        """
        if self.name not in table:
            raise ValueError(f"{self.name!r} is not one of {', '.join(sorted(table))}")
        return table[self.name](**self.parameters)


NONE = Choice("none")


def as_choice(choice: object, key: str, table: Mapping[str, Callable[..., object]]) -> Choice:
    """Return the choice of a name with its default parameters; return a choice unchanged.

    Args:
        choice: a name or a Choice.
        key: the name of the argument, for messages.
        table: factories by name.

    Raises:
        ValueError: `choice` is neither, its name is not in the table, its factory has no such
            parameter, or a parameter is of another type or out of its range.
    """
    chosen = Choice(choice) if isinstance(choice, str) else choice
    if not isinstance(chosen, Choice):
        raise ValueError(f"{key}: {choice!r} is not a name or a bpexp.Choice")
    if chosen.name not in table:
        nearest = get_close_matches(str(chosen.name).lower(), table, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        allowed = ", ".join(sorted(table))
        raise ValueError(f"{key}: {chosen.name!r} is not one of {allowed}{hint}")
    try:
        chosen.build(table)
    except TypeError as error:
        raise ValueError(f"{key}: {chosen}: {error}") from None
    return chosen


def require(name: str, value: object, allowed: str, holds: bool) -> None:
    """Raise ValueError unless a parameter is in its range.

    Args:
        name: the parameter's name.
        value: the value that was received.
        allowed: the allowed values, in words.
        holds: whether the value is allowed.

    Raises:
        ValueError: `holds` is false.
    """
    if not holds:
        raise ValueError(f"{name}: {value!r} is not {allowed}")
