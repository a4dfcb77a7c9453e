"""Learning curves: loss and score against epoch."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.analysis.averages import Mean
from bpexp.analysis.scores import with_score
from bpexp.figures.parts import style
from bpexp.figures.parts.factors import (
    compared_factor,
    levels,
    numeric_settings,
    panel_factors,
    split,
    varies,
)
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.panels import MARGIN, Panels, fit, fold
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.scores import limit_scores, score_name, score_of
from bpexp.figures.parts.ticks import integer_ticks, plain_ticks
from bpexp.figures.scores import runs_by_setting

ENTROPIES = {"cross_entropy", "binary_cross_entropy"}
MOST_PAIRS = 24


@style.styled
def learning_curves(curves: pd.DataFrame, *, split: Literal["test", "train"] = "test") -> Figure:
    """Draw the loss above the score against epoch, a pair of panels for each depth.

    A line for each activation; for each initialization if only that varies; or for each value of a
    numeric setting if only that varies. Other settings that vary divide panels further. x: epochs
    done. y: mean cost of an example (nats if the cost is a cross-entropy), log scale; and the
    task's primary metric, as in `score_by_depth`. Lines: mean over seeds, geometric for the loss
    and arithmetic for the score; of two to five seeds each is drawn too, of more the mean's 95 %
    interval. A line ends where the first of its runs diverges or stops. Crosses at the lower edge:
    losses of exactly 0. Of more than 24 pairs the first are drawn; the title says so.

    Args:
        curves: columns run, activation, init, depth, seed, cost, epoch, loss/test and accuracy/test
            (or loss/train and accuracy/train), or the primary metric of another task.
        split: the split on which both were measured.
    """
    curves = with_score(curves, split)
    factor, palette, shapes = _lines(curves)
    panels, pairs = _make_pairs(curves, ["depth", *panel_factors(curves, [factor, "depth"])])
    loss, score = Quantity(f"loss/{split}", Mean.GEOMETRIC, log=True), score_of(curves, split)
    name = score_name(curves, split)
    every = max(1, curves["epoch"].nunique() // 5)
    look: dict[str, Any] = {"markers": shapes or None, "markersize": 5, "markevery": every}
    for half, y in enumerate((loss, score)):
        parts = [(pair[half], rows) for pair, (_, rows) in zip(pairs, panels.parts, strict=True)]
        draw_lines(parts, "epoch", y, factor, palette, least=5, **look)
    for above, below in pairs:
        plain_ticks(above.yaxis)
        limit_scores(below, curves, split)
        integer_ticks(below.xaxis, most=5)
    for above, below in pairs[:: _across(len(pairs))]:
        above.set_ylabel(f"{split} loss{_unit(curves)}")
        below.set_ylabel(f"{split} {name}")
    shown = {level: palette[level] for level in levels(curves, factor)}
    notes = line_notes(curves, loss, mean="mean (loss:\ngeometric mean)")
    legend(panels.figure, factor, shown, shapes, notes=notes)
    panels.label(f"Loss and {name} on the {split} split through training", x="epoch")
    return panels.figure


def _lines(curves: pd.DataFrame) -> tuple[str, style.Palette, style.Palette]:
    """Return the factor whose levels are lines, with the colour and the marker of each level."""
    factor = compared_factor(curves)
    if not varies(curves, factor) and len(runs_by_setting(curves)):
        setting = numeric_settings(curves)[0]
        return setting, style.shades(levels(curves, setting)), {}
    return factor, style.colours(curves, factor), style.markers(curves, factor)


def _make_pairs(curves: pd.DataFrame, factors: list[str]) -> tuple[Panels, list[tuple[Axes, Axes]]]:
    """Divide curves by factors into pairs of panels, one above the other, with shared axes."""
    parts, note = fit(split(curves, factors), MOST_PAIRS)
    across = _across(len(parts))
    blocks = -(-len(parts) // across)
    width = 2.3 if len(parts) > 1 else 4.2
    size = (width * across + MARGIN[0], 3.6 * blocks + MARGIN[1])
    figure = Figure(figsize=size, layout="constrained")
    pairs: list[tuple[Axes, Axes]] = []
    for i, (title, _) in enumerate(parts):
        row, column = divmod(i, across)
        pair: list[Axes] = []
        for half in (0, 1):
            place = (2 * row + half) * across + column + 1
            sharey = pairs[0][half] if pairs else None
            sharex = pairs[0][0] if pairs else (pair[0] if pair else None)
            grid = (2 * blocks, across, place)
            pair.append(figure.add_subplot(*grid, sharex=sharex, sharey=sharey))
        for half, panel in enumerate(pair):
            lowest = half == 1 and i >= len(parts) - across
            panel.tick_params(which="both", labelbottom=lowest, labelleft=column == 0)
        pair[0].set_title(fold(title, 32))
        pairs.append((pair[0], pair[1]))
    upper = [(pair[0], rows) for pair, (_, rows) in zip(pairs, parts, strict=True)]
    return Panels(figure, upper, note), pairs


def _across(n: int) -> int:
    """Return how many of n pairs stand side by side: at most six, in rows of equal length."""
    return -(-n // -(-n // 6))


def _unit(curves: pd.DataFrame) -> str:
    entropies = "cost" in curves and curves["cost"].isin(ENTROPIES).all()
    return " (nats)" if entropies else ""
