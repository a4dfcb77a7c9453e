"""Lines through tidy rows: means over seeds, the seeds or an interval, theory, exact zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from bpexp.analysis.averages import FEW, averages, per_draw
from bpexp.figures.parts import legends, style
from bpexp.figures.parts.factors import levels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.side_by_side import separate
from bpexp.figures.parts.ticks import log_ticks

MOST_DOTS = 12  # points of a line up to which seeds are dots; with more points they are thin lines
MOST_BANDS, MOST_INTERVALS = 3, 8  # lines of a panel: more bands, or intervals, hide each other
MOST_BARS = 40  # of a panel: more stand too close
ASIDE = 3.0  # points between the interval bars of neighbouring lines


def draw_lines(
    parts: Sequence[tuple[Axes, pd.DataFrame]],
    x: str,
    y: Quantity,
    hue: str,
    palette: style.Palette,
    *,
    markers: Mapping[Any, str] | None = None,
    least: float = 100.0,
    **kwargs: Any,
) -> None:
    """Draw y against x, a line for each level of hue, in panels that share their axes.

    With `markers`, lines that coincide are drawn side by side; see `separate`. A line is a mean
    over seeds, as `bpexp.analysis.averages` computes it: it ends, or has a gap, where a seed has no
    finite value. Two to five seeds are also drawn one by one, as dots or thin lines. For more seeds
    a band shows the 95 % interval of the mean, and in gaps of the mean the seeds that have a value
    are dots. More than three lines of a few points have bars in place of bands, and are drawn
    slightly aside of each other; of more points the bands are pale. More than eight lines have no
    intervals. A line of one seed is one network.

    On a log axis an exact zero has no place. It is a cross in a grey strip at the lower edge; each
    line has a row of crosses. Rows whose `source` is "theory" are thin dashed lines in the same
    colours. If they have columns y_lower and y_upper, quantiles over simulated draws, the area
    between these is hatched.

    Args:
        parts: each panel with its rows: columns x, y, hue, and if known seed, source, y_lower and
            y_upper.
        x: column of the abscissa.
        y: the ordinate.
        hue: column whose levels are lines.
        palette: the colour of each level.
        markers: the marker of each level; circles if None.
        least: the least ratio of the limits of a log axis, so that small variations do not fill
            the panel.
        kwargs: style of the measured lines, as `Line2D` takes it.
    """
    numbered = [rows.assign(panel=i) for i, (_, rows) in enumerate(parts)]
    rows = pd.concat(numbered) if len(numbered) > 1 else numbered[0]
    values = rows[y.name].where(rows[y.name] > 0) if y.log else rows[y.name]
    drawable, theory = rows.assign(**{y.name: values}), is_theory(rows)
    by = ["panel", hue, x]
    means = averages(drawable[~theory], by, y.name, mean=y.mean, within=y.within)
    if not has_intervals(rows, hue):
        means = means.assign(lower=np.nan, upper=np.nan)
    single = per_draw(drawable[~theory], by, y.name, mean=y.mean)
    drawn: list[tuple[Axes, list[Line2D]]] = []
    for i, (panel, _) in enumerate(parts):
        panel.set_yscale("log" if y.log else "linear")
        own, seeds, predicted = (
            frame[frame["panel"] == i] for frame in (means, single, drawable[theory])
        )
        lines = _draw_means(panel, own, seeds, x, y.name, hue, palette, markers, kwargs)
        drawn.append((panel, lines))
        _draw_theory(panel, predicted, x, y.name, hue, palette)
    for panel, lines in drawn if markers is not None else ():
        separate(panel, lines)
    if y.log:
        zeros = [(panel, rows[rows[y.name] == 0]) for panel, rows in parts]
        n = max((rows[hue].nunique() for _, rows in zeros), default=0)
        if all(panel.dataLim.minposy == np.inf for panel, _ in parts):
            parts[0][0].set_autoscaley_on(False)  # autoscaling warns if no number is positive
            parts[0][0].set_ylim(0.1, 10.0)
        _make_room(parts[0][0], n * _height(n), least)
        for panel, rows in zeros:
            _mark_zeros(panel, rows, x, hue, palette, n)


def is_theory(rows: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are predictions."""
    return rows.get("source", pd.Series("measured", rows.index)) == "theory"


