"""Maps of the training score with the border of theory: trainability, and the phase diagram."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bpexp.analysis.scores import scores, tasks_in, with_score
from bpexp.errors import one_of
from bpexp.figures.parts.cells import cell_edges
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, group, numeric_settings, panel_factors
from bpexp.figures.parts.legends import legend, over_seeds
from bpexp.figures.parts.lines import is_theory, n_seeds
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.scores import score_label, score_name
from bpexp.figures.parts.selection import measured
from bpexp.figures.parts.style import colour_map
from bpexp.figures.parts.ticks import at_ticks, is_geometric

SCORE, DEEPEST = "score/train", "theory/deepest"
FAR = 1e6  # hidden layers: 6 xi_c may be infinite
BORDER: dict[str, Any] = {"color": "#e31a1c", "linewidth": 1.4}
SIGMAS = ("theory/sigma_w2", "theory/sigma_b2")


def runs_over_depths(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows if depth and a numeric setting vary over the runs."""
    own = runs[~is_theory(runs)]
    return runs if numeric_settings(own) and own["depth"].nunique() > 1 else runs.head(0)


@styled
def trainability_map(
    runs: pd.DataFrame, *, setting: str | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the training score over a numeric setting and depth, with the border of mean field.

    x: the setting, on a log scale if its values are geometric. y: hidden layers. Colour: the task's
    primary metric on the training split at the end, arithmetic mean over seeds. A run that diverged
    scores as the best constant guess. Cells without runs are white. Line: 6 xi_c of mean field, an
    average over draws, up to which Schoenholz et al. (2017) found networks trainable; of residual
    networks the largest depth at which the stream's gradient changes less than 1000-fold. Without
    rows of theory it is marked at the settings of the runs only. Activations, initializations and
    other settings divide the runs into panels.

    Args:
        runs: the table `trainability` or `runs` of `bpexp.load_tables`: columns run, activation,
            init, depth, seed, the setting, accuracy/train or the primary metric of another task,
            and if known skip, chance, diverged_at, theory/deepest and source.
        setting: the numeric setting; by default the first with at least three values.
        look: see `Look`.

    Raises:
        ValueError: there is no such setting.
    """
    curves, runs = runs[is_theory(runs)], with_score(runs[~is_theory(runs)], "train")
    candidates = numeric_settings(runs)
    across = setting or next(iter(candidates), None)
    if across not in runs:
        raise ValueError(one_of("setting", across, candidates))
    factors = panel_factors(runs, [str(across), "depth"])
    panels = make_panels(runs, factors, look, size=(3.0, 2.5), columns=3)
    mesh = None
    for panel, part in panels.parts:
        mesh = _draw_map(panel, part, str(across), look, _limits(runs))
        if DEEPEST in runs:
            _draw_border(panel, part, curves, str(across))
    if mesh is not None:
        label = f"{score_label(runs, 'train')}\n{over_seeds(n_seeds(runs))}"
        panels.figure.colorbar(mesh, ax=panels.axes, label=label, aspect=30, **_ends(runs))
    if DEEPEST in runs and runs[DEEPEST].min() <= panels.parts[0][0].get_ylim()[1]:
        residual = "skip" in runs and (runs["skip"] != "none").any()
        label = "theory: deepest\nthat trains" if residual else r"theory: $6\,\xi_c$"
        border = Line2D([], [], label=label, **BORDER)
        legend(panels, "", {}, notes=[border])
    panels.label("Trainability", x=axis_label(str(across)), y=axis_label("depth"))
    return panels.figure


def _draw_map(
    panel: Axes, runs: pd.DataFrame, across: str, look: Look, limits: dict[str, Any]
) -> QuadMesh:
    table = runs.pivot_table(index="depth", columns=across, values=SCORE, observed=True)
    x, y = table.columns.to_numpy(float), table.index.to_numpy(float)
    panel.set_xscale("log" if is_geometric(x) else "linear")
    panel.set_yscale("log" if is_geometric(y) else "linear")
    edges = [cell_edges(centres, geometric=is_geometric(centres)) for centres in (x, y)]
    cells = np.ma.masked_invalid(table.to_numpy(float))
    mesh = panel.pcolormesh(*edges, cells, cmap=colour_map(look), **limits)
    panel.grid(False)
    panel.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    for axis, values in ((panel.xaxis, x), (panel.yaxis, y)):
        at_ticks(axis, [*values[:: -(-len(values) // 6)]])
    return mesh


def _draw_border(panel: Axes, runs: pd.DataFrame, curves: pd.DataFrame, across: str) -> None:
    """Draw 6 xi_c: a level if it is equal for all runs, else a curve or marks at the settings."""
    known = runs.groupby(across)[DEEPEST].mean().dropna().clip(upper=FAR)
    curve = _same_network(curves, runs, across).sort_values(across)
    if known.nunique() == 1:
        panel.axhline(known.iloc[0], **BORDER)
    elif len(curve):
        panel.plot(
            curve[across], curve[DEEPEST].clip(upper=FAR), scalex=False, scaley=False, **BORDER
        )
    else:
        panel.plot(known.index, known, "_", markersize=12, **BORDER)


def _same_network(curves: pd.DataFrame, runs: pd.DataFrame, across: str) -> pd.DataFrame:
    """Return the points of a border with the activation and init of the runs."""
    kept = pd.Series(True, curves.index)
    if across not in curves or group(across) not in ("activation", "init"):
        return curves.head(0)
    for name in curves.columns:
        if group(name) in ("activation", "init") and name != across and name in runs:
            value = runs[name].iloc[0]
            kept &= curves[name].isna() if pd.isna(value) else curves[name] == value
    return curves[kept]


def _limits(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the scores at the ends of the colours: 0 and 1 if 1 is the best score."""
    bounded = all(task.perfect == 1 for task in tasks_in(frame, "train"))
    found = scores(frame, "train")
    return {"vmin": 0, "vmax": 1} if bounded else {"vmin": found.min(), "vmax": found.max()}


def _ends(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the ends of the colour bar: an arrow if there are scores below its limits."""
    return {"extend": "min"} if scores(frame, "train").min() < _limits(frame)["vmin"] else {}


def points_of_phase_diagram(plane: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the plane if an activation has runs at three or more points."""
    if SIGMAS[0] not in plane:
        return plane.head(0)
    points = measured(plane).drop_duplicates(["activation", *SIGMAS])
    enough = points["activation"].value_counts().max() >= 3 if len(points) else False
    return plane if enough else plane.head(0)


@styled
def phase_diagram(plane: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the runs in the plane of weight and bias variance, with the critical line.

    x: sigma_w2 = n_in Var W. y: sigma_b2 = Var b. Points: the runs, coloured by the task's primary
    metric on the training split, the arithmetic mean over all runs at the point: seeds, depths and
    other settings; a run that diverged scores as the best constant guess. Line: chi_1 = 1; to its
    left gradients vanish with depth (the ordered phase), to its right they explode (the chaotic
    phase). A panel for each activation.

    Args:
        plane: columns activation, theory/sigma_w2, theory/sigma_b2, source, accuracy/train or the
            primary metric of another task.
        look: see `Look`.
    """
    runs = with_score(measured(plane), "train")
    panels = make_panels(runs, ["activation"], look, size=(3.0, 2.6), sharex=False, sharey=False)
    dots = None
    for panel, own in panels.parts:
        dots = _draw_points(panel, own, look, _limits(runs))
        theory = plane[(plane["source"] == "theory") & plane["activation"].isin(own["activation"])]
        _draw_critical_line(panel, theory)
    if dots is not None:
        label = f"train {score_name(runs, 'train')},\nmean over depths and seeds"
        panels.figure.colorbar(dots, ax=panels.axes, label=label, aspect=30, **_ends(runs))
    border = Line2D([], [], label=r"theory: $\chi_1 = 1$", **BORDER)
    legend(panels, "", {}, notes=[border])
    panels.label("Phase diagram", x=axis_label("sigma_w2"), y=axis_label("sigma_b2"))
    return panels.figure


def _draw_points(
    panel: Axes, runs: pd.DataFrame, look: Look, limits: dict[str, Any]
) -> PathCollection:
    points = runs.groupby(list(SIGMAS))[SCORE].mean()
    x, y = (points.index.get_level_values(sigma).to_numpy(float) for sigma in SIGMAS)
    filled: dict[str, Any] = {"c": points.to_numpy(), "cmap": colour_map(look), **limits}
    dots = panel.scatter(x, y, s=36, edgecolors="0.3", linewidths=0.5, zorder=3, **filled)
    height = max(y.max(), 0.1)
    panel.set(xlim=(0, max(1.1 * x.max(), 2)), ylim=(-0.05 * height, 1.15 * height))
    return dots


def _draw_critical_line(panel: Axes, line: pd.DataFrame) -> None:
    limits = panel.get_xlim(), panel.get_ylim()
    x, y = line[SIGMAS[0]], line[SIGMAS[1]]
    vertical = len(line) and np.ptp(x) < 1e-9  # of ReLU and leaky: the same sigma_w2 at any bias
    panel.plot(x.head(2) if vertical else x, limits[1] if vertical else y, **BORDER)
    panel.set(xlim=limits[0], ylim=limits[1])
