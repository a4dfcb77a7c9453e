"""The keywords that every figure function takes: width, title, palette and legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from bpexp.errors import one_of, out_of_range

LEGENDS = ("right", "above", "inside")
NARROW = 5.0  # inches: up to this width the legend is above by default


class Look(TypedDict, total=False):
    """How a figure is drawn; every figure function takes these keywords.

    Attributes:
        width: of the figure, in inches. By default it follows from the panels.
        title: False leaves the title out, text replaces it. The note that says which panels are not
            drawn stays.
        palette: the colours of the levels: a mapping, a sequence in the order of the levels, or a
            name that seaborn knows. In a map of numbers the name of a colour map.
        legend: "right" of the panels, "above" them, "inside" (in a free place of the grid, or else
            in the last panel), or False for none. By default it is above in figures of given width
            up to 5 inches, and right in others.
    """

    width: float
    title: bool | str
    palette: Mapping[Any, Any] | Sequence[Any] | str
    legend: Literal["right", "above", "inside", False]


def check_look(keywords: Mapping[str, Any], others: Sequence[str]) -> None:
    """Refuse keywords that a figure function does not take.

    Args:
        keywords: as they were given.
        others: the function's own parameters.

    Raises:
        TypeError: there is no such keyword.
        ValueError: a width that is not positive, or an unknown place of the legend.
    """
    allowed = [*Look.__annotations__, *others]
    for name in keywords:
        if name not in allowed:
            raise TypeError(one_of("keyword", name, allowed))
    width, place = keywords.get("width", 1.0), keywords.get("legend", False)
    if not 0 < width <= 100:
        raise ValueError(out_of_range("width", width, "a number of inches from 0 to 100"))
    if place is not False and place not in LEGENDS:
        raise ValueError(one_of("legend", place, (*LEGENDS, "False")))


def place_of_legend(look: Look) -> Literal["right", "above", "inside", False]:
    """Return where the legend is."""
    width = look.get("width")
    return look.get("legend", "above" if width is not None and width <= NARROW else "right")