def n_seeds(rows: pd.DataFrame) -> int:
    """Return the number of seeds of the measured rows; 1 if there is no column of seeds."""
    return int(rows.loc[~is_theory(rows), "seed"].nunique()) if "seed" in rows else 1


def has_intervals(rows: pd.DataFrame, hue: str) -> bool:
    """Return whether `draw_lines` draws intervals if there are enough seeds."""
    return int(rows[hue].nunique()) <= MOST_INTERVALS


def line_notes(
    rows: pd.DataFrame, y: Quantity, hue: str, *, mean: str | None = None
) -> list[Artist]:
    """Return the notes of the legend on the marks that `draw_lines` draws from rows.

    Args:
        rows: the rows of all panels.
        y: the ordinate.
        hue: the column whose levels are lines.
        mean: replaces the name of y's mean, for two ordinates with different means.
    """
    seeds = n_seeds(rows)
    found = [legends.note_mean(mean or y.mean.value, seeds)]
    if 1 < seeds <= FEW:
        found.append(legends.note_seeds())
    if seeds > FEW and has_intervals(rows, hue):
        found.append(legends.note_interval())
    if is_theory(rows).any():
        found.append(legends.note_theory())
        if has_simulated(rows, y.name):
            found.append(legends.note_simulated())
    if y.log and (rows[y.name] == 0).any():
        found.append(legends.note_zeros())
    return found


def _draw_means(
    panel: Axes,
    means: pd.DataFrame,
    single: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    palette: style.Palette,
    markers: Mapping[Any, str] | None,
    kwargs: dict[str, Any],
) -> list[Line2D]:
    """Draw a panel's means with their bands or seeds, and return their lines."""
    found, dots, order = list[Line2D](), list[pd.DataFrame](), levels(means, hue)
    many = len(order) > MOST_BANDS
    has_bars = many and len(order) * means[x].nunique() <= MOST_BARS
    for place, level in enumerate(order):
        line = means[means[hue] == level]
        if not line["n"].any():
            continue
        marks = {"marker": (markers or {}).get(level, "o"), **style.MEASURED, **kwargs}
        whole = line.loc[line[y].first_valid_index() : line[y].last_valid_index()]
        own = (
            panel.plot(whole[x], whole[y], color=palette[level], **marks)
            if whole[y].notna().any()
            else []
        )
        found += own
        if line["lower"].notna().any():
            ends = line["lower"], line["upper"]
            if has_bars:
                points = ASIDE * (place - (len(order) - 1) / 2)
                aside = ScaledTranslation(points / 72, 0, panel.figure.dpi_scale_trans)
                bars = panel.vlines(line[x], *ends, color=palette[level], **style.BARS)
                for artist in (bars, *own):
                    artist.set_transform(panel.transData + aside)
            else:
                band = style.PALE_BAND if many else style.BAND
                panel.fill_between(line[x], *ends, color=palette[level], **band)
        seeds = single[single[hue] == level].rename(columns={x: "x", y: "y"})
        gaps = set(line.loc[line[y].isna(), x])
        dots.append(_draw_seeds(panel, seeds, gaps, palette[level]).assign(colour=place))
    _draw_dots(panel, dots, [palette[level] for level in order])
    return found


