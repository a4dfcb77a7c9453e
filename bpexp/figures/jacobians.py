"""Singular values of the input-output Jacobian: the spectrum, and its moments against depth."""

from __future__ import annotations

import math
from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.averages import Mean
from bpexp.figures.parts import style
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor, levels, panel_factors
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import ends_of_training, once_a_draw, without_noise
from bpexp.figures.parts.ticks import integer_ticks

VALUE = Quantity("singular_value", Mean.GEOMETRIC, log=True)
MOMENT = Quantity("value", log=True, within=(0.0, math.inf))  # theory's mean
MEAN_SQUARE = "start/jacobian_mean_square"


@styled
def jacobian_spectrum(spectra: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the Jacobian's singular values by rank, before and after training.

    x: share of the singular values that are as large or larger. y, log scale: singular value of
    dz^(L-1)/dz^(1). Lines: geometric mean over seeds of each network's geometric mean over its
    examples; two to five seeds are also drawn one by one, for more seeds the 95 % interval of the
    mean. A flat line at 1 is dynamical isometry. A line for each activation, or initialization if
    only that varies; a panel for each depth and other setting that varies. Values below 1e-15 of
    the largest are rounding errors: a line ends at the first of them.

    Args:
        spectra: columns run, activation, init, depth, seed, step, example, rank, singular_value.
        look: see `Look`.
    """
    rows = without_noise(ends_of_training(spectra), "singular_value", ["example"])
    factor = compared_factor(rows)
    palette = style.colours(rows, factor, look)
    factors = ["depth", *panel_factors(rows, [factor, "depth"]), "when"]
    panels = make_panels(rows, factors, look, size=(2.6, 2.2))
    draw_lines(panels.parts, "share", VALUE, factor, palette, marker="")
    for panel, _ in panels.parts:
        panel.axhline(1, **style.ZERO_LINE)
    panels.label(
        "Singular values of the input-output Jacobian",
        x="share of singular values as large or larger",
        y=r"singular value of $\partial z^{(L-1)}/\partial z^{(1)}$",
    )
    notes = line_notes(rows, VALUE, factor)
    legend(panels, axis_label(factor), palette, dict.fromkeys(palette, ""), notes=notes)
    return panels.figure


def moments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the moments of the Jacobian before training as a tidy frame.

    Args:
        runs: columns start/jacobian_mean_square, start/jacobian_relative_variance, the same with
            theory/ instead of start/, and the configuration. A frame that already has the column
            moment is returned unchanged.

    Returns:
        A row for each draw, moment and source: the columns of a run, moment ("mean_square" or
        "relative_variance"), value (measured: over a few examples of one network; theory: expected
        in the limit of infinite width) and source. No rows if none was measured.
    """
    if "moment" in runs:
        return runs
    if MEAN_SQUARE not in runs or runs[MEAN_SQUARE].isna().all():
        return runs.head(0)
    prefixes = {"measured": "start/jacobian", "theory": "theory/jacobian"}
    parts = [
        runs.assign(moment=moment, value=runs[f"{prefix}_{moment}"], source=source)
        for source, prefix in prefixes.items()
        for moment in ("mean_square", "relative_variance")
        if f"{prefix}_{moment}" in runs
    ]
    return once_a_draw(pd.concat(parts, ignore_index=True), ["moment", "source"])


@styled
def jacobian_moments(runs: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw mean and relative variance of the squared singular values before training.

    x: hidden layers. y, log scale: the mean of s^2, which is 1 if signals keep their length on
    average; and var s^2 / (mean s^2)^2, which is 0 if all signals do (dynamical isometry). Lines:
    arithmetic mean over seeds of the values of single networks, since theory is an expectation; two
    to five seeds are also drawn one by one, for more seeds the 95 % interval of the mean. Thin
    dashed lines: mean field's expectation in the limit of width (Pennington et al. 2017). A line
    for each activation, or initialization if only that varies; other settings divide panels.

    Args:
        runs: the table `runs` of `bpexp.load_tables`, or the result of `moments`.
        look: see `Look`.
    """
    tidy = moments(runs)
    factor = compared_factor(tidy)
    rows = tidy[tidy["value"].notna()]
    palette, shapes = style.colours(tidy, factor, look), style.markers(tidy, factor)
    factors = ["moment", *panel_factors(rows, [factor, "depth"])]
    panels = make_panels(rows, factors, look, size=(3.2, 2.6), columns=2, sharey=False)
    for panel, part in panels.parts:
        draw_lines([(panel, part)], "depth", MOMENT, factor, palette, markers=shapes)
        panel.set_title(panel.get_title().replace("_", " "))
        integer_ticks(panel.xaxis, levels(rows, "depth"))
    title = "Squared singular values of the Jacobian before training"
    panels.label(title, x=axis_label("depth"))
    legend(panels, axis_label(factor), palette, shapes, notes=line_notes(rows, MOMENT, factor))
    return panels.figure
