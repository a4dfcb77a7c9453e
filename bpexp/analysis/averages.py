"""Averages over seeds: the kind of mean, the number of draws, and the 95 % interval.

All figures and tables compute their averages here. A draw is a network with its own seed. Several
values of one draw, such as those of several examples, are averaged first and count once. An average
is over all draws or it is NaN: if one run diverged, or a geometric mean meets a 0, the remaining
draws are not averaged without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped]

Values = NDArray[np.float64]
Interval = tuple[float, float]

UNBOUNDED: Interval = (-math.inf, math.inf)
SHARE: Interval = (0.0, 1.0)
FEW = 5
"""Figures show up to this many draws one by one, and an interval for more."""
UNDEFINED = math.nan, math.nan
NORMAL = 1.959964  # the 97.5 % quantile of the normal distribution


class Mean(Enum):
    """A kind of mean of values v: arithmetic, geometric (of positive values), root mean square."""

    ARITHMETIC = "mean"
    GEOMETRIC = "geometric mean"
    ROOT_MEAN_SQUARE = "root mean square"


# A mean is back(arithmetic mean of there(v)).
TRANSFORMS: dict[Mean, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Mean.ARITHMETIC: (lambda v: v, lambda m: m),
    Mean.GEOMETRIC: (np.log, np.exp),
    Mean.ROOT_MEAN_SQUARE: (np.square, np.sqrt),
}


def averages(
    rows: pd.DataFrame,
    by: Sequence[str],
    value: str,
    *,
    mean: Mean = Mean.ARITHMETIC,
    within: Interval = UNBOUNDED,
) -> pd.DataFrame:
    """Average a column over draws.

    Args:
        rows: columns `by`, `value` and, where there are several draws, seed.
        by: the columns that are grouped by; the last one is the abscissa, the others identify the
            line that a point belongs to.
        value: the column that is averaged.
        mean: the kind of mean.
        within: the least and the greatest possible value.

    Returns:
        A row for each value of `by` that occurs, NaN among them: `by`, `value` (the mean; NaN where
        a draw of the line has no value, see `per_draw`), `n` (draws with a value), `draws` (draws
        of the line), `lower` and `upper` (see `interval`; NaN of up to FEW draws and where the mean
        is).
    """
    single = per_draw(rows, by, value, mean=mean)
    found = _means(single, by, value, mean)
    line = list(by[:-1])
    if line:
        draws = _groups(single, line)["seed"].nunique().rename("draws")
        found = found.join(draws, on=line)
    else:
        found["draws"] = single["seed"].nunique()
    found[value] = found[value].where(found["n"] == found["draws"])
    values = [own.to_numpy() for _, own in _groups(single, by)[value]]
    has_limits = found[value].notna() & (found["draws"] > FEW)
    limits = [
        interval(own, mean, within) if is_shown else UNDEFINED
        for own, is_shown in zip(values, has_limits, strict=True)
    ]
    found[["lower", "upper"]] = np.array(limits, float).reshape(-1, 2)
    return found


def per_draw(
    rows: pd.DataFrame, by: Sequence[str], value: str, *, mean: Mean = Mean.ARITHMETIC
) -> pd.DataFrame:
    """Return one value for each draw and combination of `by`: the mean of the draw's values.

    The arguments are those of `averages`. The mean is NaN if one of the draw's values is not
    finite, or is not positive and the mean is geometric.
    """
    seeds = rows["seed"] if "seed" in rows else 0
    frame = rows[list(by)].assign(seed=seeds, **{value: rows[value].astype(float)})
    is_usable = np.isfinite(frame[value]) & ((frame[value] > 0) | (mean is not Mean.GEOMETRIC))
    frame[value] = frame[value].where(is_usable)
    key = [*by, "seed"]
    if not frame.duplicated(key).any():
        return frame
    sizes = _groups(frame, key).size().to_numpy()
    found = _means(frame, key, value, mean)
    found[value] = found[value].where(found["n"].to_numpy() == sizes)
    return found.drop(columns="n")


def _means(frame: pd.DataFrame, by: Sequence[str], value: str, mean: Mean) -> pd.DataFrame:
    """Return the mean of each group's values that are not NaN, and n, how many there are."""
    largest = _groups(frame.assign(size=frame[value].abs()), by)["size"].transform("max")
    scale = largest.where(largest > 0, 1.0)  # every mean is proportional to it; v^2 may underflow
    there, back = TRANSFORMS[mean]
    scaled = frame.assign(scale=scale, power=there(frame[value] / scale))
    found: pd.DataFrame = (
        _groups(scaled, by)
        .agg(power=("power", "mean"), scale=("scale", "first"), n=(value, "count"))
        .reset_index()
    )
    found[value] = back(found["power"]) * found["scale"]
    return found[[*by, value, "n"]]


