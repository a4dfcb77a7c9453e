"""Averages over draws against plain loops, and their intervals against simulated samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bpexp.analysis.averages import FEW, SHARE, Mean, averages, half_width, interval, per_draw

POSITIVE = (0.0, np.inf)
OF = {
    Mean.ARITHMETIC: np.mean,
    Mean.GEOMETRIC: stats.gmean,
    Mean.ROOT_MEAN_SQUARE: lambda values: np.sqrt(np.mean(np.square(values))),
}


def table(values):
    """Return rows of `values[line, x]`, a list over seeds."""
    return pd.DataFrame(
        {"line": line, "x": x, "seed": seed, "y": value}
        for (line, x), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    )


@pytest.mark.parametrize("mean", Mean)
def test_a_mean_is_over_all_draws_of_the_line_or_missing(mean):
    values = {
        ("a", 1): [1.0, 2.0, 4.0],
        ("a", 2): [1.0, np.nan, 4.0],  # a seed diverged
        ("a", 3): [1.0, 2.0],  # a seed stopped
        ("a", 4): [np.inf, 1.0, 1.0],
        ("b", 1): [3.0],
        ("b", 2): [0.0],
    }
    found = averages(table(values), ["line", "x"], "y", mean=mean).set_index(["line", "x"])
    assert found["draws"].to_dict() == {key: 3 if key[0] == "a" else 1 for key in values}
    zero = 0 if mean is Mean.GEOMETRIC else 1
    assert found["n"].tolist() == [3, 2, 2, 2, 1, zero]
    assert found.loc[("a", 1), "y"] == pytest.approx(OF[mean](values["a", 1]), rel=1e-15)
    assert found.loc["a", "y"].iloc[1:].isna().all()
    assert found.loc[("b", 1), "y"] == pytest.approx(3.0)
    assert found.loc[("b", 2), "y"] == pytest.approx(0 if zero else np.nan, nan_ok=True)
    assert found[["lower", "upper"]].isna().all(axis=None)  # few draws


@pytest.mark.parametrize("mean", Mean)
def test_values_of_one_draw_count_once(mean):
    rng = np.random.default_rng(0)
    own = rng.lognormal(size=(FEW + 1, 7))
    rows = pd.DataFrame(
        {"x": 0, "seed": seed, "y": value} for seed, values in enumerate(own) for value in values
    )
    of_seeds = np.array([OF[mean](values) for values in own])
    np.testing.assert_allclose(per_draw(rows, ["x"], "y", mean=mean)["y"], of_seeds, rtol=1e-12)
    (found,) = averages(rows, ["x"], "y", mean=mean).itertuples()
    assert (found.n, found.draws) == (FEW + 1, FEW + 1)
    assert found.y == pytest.approx(OF[mean](of_seeds), rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx(interval(of_seeds, mean), rel=1e-9)
    rows.loc[3, "y"] = np.nan
    assert per_draw(rows, ["x"], "y", mean=mean)["y"].isna().tolist() == [True] + [False] * FEW


def test_squares_of_small_norms_do_not_underflow():
    rows = table({("a", 1): [3e-200, 4e-200]})
    (found,) = averages(rows, ["line", "x"], "y", mean=Mean.ROOT_MEAN_SQUARE)["y"]
    assert found == pytest.approx(np.sqrt(12.5) * 1e-200, rel=1e-14, abs=0)


@pytest.mark.parametrize("line", ["a", None, np.nan])
def test_a_line_without_a_name_is_averaged_too(line):
    """As a parameter that some of the choices compared do not have."""
    rows = table({("b", 1): [1.0, 3.0], (line, 1): [2.0] * (FEW + 1), (line, 2): [5.0]})
    found = averages(pd.concat([rows, rows]), ["line", "x"], "y")
    own = found[found["line"] == "a"] if line == "a" else found[found["line"].isna()]
    assert own["n"].tolist() == [FEW + 1, 1]
    assert own["draws"].tolist() == [FEW + 1] * 2
    np.testing.assert_array_equal(own[["y", "lower", "upper"]], [[2.0] * 3, [np.nan] * 3])


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_interval_of_a_root_mean_square_is_in_proportion_to_the_values(size):
    values = np.array([1.0, 2.0, 3.0])
    expected = np.array(interval(values, Mean.ROOT_MEAN_SQUARE))
    found = interval(size * values, Mean.ROOT_MEAN_SQUARE)
    np.testing.assert_allclose(found, size * expected, rtol=1e-12)


def test_the_interval_of_a_root_mean_square_is_that_of_the_mean_of_a_log_normal_variable():
    """Cox's interval of log-normal squares (Zhou & Gao 1997), written out for four values."""
    logs = [2 * np.log(value) for value in (1.0, 2.0, 3.0, 5.0)]
    mean = sum(logs) / 4
    variance = sum((one - mean) ** 2 for one in logs) / 3
    half = stats.t.ppf(0.975, 3) * (variance / 4 + variance**2 / 6) ** 0.5
    ends = [np.exp((mean + variance / 2 + side * half) / 2) for side in (-1, 1)]
    found = interval(np.array([1.0, 2.0, 3.0, 5.0]), Mean.ROOT_MEAN_SQUARE)
    np.testing.assert_allclose(found, ends, rtol=1e-12)


