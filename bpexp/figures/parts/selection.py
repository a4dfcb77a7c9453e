"""Select the rows of a table to draw: by source, probe, layer and rank.

Frames are never modified; every function returns a new frame or a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bpexp.errors import out_of_range
from bpexp.figures.parts.factors import PANEL_KEYS, group, varies

Step = Literal["first", "last"] | int

NOISE = 1e-15  # singular values below this share of the largest are rounding errors

# Settings that do not change measurements before training.
TRAINING_KEYS = {"lr", "optimizer", "schedule", "batch_size", "epochs", "stop", "frozen"}


def measured(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the measured rows, without those of theory."""
    return layers[layers["source"] == "measured"]


def at_step(layers: pd.DataFrame, step: Step = "first") -> pd.DataFrame:
    """Return the rows of one probe of each run: its first, its last, or that at a step.

    A run's first and last probes are those of its measured rows, so that rows of theory, which are
    of step 0, are not returned for the end of training. For a run without measured rows the first
    or last step of all runs is used.

    Args:
        layers: columns run, step, source.
        step: "first", "last", or the number of optimizer steps done.

    Raises:
        ValueError: no run was probed at that step.
    """
    if isinstance(step, int):
        rows = layers[layers["step"] == step]
        if rows.empty and not layers.empty:
            bounds = f"a probed step from {layers['step'].min()} to {layers['step'].max()}"
            raise ValueError(out_of_range("step", step, bounds))
        return rows
    source = measured(layers)
    if source.empty:
        source = layers
    pick = "min" if step == "first" else "max"
    wanted = layers["run"].map(source.groupby("run")["step"].agg(pick))
    return layers[layers["step"] == wanted.fillna(source["step"].agg(pick))]


def at_start(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each run's first probe, one run for each set of initial weights.

    Runs that differ only in settings of training, such as the learning rate, are equal before it.
    """
    rows = at_step(layers, "first")
    return rows if (rows["step"] != 0).any() else once_a_draw(rows, ["layer", "source"])


def once_a_draw(rows: pd.DataFrame, others: Sequence[str]) -> pd.DataFrame:
    """Return rows from before training without duplicates that differ in settings of training only.

    The columns of these settings are dropped. Of rows that are equal in all other settings, the
    seed and `others`, the first is returned.
    """
    rows = rows.drop(columns=[name for name in rows if group(name) in TRAINING_KEYS])
    initial = [name for name in rows if group(name) in {*PANEL_KEYS, "seed"}]
    return rows.drop_duplicates([*initial, *others])


def several(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows if they are of several runs, which figures that compare runs need."""
    return rows if varies(rows, "run") else rows.head(0)


def over_depths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows if depth varies, which figures against depth need."""
    return rows if varies(rows, "depth") else rows.head(0)


def first_layer(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of layer 1 at each run's first probe."""
    start = at_start(layers)
    return start[start["layer"] == 1]


def ends_of_training(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each run's first and last probe, with a column `when`.

    It is "before training" or "after training". A run with a single probe has only the former.
    """
    steps = rows.groupby("run")["step"]
    first, last = steps.transform("min"), steps.transform("max")
    words = ["before training", "after training"]
    when = pd.Categorical(np.where(rows["step"] == first, *words), words, ordered=True)
    return rows.assign(when=when)[(rows["step"] == first) | (rows["step"] == last)]


def without_noise(rows: pd.DataFrame, values: str, others: Sequence[str]) -> pd.DataFrame:
    """Return rows of singular values in which rounding errors are NaN, with a column `share`.

    Rows with rounding errors are kept, so that a mean over them is NaN. Without them it would be
    the mean of the large values only.

    Args:
        rows: columns run, step, rank, those of `others` and the values.
        values: the column of the singular values.
        others: the dimensions other than rank.

    Returns:
        The rows; values below 1e-15 of the largest of their run, step and other dimensions are NaN,
        and share is the rank divided by the number of ranks.
    """
    series = rows.groupby(["run", "step", *others])
    share = rows["rank"] / series["rank"].transform("max")
    noise = NOISE * series[values].transform("max")
    return rows.assign(share=share, **{values: rows[values].where(rows[values] > noise)})
