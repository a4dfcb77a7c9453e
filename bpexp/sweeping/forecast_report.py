"""The forecast of a sweep: printed before training, scored after it, and drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.console import say
from bpexp.record.files import make_folder, replacing
from bpexp.record.run import Run
from bpexp.results.forecasts import forecast_columns, forecast_run, outcomes
from bpexp.sweeping.member import dataset
from bpexp.sweeping.plan import Plan
from bpexp.sweeping.presentation import warn_not_drawn
from bpexp.sweeping.terminal import forecasts as table
from bpexp.theory import Score, UnknownLayerError, score

if TYPE_CHECKING:
    import pandas as pd

FILE = "forecast.csv"


def print_forecast(plan: Plan, folder: Path) -> pd.DataFrame:
    """Print the forecast of each run and write it to forecast.csv.

    Args:
        plan: the sweep.
        folder: the sweep's folder.

    Returns:
        A row for each run: run, name, the configuration, and the fields of
        `bpexp.theory.Forecast`. For a run that theory does not cover, `reason` states why and the
        other fields are missing.
    """
    import pandas as pd

    from bpexp.results.frames import typed

    rows: list[dict[str, Any]] = []
    for member in plan.members:
        config, data = member.config, dataset(member.config)
        own = {"run": member.identity, "name": member.name, **config.flat()}
        try:
            rows.append({**own, **forecast_columns(forecast_run(config, data))})
        except UnknownLayerError as error:
            rows.append({**own, "trains": None, "reason": f"not known: {error}"})
    say("forecast (before training):", "", table(rows), "")
    cells = typed(pd.DataFrame(rows))
    _write(cells, folder)
    return cells


def score_forecast(
    cells: pd.DataFrame, runs: Sequence[Run], folder: Path, formats: Sequence[str]
) -> Score | None:
    """Score the forecast against the outcomes, print the confusion matrix, and draw both.

    Args:
        cells: the result of `print_forecast`.
        runs: the sweep's runs.
        folder: the sweep's folder.
        formats: formats of the figure's files.

    Returns:
        The score; None if no run can be scored (see `outcomes`).
    """
    cells = cells.assign(trained=cells["run"].map(outcomes(runs)))
    _write(cells, folder)
    known = cells.dropna(subset=["trained", "trains"])
    found = score(known["trains"].astype(bool), known["trained"].astype(bool))
    if known.empty and cells["quick"].astype(bool).any():
        say("forecast: not scored; quick=true runs are too short to train")
    else:
        say(_sentence(found))
    _draw(cells, folder, formats)
    return None if known.empty else found


def _sentence(found: Score) -> str:
    """Return a score as one line: the outcome of a single run, or the accuracy and the counts."""
    counts = {
        "trained as expected": found.hits,
        "failed as expected": found.rejections,
        "failed unexpectedly": found.false_alarms,
        "trained unexpectedly": found.misses,
    }
    runs = sum(counts.values())
    if runs == 0:
        return "forecast: no run to score"
    if runs == 1:
        return f"forecast: {next(words for words, n in counts.items() if n)}"
    right = f"right for {found.hits + found.rejections} of {runs} runs ({found.accuracy:.0%})"
    return f"forecast: {right}; {', '.join(f'{words} {n}' for words, n in counts.items())}"


def _write(cells: pd.DataFrame, folder: Path) -> None:
    with replacing(folder / FILE) as file:
        file.write(cells.to_csv(index=False).encode())


def _draw(cells: pd.DataFrame, folder: Path, formats: Sequence[str]) -> None:
    known = cells.dropna(subset=["trains"])
    if known.empty:
        return
    try:
        from bpexp.figures import forecast_map, save

        make_folder(folder / "figures")
        metadata = {"Keywords": " ".join(known["run"])}
        files = [folder / "figures" / f"forecast.{form}" for form in formats]
        save(forecast_map(known), files, metadata)
    except Exception as error:
        warn_not_drawn("figure forecast", error, folder)


def draw_forecast(cells: pd.DataFrame, folder: Path, formats: Sequence[str]) -> None:
    """Draw a forecast without outcomes, for forecast=only, and print where it is."""
    _draw(cells.assign(trained=None), folder, formats)
    say(f"forecast: {os.path.relpath(folder)}/ (forecast.csv, figures/forecast.{formats[0]})")