def _groups(frame: pd.DataFrame, by: Sequence[str]) -> Any:
    """Return the groups of rows with equal values of `by`; NaN is a value."""
    return frame.groupby(list(by), observed=True, dropna=False)


def average(values: ArrayLike, mean: Mean = Mean.ARITHMETIC) -> float:
    """Return the mean of values, one for each draw."""
    there, back = TRANSFORMS[mean]
    return float(back(np.mean(there(np.asarray(values, float)))))


def interval(
    values: Values, mean: Mean = Mean.ARITHMETIC, within: Interval = UNBOUNDED
) -> Interval:
    """Return the 95 % interval of the expected mean from independent draws.

    Geometric mean, and arithmetic mean without bounds: Student's t interval, of the logarithms or
    of the values.

    Arithmetic mean between two bounds (an accuracy): Wilson's score interval for a share. It
    assumes the variance p (1 - p), the largest that a variable of mean p can have between 0 and 1.
    So it allows for outcomes that few draws do not show: if a fifth of all networks collapses, five
    seeds include none of them in a third of all cases, and an interval from their standard
    deviation excludes the true mean.

    Root mean square, and arithmetic mean with one bound, as of a mean square or of R2: Cox's
    interval log m = mu + s^2 / 2 +- t sqrt(s^2 / n + s^4 / (2 (n - 1))) for log-normal values, or
    distances from the bound; m is the mean square of a root mean square. A value on the bound has
    no logarithm. There the interval is Student's t, cut at the bound.

    Coverage in 4000 simulated samples of 3 to 20 values: Student's t .95 (normal values); Wilson's
    at least .96 where a fifth of the values is .1 and the others about .97 (Student's t: .50 to
    .92), at least .82 for shares of 0 and 1 (exact); Cox's .92 to .95 for s up to 1; with up to a
    fifth of the values on the bound .84 to .96.

    Args:
        values: one for each draw, (n,).
        mean: the kind of mean.
        within: the least and the greatest possible value.

    Returns:
        The lower and the upper end, within the bounds. NaN for fewer than three values: the
        interval of two is 13 times as wide as their distance.

    >>> low, high = interval(np.array([1.0, 2.0, 3.0]))
    >>> f"{low:.3f} {high:.3f}"
    '-0.484 4.484'
    """
    if len(values) < 3:
        return UNDEFINED
    lower, upper = within
    if mean is Mean.GEOMETRIC:
        return _exp(_student(np.log(values)))
    if mean is Mean.ROOT_MEAN_SQUARE:
        return _root_mean_square(values)
    if math.isfinite(lower) and math.isfinite(upper):
        low, high = _wilson((values - lower) / (upper - lower))
        return lower + low * (upper - lower), lower + high * (upper - lower)
    if math.isfinite(lower):
        low, high = _positive(values - lower)
        return lower + low, lower + high
    if math.isfinite(upper):
        low, high = _positive(upper - values)
        return upper - high, upper - low
    return _student(values)


def half_width(values: ArrayLike) -> float:
    """Return half the width h of Student's 95 % interval m +- h of an arithmetic mean m."""
    values = np.asarray(values, float)
    t = stdtrit(len(values) - 1, 0.975)
    return float(t * np.std(values, ddof=1) / math.sqrt(len(values)))


def _student(values: Values) -> Interval:
    centre, half = float(values.mean()), half_width(values)
    return centre - half, centre + half


def _wilson(shares: Values) -> Interval:
    n, p, z = len(shares), float(shares.mean()), NORMAL
    centre = p + z**2 / (2 * n)
    half = z * math.sqrt(max(p * (1 - p), 0.0) / n + z**2 / (4 * n**2))
    return max((centre - half) / (1 + z**2 / n), 0.0), min((centre + half) / (1 + z**2 / n), 1.0)


def _root_mean_square(values: Values) -> Interval:
    scale = float(values.max()) or 1.0  # squares may leave the range of float64
    shares = values / scale
    low, high = _cox(2 * np.log(shares)) if shares.min() > 0 else _cut(np.square(shares))
    return scale * math.sqrt(low), scale * math.sqrt(high)


def _positive(values: Values) -> Interval:
    """Return the interval of the mean of values that are at least 0."""
    return _cox(np.log(values)) if values.min() > 0 else _cut(values)


def _cut(values: Values) -> Interval:
    low, high = _student(values)
    return max(low, 0.0), high


def _cox(logs: Values) -> Interval:
    n, variance = len(logs), float(logs.var(ddof=1))
    t = float(stdtrit(n - 1, 0.975))
    centre = float(logs.mean()) + variance / 2
    half = t * math.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    return _exp((centre - half, centre + half))


def _exp(ends: Interval) -> Interval:
    low, high = np.exp(ends)
    return float(low), float(high)