def test_intervals_without_bounds_are_students():
    values = np.random.default_rng(1).normal(3, 2, 9)
    expected = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert interval(values) == pytest.approx(expected)
    assert half_width(values) == pytest.approx((expected[1] - expected[0]) / 2)
    found = interval(np.exp(values), Mean.GEOMETRIC)
    assert found == pytest.approx(tuple(np.exp(expected)))
    assert np.isnan(interval(values[:2])).all()


@pytest.mark.parametrize(("n", "k"), [(6, 0), (6, 5), (6, 6), (20, 13)])
def test_the_interval_of_a_share_is_wilsons(n, k):
    values = np.array([1.0] * k + [0.0] * (n - k))
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert interval(values, within=SHARE) == pytest.approx(tuple(expected), abs=1e-6)
    wide = interval(10 * values - 5, within=(-5.0, 5.0))
    assert wide == pytest.approx(tuple(10 * np.array(expected) - 5), abs=1e-5)


@pytest.mark.parametrize("n", [3, 6, 20])
def test_a_share_is_covered_as_often_as_the_docstring_says(n):
    ends = np.array([interval(1.0 * (np.arange(n) < k), within=SHARE) for k in range(n + 1)])
    shares = np.linspace(1e-4, 1 - 1e-4, 9999)[:, None]
    covers = (ends[:, 0] <= shares) & (shares <= ends[:, 1])
    covered = (stats.binom.pmf(np.arange(n + 1), n, shares) * covers).sum(axis=1)
    assert 0.82 <= covered.min() <= 0.84


def test_a_value_on_the_bound_leaves_an_interval_within_it():
    values = np.array([0.0, 1.0, 2.0])
    low, high = stats.t.interval(0.95, 2, 1.0, stats.sem(values))
    assert low < 0
    assert interval(values, within=POSITIVE) == pytest.approx((0.0, high))
    assert interval(1 - values, within=(-np.inf, 1.0)) == pytest.approx((1 - high, 1.0))
    ends = stats.t.interval(0.95, 2, 5 / 3, stats.sem(values**2))
    found = interval(values, Mean.ROOT_MEAN_SQUARE)
    assert found == pytest.approx((0.0, np.sqrt(ends[1])))


def collapsed(rng, n):
    """Accuracies of networks of which a fifth collapses."""
    return np.where(rng.random(n) < 0.2, 0.1, rng.uniform(0.96, 0.98, n))


def learnt(rng, n):
    return rng.uniform(0.96, 0.98, n)


def log_normal(rng, n):
    return np.exp(0.7 * rng.standard_normal(n))


def r2(rng, n):
    return 1 - 0.1 * log_normal(rng, n)


@pytest.mark.parametrize(
    ("draw", "truth", "mean", "within", "least"),
    [
        (collapsed, 0.8 * 0.97 + 0.2 * 0.1, Mean.ARITHMETIC, SHARE, 0.95),
        (learnt, 0.97, Mean.ARITHMETIC, SHARE, 0.95),
        (log_normal, np.exp(0.49 / 2), Mean.ARITHMETIC, POSITIVE, 0.92),
        (log_normal, np.exp(0.49), Mean.ROOT_MEAN_SQUARE, (-np.inf, np.inf), 0.9),
        (log_normal, 1.0, Mean.GEOMETRIC, (-np.inf, np.inf), 0.93),
        (r2, 1 - 0.1 * np.exp(0.49 / 2), Mean.ARITHMETIC, (-np.inf, 1.0), 0.92),
    ],
)
@pytest.mark.parametrize("n", [FEW + 1, 20])
def test_intervals_cover_the_truth_and_stay_within_their_bounds(
    draw, truth, mean, within, least, n
):
    rng = np.random.default_rng(2)
    ends = np.array([interval(draw(rng, n), mean, within) for _ in range(1500)])
    covered = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    assert covered.mean() >= least - 2 * np.sqrt(least * (1 - least) / 1500)
    assert (ends[:, 0] >= within[0]).all()
    assert (ends[:, 1] <= within[1]).all()


def test_an_interval_from_the_scatter_alone_does_not_cover_a_rare_collapse():
    rng = np.random.default_rng(2)
    truth = 0.8 * 0.97 + 0.2 * 0.1
    ends = np.array([interval(collapsed(rng, FEW + 1)) for _ in range(500)])
    assert ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() < 0.8
