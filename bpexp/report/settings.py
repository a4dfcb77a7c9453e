"""Measurements at each setting and depth, averaged over seeds, and theory's predictions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from scipy.special import stdtrit  # type: ignore[import-untyped]

from bpexp.analysis.averages import Interval
from bpexp.analysis.scores import with_score
from bpexp.analysis.summaries import decay
from bpexp.figures.parts.factors import compared_factor, panel_factors, split
from bpexp.figures.parts.scores import score_of
from bpexp.report.estimates import Estimate
from bpexp.results import Tables

RATE = "gradient/decay_rate"


@dataclass(frozen=True)
class Setting:
    """The runs of one setting and depth, which differ in their seeds only.

    Attributes:
        title: the setting without the depth, such as "sigmoid" or "sigmoid, lr 0.1".
        depth: hidden layers.
        n: the number of runs.
        verdicts: the number of runs with each verdict.
        training: the number of runs with each word of `bpexp.analysis.verdict.TRAINING`. Runs
            without one count as "not trained", or by their status, such as "failed".
        score: the task's primary metric on the test split; that of guessing if a run diverged.
        rate: the decay rate of the gradient at step 0, nats a layer; see
            `bpexp.analysis.summaries.decay`.
        of_layers: whether the interval of `rate` is computed from the variation over layers,
            because there are too few seeds.
        theory: the decay rate that theory predicts; NaN if it predicts none.
        trains: theory's forecast of whether the networks train; None without a forecast.
        forecast_right: the share of the runs for which the forecast was right; None without a
            forecast, or if no run was trained.
    """

    title: str
    depth: int
    n: int
    verdicts: Mapping[str, int]
    training: Mapping[str, int]
    score: Estimate
    rate: Estimate
    of_layers: bool
    theory: float
    trains: bool | None
    forecast_right: float | None


def settings(tables: Tables, trained: Mapping[str, bool]) -> list[Setting]:
    """Return the settings of a study, in the order of their factors and of depth.

    Args:
        tables: the study's frames.
        trained: whether each run trained successfully, by identity; runs that were not trained are
            left out.
    """
    runs = with_score(tables.runs, "test").assign(trained=tables.runs["run"].map(trained))
    factor = compared_factor(runs)
    theory, within = _theory_rates(tables.layers), score_of(runs, "test").within
    factors = [factor, *panel_factors(runs, [factor, "depth"])]
    return [
        _setting(title, int(str(depth)), own, theory, within)
        for title, rows in split(runs, factors)
        for depth, own in rows.groupby("depth")
    ]


def _setting(
    title: str, depth: int, runs: pd.DataFrame, theory: Mapping[str, float], within: Interval
) -> Setting:
    rate, of_layers = _rate(runs, depth)
    predicted = [theory.get(run, math.nan) for run in runs["run"]]
    forecasts = runs["theory/trains"].dropna() if "theory/trains" in runs else pd.Series()
    trains = bool(forecasts.iloc[0]) if len(forecasts) else None
    outcomes = [outcome == trains for outcome in runs["trained"].dropna()]
    return Setting(
        title=title,
        depth=depth,
        n=len(runs),
        verdicts=Counter(runs["verdict"].dropna().astype(str)),
        training=Counter(_words(runs)),
        score=Estimate.of(runs["score/test"], within),
        rate=rate,
        of_layers=of_layers,
        theory=sum(predicted) / len(predicted),
        trains=trains,
        forecast_right=sum(outcomes) / len(outcomes) if outcomes and trains is not None else None,
    )


def _words(runs: pd.DataFrame) -> Iterator[str]:
    """Yield the word for what training did, for each run."""
    shown = [key for key in ("verdict/training", "status") if key in runs]
    for run in runs[shown].to_dict("records"):  # of all columns this takes ten times as long
        word = run.get("verdict/training")
        if isinstance(word, str):
            yield word
        else:
            yield "not trained" if run["status"] == "FINISHED" else str(run["status"]).lower()


def _rate(runs: pd.DataFrame, depth: int) -> tuple[Estimate, bool]:
    """Return the decay rate at step 0, and whether its interval is computed over layers."""
    rates, errors = (
        runs[f"start/{RATE.replace('/', '_')}{end}"].astype(float) for end in ("", "_se")
    )
    over_seeds = Estimate.of(rates)
    if over_seeds.has_interval or rates.isna().any() or depth < 2:
        return over_seeds, False
    n = len(rates)
    error = math.sqrt((errors**2).sum()) / n
    half = float(stdtrit(n * (depth - 1), 0.975)) * error
    mean = over_seeds.mean
    return Estimate(mean, mean - half, mean + half, n), True


def _theory_rates(layers: pd.DataFrame) -> dict[str, float]:
    """Return the decay rate that theory predicts for each run, by the run's identity."""
    rows = layers[layers["source"] == "theory"] if "source" in layers else layers.head(0)
    if "delta_norm" not in rows:
        return {}
    rows = rows[["run", "layer", "delta_norm"]].sort_values("layer")
    found = {}
    for run, norms in rows.groupby("run", sort=False, observed=True)["delta_norm"]:
        summary = decay(norms.to_numpy(float))
        if RATE in summary:
            found[str(run)] = summary[RATE]
    return found
