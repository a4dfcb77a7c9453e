"""What was measured at each setting and depth, averaged over seeds, beside what theory predicts."""

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
        n: how many runs there are.
        verdicts: how many runs have each verdict.
        training: how many runs have each word for what training did; see
            `bpexp.analysis.verdict.TRAINING`. A run without one counts as "failed" or "not
            trained".
        score: the task's primary metric on the test split; that of guessing if a run diverged.
        rate: the decay rate of the gradient at step 0, nats a layer; see
            `bpexp.analysis.summaries.decay`.
        of_layers: whether the interval of `rate` is from the scatter over the layers, for want of
            seeds.
        theory: the decay rate that theory predicts; NaN if it predicts none.
        trains: theory's forecast of whether the networks train; None without one.
        forecast_right: the share of the runs for which it was right; None without a forecast, and
            where nothing was trained.
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
        trained: whether each run trained, by identity; without those that were not trained.
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
    """Yield what training did to each run."""
    for run in runs.to_dict("records"):
        word = run.get("verdict/training")
        if isinstance(word, str):
            yield word
        else:
            yield "not trained" if run["status"] == "FINISHED" else str(run["status"]).lower()


def _rate(runs: pd.DataFrame, depth: int) -> tuple[Estimate, bool]:
    """Return the decay rate at step 0, and whether its interval is from the scatter over layers."""
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
    found = {}
    for run, own in rows.groupby("run", sort=False):
        summary = decay(own.sort_values("layer")["delta_norm"].to_numpy(float))
        if RATE in summary:
            found[str(run)] = summary[RATE]
    return found
