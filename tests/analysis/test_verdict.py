"""The decay rate against hand-made decays, the verdict against runs whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.analysis.summaries import decay
from bpexp.analysis.verdict import VERDICTS, Evidence, verdict
from bpexp.data import load
from bpexp.nn import Choice, Network
from bpexp.nn.tasks import TASKS
from bpexp.training import train


def test_a_geometric_decay_has_its_rate():
    found = decay(np.exp(-1.2 * np.arange(9)[::-1]))
    assert found["gradient/decay_rate"] == pytest.approx(-1.2, rel=1e-12)
    assert found["gradient/decay_rate_se"] == pytest.approx(0, abs=1e-12)
    assert found["gradient/first_to_last"] == pytest.approx(np.exp(-9.6), rel=1e-12)


def test_the_standard_error_is_that_of_the_increments():
    norms = np.array([1.0, 4.0, 2.0, 8.0])
    increments = np.log([1 / 4, 2, 1 / 4])
    found = decay(norms)
    assert found["gradient/decay_rate"] == pytest.approx(increments.mean(), rel=1e-12)
    expected = increments.std(ddof=1) / np.sqrt(3)
    assert found["gradient/decay_rate_se"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("norms", "keys"),
    [
        ([1.0], {"gradient/first_to_last"}),
        ([1.0, 2.0], {"gradient/first_to_last"}),
        ([0.0, 1.0, 2.0], set()),
        ([np.nan, 1.0, 2.0], set()),
        ([np.inf, 1.0, 2.0], set()),
    ],
)
def test_what_is_not_defined_is_absent(norms, keys):
    assert set(decay(np.array(norms))) == keys


def trained(
    activation, depth, *, lr=0.05, epochs=15, init="he_normal", scale=1.0, bias=0.0, frozen=0
):
    data = load("digits")
    network = Network.create([64, *[32] * depth, 10], activation=activation, init=init, seed=0)
    network.theta *= np.float32(scale)
    network.layers[0][0] += np.float32(bias)
    history = train(network, data, lr=lr, epochs=epochs, batch_size=16, frozen=frozen)
    broken = not np.isfinite(history[-1].metrics["loss/train"])
    return Evidence.of(
        [seen.layers for seen in history],
        [seen.metrics for seen in history],
        task=TASKS[data.task],
        chance=data.chance,
        frozen=frozen,
        diverged_at=history[-1].step if broken else None,
    )


@pytest.mark.parametrize(
    ("expected", "run"),
    [
        ("healthy", {"activation": "sigmoid", "depth": 2, "epochs": 25}),
        ("vanishing", {"activation": "sigmoid", "depth": 8}),
        ("healthy", {"activation": "relu", "depth": 2}),
        ("healthy", {"activation": "relu", "depth": 8}),
        ("healthy", {"activation": "leaky", "depth": 0}),
        ("vanishing", {"activation": "tanh", "depth": 8, "scale": 0.3, "epochs": 3}),
        ("exploding", {"activation": "identity", "depth": 8, "scale": 3.0, "lr": 1e-12}),
        ("saturated", {"activation": "tanh", "depth": 4, "scale": 100.0, "lr": 1e-9}),
        ("dead", {"activation": "relu", "depth": 4, "bias": -1e3, "epochs": 2}),
        ("dead", {"activation": "relu", "depth": 2, "lr": 1e6, "epochs": 2}),
        ("diverged", {"activation": "identity", "depth": 4, "lr": 10.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_verdicts_of_runs_whose_answer_is_known(expected, run):
    word, evidence = verdict(trained(**run))
    assert word == expected, evidence
    assert word in VERDICTS
    assert evidence


def test_a_verdict_does_not_change_with_the_scale_of_the_cost():
    data = load("digits", limit=300)
    words = set()
    for factor in (1.0, 0.5):
        cost = Choice("squared_error", {"factor": factor})
        network = Network.create([64, *[16] * 6, 10], activation="sigmoid", cost=cost)
        history = train(network, data, lr=0.1 / factor, epochs=3)
        layers, metrics = zip(*((seen.layers, seen.metrics) for seen in history), strict=True)
        words.add(verdict(Evidence.of(layers, metrics, task=TASKS[data.task], chance=data.chance)))
    assert len(words) == 1


EVIDENCE = {
    "diverged_at": None,
    "factor_first": 1.0,
    "factor_last": 1.0,
    "zero_gradient": False,
    "dead": 0.0,
    "saturation": 0.0,
    "moved": 1.0,
    "cost_first": 2.3,
    "cost_last": 0.1,
    "metric": "accuracy",
    "gained": 0.9,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "healthy"),
        ({"factor_first": 0.01}, "healthy"),  # overcome: it moved and the cost fell
        ({"factor_first": 0.01, "moved": 0.01}, "vanishing"),
        ({"factor_first": 0.01, "cost_last": 2.29}, "vanishing"),
        ({"factor_first": 0.01, "gained": 0.05}, "vanishing"),  # a bad start left, nothing learnt
        ({"factor_first": 100.0, "cost_last": 2.29}, "exploding"),
        ({"factor_first": 100.0, "gained": 0.05}, "exploding"),
        (
            {"factor_first": 100.0, "moved": 0.01},
            "healthy",
        ),  # the first layer is the one that gets most
        ({"factor_last": 0.01, "cost_last": 2.29}, "vanishing"),
        ({"cost_last": 2.29}, "healthy"),  # a gradient that passes is healthy, learning or not
        ({"factor_first": float("nan")}, "healthy"),
        ({"saturation": 0.95, "factor_first": 0.01}, "saturated"),
        ({"dead": 1.0, "saturation": 0.95}, "dead"),
        ({"zero_gradient": True}, "dead"),
        ({"diverged_at": 3, "dead": 1.0}, "diverged"),
        ({"cost_first": float("nan"), "cost_last": float("nan")}, "diverged"),
    ],
)
def test_the_first_rule_that_holds_decides(changes, expected):
    assert verdict(Evidence(**{**EVIDENCE, **changes}))[0] == expected
