"""The best learning rate of each configuration, and the rates that train it.

A comparison at one learning rate also compares how well that rate suits each configuration. Here
each configuration has its own rate. It is chosen on some seeds and reported on others, because the
best of several noisy scores is biased upwards on the seeds that it was chosen on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bpexp.analysis.scores import scores
from bpexp.nn.tasks import find_task

CHOOSING = 2  # seeds on which the rate is chosen
TRAINED = 0.5  # of the way from guessing to a perfect score, as in the forecast


def at_best_rate(runs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the runs of each configuration at its best learning rate, on seeds not used to choose.

    The best rate is the one with the greatest mean score on the training split over the lowest
    CHOOSING seeds; of equal ones the lowest rate. A run that diverged scores as the best constant
    guess. The runs of the other seeds at that rate are returned.

    Args:
        runs: columns `by`, lr, seed, task, chance, diverged_at and the tasks' primary metrics.
        by: the keys that identify a configuration.

    Returns:
        Rows of `runs` with three more columns: `trains_from` and `trains_to`, the least and the
        greatest rate that trains the configuration, and `rates`, the number of rates that do. A
        rate trains it if at least half of the reported seeds score more than half way from guessing
        to a perfect score on the training split. Without such a rate the first two are NaN. There
        are no rows if there are at most CHOOSING seeds.
    """
    seeds = np.sort(runs["seed"].unique())
    chooses = runs["seed"].isin(seeds[:CHOOSING])
    score = scores(runs, "train")
    keys = [*by, "lr"]
    mean = (
        score[chooses]
        .groupby([runs.loc[chooses, key] for key in keys], observed=True, dropna=False)
        .mean()
    )
    best = mean.dropna().reset_index(name="score").sort_values("lr", kind="stable")
    best = best.loc[best.groupby(list(by), observed=True, dropna=False)["score"].idxmax(), keys]
    reported = runs[~chooses].assign(trained=_trained(runs[~chooses], score[~chooses]))
    trains = reported.groupby(keys, observed=True, dropna=False)["trained"].mean() >= 0.5
    rates = trains[trains].reset_index().groupby(list(by), observed=True, dropna=False)["lr"]
    spans = rates.agg(trains_from="min", trains_to="max", rates="nunique").reset_index()
    found = (
        reported.drop(columns="trained").merge(best, on=keys).merge(spans, on=list(by), how="left")
    )
    return found.assign(rates=found["rates"].fillna(0).astype(int))


def _trained(runs: pd.DataFrame, score: pd.Series[float]) -> pd.Series[bool]:
    """Return whether each run scores more than half way from guessing to a perfect score."""
    perfect = runs["task"].astype(str).map(lambda name: find_task(name).perfect).astype(float)
    gain: pd.Series[float] = (score - runs["chance"]) / (perfect - runs["chance"])
    return gain > TRAINED
