"""Figures of gradients: against layer, against depth, and through training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.style import (
    COLOURS,
    averaged,
    draw_line,
    legend,
    look,
    mark_zeros,
    panels,
    shades,
    whole,
)

NORM = r"$\Vert\partial C/\partial W^{(l)}\Vert_F$"
MOST_PANELS = 48


def gradient_by_layer(layers: pd.DataFrame) -> Figure:
    """Draw the gradient norm of every layer before training: a line a depth, a panel an activation.

    Log scale; seeds are averaged geometrically, with a 95 % interval. Rows whose source is
    'theory' are thin lines of the same colour. Crosses on the lower edge are exact zeros.

    Args:
        layers: columns activation, init, depth, step, layer, grad_norm, source.
    """
    start = layers[layers["step"] == 0]
    facet = (
        "init" if _several(start, "init") and not _several(start, "activation") else "activation"
    )
    facets = list(start[facet].dropna().unique().sort_values())
    depths = sorted(start["depth"].unique())
    colours = shades(depths, "crest")
    figure, axes = panels(len(facets), columns=4)
    for panel, name in zip(axes, facets, strict=True):
        for depth in depths:
            lines = start[(start[facet] == name) & (start["depth"] == depth)]
            for source, rows in lines.groupby("source"):
                points = averaged(rows, ["layer"], "grad_norm", log=True)
                theory = source == "theory"
                draw_line(
                    panel,
                    points,
                    "layer",
                    color=colours[depth],
                    linewidth=0.8 if theory else 1.8,
                    linestyle=":" if theory else "-",
                    marker=None if theory else "o",
                    markersize=3.5,
                    label="_theory" if theory else f"{depth}",
                )
                mark_zeros(panel, sorted(rows["layer"][rows["grad_norm"] == 0]), colours[depth])
        panel.set_yscale("log")
        panel.set_title(str(name))
        panel.set_xlabel("layer $l$ (1 = first)")
        whole(panel.xaxis)
    axes[0].set_ylabel(f"gradient norm {NORM}")
    legend(figure, axes, "hidden\nlayers")
    figure.suptitle("Gradient norm by layer before training", fontsize=11)
    return figure


def first_layer_by_depth(layers: pd.DataFrame) -> Figure:
    """Draw the first layer's gradient norm before training against depth, a line an activation.

    Log scale; seeds are averaged geometrically, with a 95 % interval.

    Args:
        layers: columns activation, depth, step, layer, grad_norm, source.
    """
    start = layers[(layers["step"] == 0) & (layers["layer"] == 1)]
    figure, (panel,) = panels(1)
    for (name, source), rows in start.groupby(["activation", "source"], observed=True):
        theory = source == "theory"
        draw_line(
            panel,
            averaged(rows, ["depth"], "grad_norm", log=True),
            "depth",
            **(look(name) if not theory else {"color": COLOURS[name], "linestyle": ":"}),
            linewidth=0.8 if theory else 1.8,
            markersize=5,
            label="_theory" if theory else name,
        )
        mark_zeros(panel, sorted(rows["depth"][rows["grad_norm"] == 0].unique()), COLOURS[name])
    panel.set_yscale("log")
    whole(panel.xaxis, _ticks(start["depth"]))
    panel.set_xlabel("hidden layers")
    panel.set_ylabel(NORM.replace("(l)", "(1)"))
    legend(figure, [panel], "activation")
    figure.suptitle("First layer's gradient norm before training", fontsize=11)
    return figure


def gradient_heatmap(layers: pd.DataFrame) -> Figure:
    """Draw log10 gradient norm as a heat map, layer against epoch, a panel a run.

    One colour scale for all panels; exact zeros and what is not finite are grey.

    Args:
        layers: columns run, name, epoch, layer, grad_norm, source.
    """
    measured = layers[layers["source"] == "measured"]
    runs = list(measured.groupby("run", sort=False, observed=True))
    shown = runs[:MOST_PANELS]
    tables = [
        rows.pivot_table(index="layer", columns="epoch", values="grad_norm", aggfunc="last")
        for _, rows in shown
    ]
    logs = [_log10(table.to_numpy(float)) for table in tables]
    finite = np.concatenate([values[np.isfinite(values)] for values in logs])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    columns = measured.groupby("run", observed=True)["layer"].max().nunique()
    figure, axes = panels(len(shown), columns=columns if 3 <= columns <= 8 else 8, sharey=False)
    mesh = None
    for panel, (_, rows), table, values in zip(axes, shown, tables, logs, strict=True):
        panel.set_facecolor("0.75")
        panel.grid(False)
        mesh = panel.pcolormesh(
            _edges(table.columns.to_numpy(float)),
            np.append(table.index.to_numpy(float) - 0.5, table.index[-1] + 0.5),
            np.ma.masked_invalid(values),
            cmap="viridis",
            vmin=low,
            vmax=high if high > low else low + 1,
            rasterized=True,
        )
        panel.set_title(str(rows["name"].iloc[0]))
        whole(panel.yaxis)
        whole(panel.xaxis)
    _outer_labels(axes, "epoch", "layer (1 = first)")
    if mesh is not None:
        figure.colorbar(mesh, ax=axes, label=rf"$\log_{{10}}$ {NORM} (grey: 0 or not finite)")
    title = "Gradient norm through training"
    if len(shown) < len(runs):
        title += f" (the first {len(shown)} of {len(runs)} runs)"
    figure.suptitle(title, fontsize=11)
    return figure


def _log10(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(values)
    return np.where(np.isfinite(logs), logs, np.nan)


def _edges(centres: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate(
        [[centres[0] - (inner[0] - centres[0])], inner, [2 * centres[-1] - inner[-1]]]
    )


def _outer_labels(axes: list, x: str, y: str) -> None:  # type: ignore[type-arg]
    for panel in axes:
        place = panel.get_subplotspec()
        if place.is_first_col():
            panel.set_ylabel(y)
        panel.set_xlabel(x if panel.xaxis.get_tick_params()["labelbottom"] else "")


def _several(frame: pd.DataFrame, column: str) -> bool:
    return frame[column].nunique() > 1


def _ticks(values: pd.Series) -> list[int] | None:  # type: ignore[type-arg]
    found = sorted(values.unique())
    return found if len(found) <= 10 else None