def _draw_seeds(panel: Axes, seeds: pd.DataFrame, gaps: set[float], colour: Any) -> pd.DataFrame:
    """Draw thin lines for a few seeds with many points, else return the points to draw as dots.

    Dots are all points of a few seeds; for more seeds only the points in gaps of the mean.
    """
    n = seeds["seed"].nunique()
    if 1 < n <= FEW and seeds["x"].nunique() > MOST_DOTS:
        ordered = seeds.sort_values("x").groupby("seed")
        paths = [own[["x", "y"]].to_numpy(float) for _, own in ordered]
        panel.add_collection(LineCollection(paths, colors=[colour], **style.SEED_LINES))
        return seeds.head(0)
    shown = seeds if 1 < n <= FEW else seeds[seeds["x"].isin(gaps) & (n > 1)]
    return shown.dropna(subset=["x", "y"])


def _draw_dots(panel: Axes, dots: Sequence[pd.DataFrame], colours: Sequence[Any]) -> None:
    """Draw the dots of all lines of a panel; their column `colour` is an index of the colours."""
    shown = pd.concat(dots) if dots else pd.DataFrame()
    if len(shown):
        own = [colours[place] for place in shown["colour"]]
        panel.scatter(shown["x"], shown["y"], c=own, **style.SEED_DOTS)


def _draw_theory(
    panel: Axes, rows: pd.DataFrame, x: str, y: str, hue: str, palette: style.Palette
) -> None:
    if has_simulated(rows, y):
        _fill(panel, rows, x, y, hue, palette)
    for level, own in rows.dropna(subset=[y]).groupby(hue, observed=True):
        line = own.groupby(x)[y].mean()  # seeds have the same prediction
        (drawn,) = panel.plot(line.index, line, color=palette[level], **style.THEORY)
        if len(line) == 1:  # a line through one point is invisible
            drawn.set(marker="_", markersize=12, markeredgecolor=palette[level])


def _fill(
    panel: Axes, theory: pd.DataFrame, x: str, y: str, hue: str, palette: style.Palette
) -> None:
    """Hatch the area between y_lower and y_upper of theory's rows, equal for all seeds."""
    ends = [f"{y}_lower", f"{y}_upper"]
    for level, rows in theory.dropna(subset=ends).groupby(hue, observed=True):
        limits = rows.groupby(x, observed=True)[ends].first()
        hatching = {**style.SIMULATED, "edgecolor": palette[level]}
        panel.fill_between(limits.index, limits[ends[0]], limits[ends[1]], **hatching)


def has_simulated(rows: pd.DataFrame, y: str) -> bool:
    """Return whether rows of theory have the range of simulated draws of y."""
    return f"{y}_lower" in rows and bool(rows[f"{y}_lower"].notna().any())


def _height(n: int) -> float:
    """Return the height of each of n rows of crosses, as a share of the panel's height."""
    return min(0.035, 0.4 / max(n, 1))


def _make_room(panel: Axes, strip: float, least: float) -> None:
    """Widen the limits of a log axis to a ratio of `least`, and add a strip below the data."""
    low, high = np.log10(panel.get_ylim())
    lacking = max(np.log10(least) - (high - low), 0.0)
    low, high = low - lacking / 2, high + lacking / 2
    floor = low
    low -= (high - low) * strip / (1 - strip)
    panel.set_ylim(10.0 ** max(low, -307.0), 10.0**high)
    # The strip has no ticks, because its crosses are not on the scale.
    log_ticks(panel.yaxis, 10.0**floor if strip else 0.0)


def _mark_zeros(
    panel: Axes, zeros: pd.DataFrame, x: str, hue: str, palette: style.Palette, n: int
) -> None:
    """Draw crosses in n rows at the lower edge, on a grey strip that separates them from data."""
    if zeros.empty:
        return
    height = _height(n)
    panel.add_patch(
        Rectangle((0, 0), 1, n * height, transform=panel.transAxes, color="0.92", zorder=0)
    )
    for row, level in enumerate(levels(zeros, hue)):
        positions = levels(zeros[zeros[hue] == level], x)
        panel.plot(
            positions,
            np.full(len(positions), (row + 0.5) * height),
            "x",
            color=palette[level],
            markersize=3.5,
            transform=panel.get_xaxis_transform(),
        )
