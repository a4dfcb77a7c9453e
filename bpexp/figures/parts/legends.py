"""Legends: the levels of a factor, and notes on other marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bpexp.figures.parts import style
from bpexp.figures.parts.factors import shown
from bpexp.figures.parts.look import place_of_legend
from bpexp.figures.parts.panels import Panels


def legend(
    panels: Panels,
    title: str,
    palette: style.Palette,
    markers: Mapping[Any, str] | None = None,
    *,
    notes: Sequence[Artist] = (),
) -> None:
    """Add a legend of the levels and the notes, at the place that the figure's look states.

    Args:
        panels: the figure.
        title: the factor's name.
        palette: the colour of each level. If there are more than eight numbers, about six are
            shown.
        markers: the marker of each level; a circle by default.
        notes: further entries, such as `note_theory()`.
    """
    entries: list[Artist] = []
    for level in _thinned(list(palette)):
        marker = (markers or {}).get(level, "o")
        line = Line2D([], [], color=palette[level], marker=marker, markersize=5)
        line.set_label(shown(level))
        entries.append(line)
    handles = [*entries, *notes]
    place = place_of_legend(panels.look)
    if not handles or not place:
        return
    content: dict[str, Any] = {"handles": handles, "title": title, "alignment": "left"}
    if place == "right":
        panels.figure.legend(loc="outside right center", **content)
    elif place == "above":
        n = _columns(handles, panels.figure.get_size_inches()[0])
        panels.figure.legend(loc="outside upper center", ncols=n, **content).set_gid("above")
    elif panels.spare:
        free = panels.figure.add_subplot(panels.spare[0])
        free.set_axis_off()
        free.legend(loc="center", **content)
    else:
        inside = {"frameon": True, "framealpha": 0.8, "edgecolor": "none", "fontsize": 7}
        panels.stacks[-1][-1].legend(loc="best", **content, **inside)


def _columns(handles: Sequence[Artist], width: float) -> int:
    """Return the number of columns of entries that fit into a width, in inches."""
    letters = max(len(line) for one in handles for line in str(one.get_label()).split("\n"))
    return max(1, min(len(handles), int((width - 0.1) / (0.06 * letters + 0.5))))


def _thinned(values: list[Any]) -> list[Any]:
    """Return about six of more than eight numbers, including both ends; else all values."""
    if len(values) <= 8 or not all(pd.api.types.is_number(value) for value in values):
        return values
    every = -(-len(values) // 6)
    return [*values[:-1:every], *values[-1:]]


def note_theory() -> Artist:
    """Return the entry of theory's lines."""
    return Line2D([], [], color=style.NEUTRAL, label="theory", **style.THEORY)


def note_simulated() -> Artist:
    """Return the entry of the hatched areas."""
    hatching = {**style.SIMULATED, "edgecolor": style.NEUTRAL}
    return Patch(label="simulated: 90 %\nof single networks", **hatching)


def note_zeros() -> Artist:
    """Return the entry of the crosses at the lower edge."""
    crosses: dict[str, Any] = {"linestyle": "", "marker": "x", "markersize": 5}
    return Line2D([], [], color=style.NEUTRAL, label="exactly 0", **crosses)


def note_guess() -> Artist:
    """Return the entry of the dotted line."""
    return Line2D([], [], label="best constant\nguess", **style.GUESS)


def note_mean(name: str, seeds: int) -> Artist:
    """Return the entry of the lines: the name of the mean and the number of seeds.

    Args:
        name: name of the mean.
        seeds: the number of seeds; a line of one seed is one network.
    """
    label = f"{name}\nof {seeds} seeds" if seeds > 1 else "one network"
    return Line2D([], [], color=style.NEUTRAL, label=label, **style.MEASURED)


def over_seeds(seeds: int) -> str:
    """Return the note in labels of arithmetic means over seeds."""
    return f"mean of {seeds} seeds" if seeds > 1 else "one network"


def note_seeds() -> Artist:
    """Return the entry of the dots and thin lines."""
    dots: dict[str, Any] = {"linestyle": "-", "linewidth": 0.6, "marker": ".", "alpha": 0.6}
    return Line2D([], [], color=style.NEUTRAL, label="single seeds", **dots)


def note_interval() -> Artist:
    """Return the entry of the bands."""
    return Patch(facecolor=style.NEUTRAL, alpha=0.2, label="95 % interval\nof the mean")


def note_colour(colour: Any, label: str) -> Artist:
    """Return the entry of an area's colour."""
    return Patch(facecolor=colour, edgecolor="0.6", linewidth=0.5, label=label)
