"""Learning curves: loss and score against epoch."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.averages import Mean
from bpexp.analysis.scores import with_score
from bpexp.figures.parts import style
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import (
    axis_label,
    compared_factor,
    levels,
    numeric_settings,
    panel_factors,
    varies,
)
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.scores import limit_scores, score_name, score_of
from bpexp.figures.parts.ticks import integer_ticks
from bpexp.figures.scores import runs_by_setting

ENTROPIES = {"cross_entropy", "binary_cross_entropy"}
MOST_PAIRS = 24


@styled
def learning_curves(
    curves: pd.DataFrame, *, split: Literal["test", "train"] = "test", **look: Unpack[Look]
) -> Figure:
    """Draw the loss above the score against epoch, a pair of panels for each depth.

    A line for each activation; for each initialization if only that varies; or for each value of a
    numeric setting if only that varies. Other settings that vary divide panels further. x: epochs
    done. y: mean cost of an example (nats if the cost is a cross-entropy), log scale; and the
    task's primary metric, as in `score_by_depth`. Lines: mean over seeds, geometric for the loss
    and arithmetic for the score; two to five seeds are also drawn one by one, for more seeds the
    95 % interval of the mean. A line ends where the first of its runs diverges or stops. Crosses at
    the lower edge: losses of exactly 0. Of more than 24 pairs only the first are drawn, with a note
    in the title.

    Args:
        curves: columns run, activation, init, depth, seed, cost, epoch, loss/test and accuracy/test
            (or loss/train and accuracy/train), or the primary metric of another task.
        split: the split on which both were measured.
        look: see `Look`.
    """
    curves = with_score(curves, split)
    factor, palette, shapes = _lines(curves, look)
    factors = ["depth", *panel_factors(curves, [factor, "depth"])]
    size, alone = (2.1, 3.2), (4.0, 4.4)
    panels = make_panels(
        curves, factors, look, size=size, alone=alone, columns=4, most=MOST_PAIRS, stack=2
    )
    loss, score = Quantity(f"loss/{split}", Mean.GEOMETRIC, log=True), score_of(curves, split)
    name = score_name(curves, split)
    every = max(1, curves["epoch"].nunique() // 5)
    lines: dict[str, Any] = {"markers": shapes or None, "markersize": 5, "markevery": every}
    for half, y in enumerate((loss, score)):
        axes = [stack[half] for stack in panels.stacks]
        parts = [*zip(axes, panels.rows, strict=True)]
        draw_lines(parts, "epoch", y, factor, palette, least=5, **lines)
    for above, below in panels.stacks:
        limit_scores(below, curves, split)
        integer_ticks(below.xaxis, most=5)
        if above.yaxis.get_tick_params()["labelleft"]:
            above.set_ylabel(f"{split} loss{_unit(curves)}")
            below.set_ylabel(f"{split} {name}")
    notes = line_notes(curves, loss, factor, mean="mean (loss:\ngeometric mean)")
    legend(panels, axis_label(factor), palette, shapes, notes=notes)
    panels.label(f"Loss and {name} on the {split} split through training", x="epoch")
    return panels.figure


def _lines(curves: pd.DataFrame, look: Look) -> tuple[str, style.Palette, style.Palette]:
    """Return the factor whose levels are lines, with the colour and the marker of each level."""
    factor = compared_factor(curves)
    if not varies(curves, factor) and len(runs_by_setting(curves)):
        setting = numeric_settings(curves)[0]
        return setting, style.shades(levels(curves, setting), look), {}
    return factor, style.colours(curves, factor, look), style.markers(curves, factor)


def _unit(curves: pd.DataFrame) -> str:
    entropies = "cost" in curves and curves["cost"].isin(ENTROPIES).all()
    return " (nats)" if entropies else ""
