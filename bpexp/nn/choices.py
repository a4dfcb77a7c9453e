"""A choice: a name in a table of factories, and the parameters given to that factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Value = bool | int | float | str | None
T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """A row of a table by its name, with the parameters that differ from the row's defaults.

    >>> Choice("leaky", {"negative_slope": 0.2}).name
    'leaky'
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __hash__(self) -> int:
        """Hash by value, as dataclasses do for fields that are hashable."""
        return hash((self.name, tuple(sorted(self.parameters.items()))))

    def build(self, table: Mapping[str, Callable[..., T]]) -> T:
        """Call the factory of this name.

        Raises:
            ValueError: the name is not in the table, or a parameter is out of its range.
            TypeError: the factory has no such parameter.
        """
        if self.name not in table:
            raise ValueError(f"{self.name!r} is not one of {', '.join(sorted(table))}")
        return table[self.name](**self.parameters)


def as_choice(choice: str | Choice) -> Choice:
    """A bare name stands for the row with its default parameters."""
    return Choice(choice) if isinstance(choice, str) else choice


def require(name: str, value: object, allowed: str, holds: bool) -> None:
    """Refuse a parameter out of its range.

    Raises:
        ValueError: `holds` is false.
    """
    if not holds:
        raise ValueError(f"{name}: {value!r} is not {allowed}")
