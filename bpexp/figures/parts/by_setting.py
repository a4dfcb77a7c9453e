"""Figures of one number against one numeric setting: a line for each activation or init."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist

from bpexp.figures.parts import style
from bpexp.figures.parts.factors import axis_label, compared_factor, levels, panel_factors
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import Panels, make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.ticks import setting_ticks


def draw_by_setting(
    rows: pd.DataFrame,
    x: str,
    y: Quantity,
    look: Look,
    *,
    factor: str | None = None,
    notes: Sequence[Artist] = (),
) -> Panels:
    """Draw y against x as `draw_lines` does: a line for each level of a factor.

    Other settings that vary divide the rows into panels.

    Args:
        rows: columns run, activation, init, depth, seed, x, y, and if known source.
        x: a numeric setting, such as depth.
        y: the ordinate.
        look: the keywords of the figure.
        factor: the factor of the lines; by default the activation, or the init if only that varies.
        notes: further entries of the legend.
    """
    hue = factor or compared_factor(rows)
    palette, shapes = style.colours(rows, hue, look), style.markers(rows, hue)
    factors = panel_factors(rows, [hue, x])
    panels = make_panels(rows, factors, look, size=(2.7, 2.4), alone=(4.0, 3.0))
    draw_lines(panels.parts, x, y, hue, palette, markers=shapes)
    for panel, _ in panels.parts:
        setting_ticks(panel.xaxis, levels(rows, x))
    legend(panels, axis_label(hue), palette, shapes, notes=[*line_notes(rows, y, hue), *notes])
    return panels
