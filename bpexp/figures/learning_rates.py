"""Each configuration at its own best learning rate, as a map."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.rates import CHOOSING, at_best_rate
from bpexp.analysis.scores import with_score
from bpexp.errors import ConfigError
from bpexp.figures.parts.cells import Cell, draw_word_map, ordinate
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor, panel_factors, varies
from bpexp.figures.parts.legends import over_seeds
from bpexp.figures.parts.lines import n_seeds
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.numbers import number
from bpexp.figures.parts.scores import score_name

FEWEST = 3  # learning rates
COLOURS = {
    "no rate trains": "#c8c8c8",
    "one rate trains": "#fdc27a",
    "several rates train": "#a6d8a8",
}


def runs_at_best_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of each configuration at its best learning rate, on seeds not used to choose.

    Args:
        runs: as `bpexp.load_runs` returns them. The result of this function is returned unchanged.

    Returns:
        The result of `bpexp.analysis.rates.at_best_rate`. It has no rows if there are fewer than
        three rates, if no two configurations are compared, or if no seeds are left to report.
    """
    if "trains_from" in runs or "lr" not in runs:
        return runs if "trains_from" in runs else runs.head(0)
    by = _settings(runs)
    compares = any(varies(runs, name) for name in by)
    if not compares or runs["lr"].nunique() < FEWEST or n_seeds(runs) <= CHOOSING:
        return runs.head(0)
    return at_best_rate(runs, by)


def _settings(runs: pd.DataFrame) -> list[str]:
    """Return the keys that identify a configuration without its learning rate."""
    across = compared_factor(runs)
    return [across, *(name for name in panel_factors(runs, [across, "lr"]) if name != "lr")]


@styled
def best_rate_map(runs: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the test score at the best learning rate over depth and activation, as coloured cells.

    Columns are activations, or the values of the only other setting that varies. Further settings
    divide the runs into panels. A cell shows the arithmetic mean of the task's primary metric on
    the test split over the reported seeds, the learning rate, and the range of rates that train.
    Two seeds choose the rate, by the score on the training split, and are not reported. A rate
    trains if at least half of the reported seeds reach more than half way from guessing to a
    perfect score on the training split. A run that diverged scores as the best constant guess.

    Args:
        runs: columns run, activation, init, depth, seed, lr, task, chance, accuracy/train and
            accuracy/test or the primary metrics of another task, and if known diverged_at; or what
            `runs_at_best_rate` returns.
        look: see `Look`.
    """
    best = runs if "trains_from" in runs else at_best_rate(runs, _settings(runs))
    if best.empty and not runs.empty:
        if n_seeds(runs) > CHOOSING:
            raise ConfigError("runs: none has a score of the seeds that choose the learning rates")
        raise ConfigError(
            f"runs: have {n_seeds(runs)} seeds; at least {CHOOSING + 1} are needed, since "
            f"{CHOOSING} choose the learning rates and are not shown"
        )
    found = with_score(best, "test")
    across = _across(found)
    cells = found.drop(columns="lr").assign(rate=found["lr"])
    down = ordinate(cells, across)
    panels = draw_word_map(cells, down, across, _cell, COLOURS, look, least=2.4, explained=True)
    title = f"Test {score_name(found, 'test')} at the best learning rate"
    note = over_seeds(n_seeds(found))
    if any(panel.texts for panel in panels.axes):  # cells of a large map have no text
        note += "; in brackets: the rates that train"
    panels.label(f"{title}\n{note}", x=axis_label(across), y=axis_label(down))
    return panels.figure


def _across(runs: pd.DataFrame) -> str:
    """Return the setting whose values are the columns."""
    compared = compared_factor(runs)
    others = panel_factors(runs, [compared, "lr", "depth"])
    return others[0] if len(others) == 1 and not varies(runs, compared) else compared


def _cell(runs: pd.DataFrame) -> Cell:
    """Return which rates train a cell's configuration, and the words that the cell shows."""
    first = runs.iloc[0]
    kind = [*COLOURS][min(int(first["rates"]), 2)]
    lowest, highest, rate = (number(first[name]) for name in ("trains_from", "trains_to", "rate"))
    span = {"no rate trains": "none", "one rate trains": lowest}.get(kind, f"{lowest} to {highest}")
    words = f"{runs['score/test'].mean():.3f}\nlr {rate}\n({span})"
    return Cell({kind: len(runs)}, words)
