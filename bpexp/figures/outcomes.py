"""Figures of outcomes: accuracy, learning curves and verdicts."""

from __future__ import annotations

import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from bpexp.diagnosis import VERDICTS
from bpexp.figures.gradients import _several, _ticks
from bpexp.figures.style import (
    PANEL,
    VERDICT_COLOURS,
    averaged,
    draw_line,
    legend,
    look,
    panels,
    shades,
    whole,
)


def accuracy_by_depth(runs: pd.DataFrame) -> Figure:
    """Draw the test accuracy at the end against depth, a line an activation.

    Seeds are averaged, with a 95 % interval; the dotted line is the best constant guess.

    Args:
        runs: columns activation, depth, accuracy/test, chance.
    """
    figure, (panel,) = panels(1)
    for name, rows in runs.groupby("activation", observed=True):
        draw_line(
            panel,
            averaged(rows, ["depth"], "accuracy/test"),
            "depth",
            **look(name),
            linewidth=1.8,
            markersize=5,
            label=name,
        )
    panel.axhline(runs["chance"].mean(), color="0.4", linestyle=":", linewidth=1.2, label="chance")
    panel.set_ylim(0, 1.03)
    whole(panel.xaxis, _ticks(runs["depth"]))
    panel.set_xlabel("hidden layers")
    panel.set_ylabel("test accuracy")
    legend(figure, [panel], "activation")
    figure.suptitle("Test accuracy after training", fontsize=11)
    return figure


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Draw loss and accuracy on the test split against epoch, a column an activation.

    A line a depth; seeds are averaged, with a 95 % interval.

    Args:
        curves: columns activation, depth, epoch, loss/test, accuracy/test.
    """
    names = list(curves["activation"].dropna().unique().sort_values())
    depths = sorted(curves["depth"].unique())
    colours = shades(depths, "crest")
    figure = Figure(
        figsize=(PANEL[0] * max(len(names), 1.2) * 0.9 + 1.2, 2 * PANEL[1] * 0.9 + 0.6),
        layout="constrained",
    )
    grid = figure.subplots(2, len(names), squeeze=False, sharex=True, sharey="row")
    for column, name in enumerate(names):
        of_name = curves[curves["activation"] == name]
        for row, metric in enumerate(("loss/test", "accuracy/test")):
            for depth in depths:
                rows = of_name[of_name["depth"] == depth]
                draw_line(
                    grid[row, column],
                    averaged(rows, ["epoch"], metric, log=metric == "loss/test"),
                    "epoch",
                    color=colours[depth],
                    linewidth=1.5,
                    label=f"{depth}",
                )
        grid[0, column].set_title(str(name))
        grid[0, column].set_yscale("log")
        grid[1, column].set_ylim(0, 1.03)
        grid[1, column].set_xlabel("epoch")
        whole(grid[1, column].xaxis)
    grid[0, 0].set_ylabel("test loss")
    grid[1, 0].set_ylabel("test accuracy")
    legend(figure, list(grid.ravel()), "hidden\nlayers")
    figure.suptitle("Learning curves", fontsize=11)
    return figure


def verdict_map(runs: pd.DataFrame) -> Figure:
    """Draw each cell's commonest verdict and mean test accuracy, depth against activation.

    Against the initialization, if there is one activation and several initializations; the first
    verdict in the order of `bpexp.diagnosis.VERDICTS` where two are as common.

    Args:
        runs: columns activation, init, depth, verdict, accuracy/test.
    """
    across = "init" if _several(runs, "init") and not _several(runs, "activation") else "activation"
    told = runs.dropna(subset=["verdict"])
    cells = told.groupby(["depth", across], observed=True)
    commonest = cells["verdict"].agg(lambda words: words.mode().iloc[0]).astype(str).unstack()
    accuracy = cells["accuracy/test"].mean().unstack()
    codes = commonest.map(lambda word: VERDICTS.index(word) if word in VERDICTS else float("nan"))
    rows, columns = codes.shape
    figure = Figure(figsize=(1.15 * columns + 1.6, 0.55 * rows + 1.3), layout="constrained")
    panel = figure.subplots()
    panel.grid(False)
    colours = ListedColormap([VERDICT_COLOURS[word] for word in VERDICTS])
    panel.imshow(
        codes.to_numpy(float), cmap=colours, vmin=-0.5, vmax=len(VERDICTS) - 0.5, aspect="auto"
    )
    for i in range(rows):
        for j in range(columns):
            if isinstance(commonest.iat[i, j], str):
                text = f"{commonest.iat[i, j]}\n{accuracy.iat[i, j]:.3f}"
                panel.text(j, i, text, ha="center", va="center", fontsize=8)
    panel.set_xticks(range(columns), [str(name) for name in codes.columns])
    panel.set_yticks(range(rows), [str(depth) for depth in codes.index])
    panel.set_xlabel(across)
    panel.set_ylabel("hidden layers")
    figure.suptitle("Verdict and test accuracy", fontsize=11)
    return figure
