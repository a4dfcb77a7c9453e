"""The best learning rate, against scores whose best is known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from bpexp.analysis.rates import at_best_rate

RATES = (0.01, 0.1, 1.0, 10.0)
SCORES = {  # on the training split, by rate
    "relu": (0.3, 0.9, 0.95, None),
    "tanh": (0.8, 0.7, 0.1, 0.1),
    "sigmoid": (0.1, 0.2, 0.15, 0.1),
}


def grid(seeds=range(5)):
    rows = []
    for (name, values), seed in itertools.product(SCORES.items(), seeds):
        for lr, score in zip(RATES, values, strict=True):
            lost = score is None
            own = {"activation": name, "lr": lr, "seed": seed, "task": "classification"}
            own |= {"chance": 0.1, "diverged_at": 3.0 if lost else np.nan}
            own |= {"accuracy/train": np.nan if lost else score, "run": f"{name}{lr}{seed}"}
            rows.append({**own, "accuracy/test": np.nan if lost else score - 0.01 * seed})
    return pd.DataFrame(rows)


def test_each_configuration_has_its_own_rate_on_seeds_that_did_not_choose_it():
    found = at_best_rate(grid(), ["activation"])
    best = found.groupby("activation")["lr"].unique().map(list).to_dict()
    assert best == {"relu": [1.0], "tanh": [0.01], "sigmoid": [0.1]}
    assert found["seed"].value_counts().to_dict() == {2: 3, 3: 3, 4: 3}
    spans = found.groupby("activation")[["trains_from", "trains_to", "rates"]].first()
    assert spans.loc["relu"].tolist() == [0.1, 1.0, 2]
    assert spans.loc["tanh"].tolist() == [0.01, 0.1, 2]
    assert spans.loc["sigmoid", "rates"] == 0
    assert spans.loc["sigmoid", ["trains_from", "trains_to"]].isna().all()


def test_what_the_reported_seeds_score_chooses_nothing():
    runs = grid()
    runs.loc[(runs["seed"] >= 2) & (runs["lr"] == 0.1), "accuracy/train"] = 1.0
    found = at_best_rate(runs, ["activation"])
    assert set(found.loc[found["activation"] == "relu", "lr"]) == {1.0}
    runs.loc[(runs["seed"] < 2) & (runs["lr"] == 0.1), "accuracy/train"] = 1.0
    found = at_best_rate(runs, ["activation"])
    assert set(found["lr"]) == {0.1}


def test_a_rate_trains_if_half_of_the_reported_seeds_did():
    runs = grid(range(6))
    mine = (runs["activation"] == "relu") & (runs["lr"] == 0.1)
    runs.loc[mine & (runs["seed"] < 4), "accuracy/train"] = 0.2
    assert at_best_rate(runs, ["activation"])["rates"].max() == 2
    runs.loc[mine & (runs["seed"] < 5), "accuracy/train"] = 0.2
    found = at_best_rate(runs, ["activation"]).set_index("activation")
    assert set(found.loc["relu", "rates"]) == {1}


def test_the_best_of_noise_is_no_better_on_the_seeds_reported():
    rng = np.random.default_rng(0)
    rows = [
        {"activation": name, "lr": lr, "seed": seed, "task": "classification", "chance": 0.1,
         "accuracy/train": rng.normal(0.5, 0.1)}
        for name in range(300) for lr in range(6) for seed in range(4)
    ]  # fmt: skip
    found = at_best_rate(pd.DataFrame(rows), ["activation"])
    assert found["accuracy/train"].mean() == pytest.approx(0.5, abs=4 * 0.1 / np.sqrt(600))


def test_without_further_seeds_nothing_is_reported():
    assert at_best_rate(grid(range(2)), ["activation"]).empty
