"""Maps: scores over two settings, with the border that theory draws through them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bpexp.errors import one_of
from bpexp.figures import style
from bpexp.figures.frames import levels, numeric, parted, settings
from bpexp.figures.scores import score_label, score_name, scores, tasks_in, with_score

BORDER: dict[str, Any] = {"color": "#e31a1c", "linewidth": 1.4}
SIGMAS = ("theory/sigma_w2", "theory/sigma_b2")


@style.styled
def trainability_map(runs: pd.DataFrame, *, setting: str | None = None) -> Figure:
    """Draw the training score over depth and a numeric setting, with 6 xi_c as a line.

    x: the setting, log scale where its values are so spaced. y: hidden layers. Colour: the task's
    primary metric on the training split at the end, mean over seeds; white where there is no run.
    Line: 6 xi_c of mean field, the depth to which Schoenholz et al. (2017) found networks
    trainable. Activations, initializations and other settings part panels.

    Args:
        runs: columns run, activation, init, depth, seed, the setting, accuracy/train or the primary
            metric of another task, and if known theory/deepest.
        setting: the numeric setting; by default the first with three values or more.

    Raises:
        ValueError: there is no such setting.
    """
    candidates = numeric(runs)
    across = setting or next(iter(candidates), None)
    if across not in runs:
        raise ValueError(one_of("setting", across, candidates))
    runs = with_score(runs, "train")
    parts = parted(runs, settings(runs, [str(across), "depth"]))
    figure, axes = style.panels(len(parts), columns=3, size=(3.4, 2.8), sharex=True, sharey=True)
    mesh = None
    for panel, (title, part) in zip(axes, parts, strict=True):
        panel.set_title(title)
        mesh = _draw_map(panel, part, str(across), _scale(runs))
    if mesh is not None:
        label = score_label(runs, "train")
        figure.colorbar(mesh, ax=axes, label=label, aspect=30, **_ends(runs))
    figure.supxlabel(str(across))
    figure.supylabel("hidden layers")
    if "theory/deepest" in runs and runs["theory/deepest"].min() <= axes[0].get_ylim()[1]:
        border = Line2D([], [], label=r"theory: $6\,\xi_c$", **BORDER)
        style.legend(figure, "", {}, notes=[border], loc="outside lower right")
    figure.suptitle("Trainability")
    return figure


def _scale(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the scores at the ends of the colours: 0 and 1 where 1 is the best score."""
    whole = all(task.perfect == 1 for task in tasks_in(frame, "train"))
    found = scores(frame, "train")
    return {"vmin": 0, "vmax": 1} if whole else {"vmin": found.min(), "vmax": found.max()}


def _ends(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the colour bar's ends: an arrow where scores are below its scale."""
    return {"extend": "min"} if scores(frame, "train").min() < _scale(frame)["vmin"] else {}


def _draw_map(panel: Axes, runs: pd.DataFrame, across: str, scale: dict[str, Any]) -> Any:
    table = runs.pivot_table(index="depth", columns=across, values="score/train", observed=True)
    x, y = table.columns.to_numpy(float), table.index.to_numpy(float)
    panel.set_xscale("log" if style.is_geometric(x) else "linear")
    panel.set_yscale("log" if style.is_geometric(y) else "linear")
    edges = _edges(x), _edges(y)
    cells = np.ma.masked_invalid(table.to_numpy(float))
    mesh = panel.pcolormesh(*edges, cells, cmap=mpl.colormaps["viridis"], **scale)
    panel.grid(False)
    panel.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    for axis, values in ((panel.xaxis, x), (panel.yaxis, y)):
        style.plain(axis, [*values[:: -(-len(values) // 6)]])
    if "theory/deepest" in runs:
        line = runs.groupby(across)["theory/deepest"].mean()
        panel.plot(line.index, line.clip(upper=1e6), **BORDER)
    return mesh


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of cells about these centres, halfway between them on the axis' scale."""
    if len(centres) == 1:
        return np.array([centres[0] * 0.9 - 0.1, centres[0] * 1.1 + 0.1])
    logarithmic = style.is_geometric(centres)
    places = np.log(centres) if logarithmic else centres
    inner = (places[1:] + places[:-1]) / 2
    edges = np.concatenate([[2 * places[0] - inner[0]], inner, [2 * places[-1] - inner[-1]]])
    return np.exp(edges) if logarithmic else edges


def on_the_plane(plane: pd.DataFrame) -> pd.DataFrame:
    """Return the plane's rows if its runs make a diagram: three points or more of an activation."""
    if SIGMAS[0] not in plane:
        return plane.head(0)
    points = plane[plane["source"] == "measured"].drop_duplicates(["activation", *SIGMAS])
    enough = points["activation"].value_counts().max() >= 3 if len(points) else False
    return plane if enough else plane.head(0)


@style.styled
def phase_diagram(plane: pd.DataFrame) -> Figure:
    """Draw the runs in the plane of weight and bias variance, with the critical line.

    x: sigma_w2 = n_in Var W. y: sigma_b2 = Var b. Points: the runs, coloured by the task's primary
    metric on the training split, mean over all that share a point. Line: chi_1 = 1; to its left
    gradients vanish with depth (the ordered phase), to its right they explode (the chaotic phase).
    A panel an activation.

    Args:
        plane: columns activation, theory/sigma_w2, theory/sigma_b2, source, accuracy/train or the
            primary metric of another task.
    """
    plane = with_score(plane, "train")
    measured = plane[plane["source"] == "measured"]
    names = levels(measured, "activation")
    figure, axes = style.panels(len(names), columns=4, size=(3.0, 2.6))
    dots = None
    for panel, name in zip(axes, names, strict=True):
        own = plane[plane["activation"] == name]
        line = own[own["source"] == "theory"]
        points = own[own["source"] == "measured"].groupby(list(SIGMAS))["score/train"].mean()
        x, y = (points.index.get_level_values(sigma).to_numpy(float) for sigma in SIGMAS)
        look: dict[str, Any] = {"c": points.to_numpy(), "cmap": "viridis", **_scale(plane)}
        dots = panel.scatter(x, y, s=36, edgecolors="0.3", linewidths=0.5, zorder=3, **look)
        limits = [0, max(1.1 * x.max(), 2)], [-0.05 * max(y.max(), 0.1), 1.15 * max(y.max(), 0.1)]
        upright = len(line) and np.ptp(line[SIGMAS[0]]) < 1e-9  # ReLU and its kin: at any bias
        panel.plot(
            line[SIGMAS[0]].head(2) if upright else line[SIGMAS[0]],
            limits[1] if upright else line[SIGMAS[1]],
            **BORDER,
        )
        panel.set(xlim=limits[0], ylim=limits[1], title=name)
    if dots is not None:
        label = f"train {score_name(plane, 'train')}, mean over depths"
        figure.colorbar(dots, ax=axes, label=label, aspect=30, **_ends(plane))
    figure.supxlabel(r"$\sigma_w^2$")
    figure.supylabel(r"$\sigma_b^2$")
    border = Line2D([], [], label=r"theory: $\chi_1 = 1$", **BORDER)
    style.legend(figure, "", {}, notes=[border], loc="outside lower right")
    figure.suptitle("Phase diagram")
    return figure
