"""The places of panels: in rows and columns of crossed factors, or in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

WIDEST = 12.0  # largest width of a figure in inches, unless it has a given width
HIGHEST = 16.2  # largest height
LEAST = 0.45  # least scale of panels
FULL = 0.6  # least share of the places of rows and columns that are panels
FLATTEST = 0.6  # least scale of a panel's height when its width is reduced


@dataclass(frozen=True)
class Arrangement:
    """A grid of panels.

    Attributes:
        places: row and column of each panel.
        titles: the title of each panel, of those factors that differ.
        heads: the titles of the columns; empty if panels are in reading order.
        sides: the titles of the rows.
        panel: width and height of a panel with the labels of its ticks, in inches.
        size: width and height of the figure, in inches.
    """

    places: list[tuple[int, int]]
    titles: list[str]
    heads: list[str]
    sides: list[str]
    panel: tuple[float, float]
    size: tuple[float, float]

    @property
    def crossed(self) -> bool:
        """Whether columns and rows have titles."""
        return bool(self.heads)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return 1 + max(row for row, _ in self.places)

    @property
    def columns(self) -> int:
        """The number of columns."""
        return 1 + max(column for _, column in self.places)


def arrange(
    keys: Sequence[tuple[str, ...]],
    size: tuple[float, float],
    columns: int,
    width: float | None,
    margin: tuple[float, float],
    least: float = LEAST,
) -> Arrangement:
    """Return the places and sizes of panels.

    Args:
        keys: the title of each panel in each factor, in order.
        size: the largest width and height of a panel, in inches.
        columns: the largest number of panels in a row, in reading order.
        width: width of the figure, in inches; if None it follows from the panels.
        margin: inches beside and above the panels.
        least: the least scale of panels with which factors are rows and columns.
    """
    room = (width or WIDEST) - margin[0], HIGHEST - margin[1]
    keys = _varying(keys)
    can_cross = len(keys) > 1 and len(keys[0]) > 1
    crossings = [_cross(keys, turned) for turned in (False, True)] if can_cross else []
    fitting = [
        (min(1.0, room[0] / size[0] / len(heads), room[1] / size[1] / len(sides)), i)
        for i, (heads, sides, _) in enumerate(crossings)
        if len(keys) >= FULL * len(heads) * len(sides)
    ]
    # The first factor is that of the columns, unless panels are 1.25 times larger otherwise.
    scale, best = max(
        fitting, key=lambda fit: fit[0] * (1.25 if fit[1] == 0 else 1), default=(0, 0)
    )
    if scale >= least:
        heads, sides, places = crossings[best]
    else:
        heads, sides, places = [], [], _in_reading_order(len(keys), size, columns, room)
    across, down = (1 + max(place[axis] for place in places) for axis in (1, 0))
    wide = room[0] / across if width else min(size[0], room[0] / across)
    flat = size[1] * min(1.0, max(wide / size[0], FLATTEST))
    panel = wide, min(flat, room[1] / down)
    whole = width or panel[0] * across + margin[0]
    titles = [", ".join(key) for key in keys]
    return Arrangement(places, titles, heads, sides, panel, (whole, panel[1] * down + margin[1]))


def _varying(keys: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the titles of those factors that differ between panels."""
    differs = [len({*levels}) > 1 for levels in zip(*keys, strict=True)]
    return [tuple(compress(key, differs)) for key in keys] if any(differs) else [*keys]


def _cross(
    keys: Sequence[tuple[str, ...]], turned: bool
) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """Return titles of columns and rows, and the places; columns are levels of the first factor."""
    pairs = [(key[0], ", ".join(key[1:])) for key in keys]
    pairs = [(second, first) for first, second in pairs] if turned else pairs
    heads, sides = ([*dict.fromkeys(pair[axis] for pair in pairs)] for axis in (0, 1))
    return heads, sides, [(sides.index(side), heads.index(head)) for head, side in pairs]


def _in_reading_order(
    n: int, size: tuple[float, float], columns: int, room: tuple[float, float]
) -> list[tuple[int, int]]:
    """Return places in rows of equal length; rows are longer if there would be too many."""
    columns = max(1, min(columns, int(room[0] / (LEAST * size[0]))))
    while -(-n // columns) * FLATTEST * size[1] > room[1] and columns < n:
        columns += 1
    across = -(-n // -(-n // columns))
    return [divmod(i, across) for i in range(n)]
