"""The keywords that every figure function takes: width, title, palette and legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from bpexp.errors import one_of, out_of_range

LEGENDS = ("right", "above", "inside")
NARROW = 5.0  # inches: up to this width the legend is above by default


class Look(TypedDict, total=False):
    """Keywords of every figure function.

    Attributes:
        width: width of the figure, in inches. By default it follows from the panels.
        title: False leaves the title out, and text replaces it. The note about panels that are not
            drawn is kept.
        palette: the colours of the levels: a mapping, a sequence in the order of the levels, or the
            name of a seaborn palette. For a map of numbers the name of a colour map.
        legend: "right" of the panels, "above" them, "inside" (in a free place of the grid, or else
            in the last panel), or False for none. The default is "above" if width is given and at
            most 5 inches, else "right".
    """

    width: float
    title: bool | str
    palette: Mapping[Any, Any] | Sequence[Any] | str
    legend: Literal["right", "above", "inside", False]


def check_look(keywords: Mapping[str, Any], others: Sequence[str]) -> None:
    """Check the keywords of a figure function.

    Args:
        keywords: the given keywords.
        others: the function's own parameters.

    Raises:
        TypeError: there is no such keyword.
        ValueError: the width is out of range, or the legend has no such place.
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
    """Return the place of the legend."""
    width = look.get("width")
    return look.get("legend", "above" if width is not None and width <= NARROW else "right")
