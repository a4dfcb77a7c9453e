"""Verdicts of runs whose answer is known, by construction or by the numbers that training gave."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bpexp.analysis.signal import GRADIENT, Signal
from bpexp.analysis.summaries import decay
from bpexp.analysis.verdict import AXES, TRAINING, VERDICTS, Evidence, verdict
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


# Runs whose answer is known

SQUARED = Choice("squared_error")
LINEAR = Choice("squared_error", {"output": "identity"})
LOGISTIC = Choice("binary_cross_entropy")
TEACHER = {"data": ("teacher", {"examples": 300, "test": 100, "features": 6}), "cost": LINEAR}
SIGMOID_8 = {"activation": "sigmoid", "depth": 8}
LINEAR_8 = {"activation": "identity", "depth": 8, "scale": 3.0}


def biased(bias):
    """Return a change of a network that sets the biases of the outputs."""

    def change(network):
        network.layers[-1][0] = bias

    return change


def shrunk(factor):
    """Return a change of a network that scales the last layer."""

    def change(network):
        network.layers[-1][:] *= np.float32(factor)

    return change


def first_scaled(factor):
    """Return a change of a network that scales the first layer."""

    def change(network):
        network.layers[0][:] *= np.float32(factor)

    return change


def rising(rate):
    """A learning rate that rises from 0 to far above those at which training is stable."""
    return {"lr": rate, "schedule": Choice("constant", {"warmup": 400}), "epochs": 12, "depth": 3}


KNOWN = {
    # It learns: nothing in the way of the gradient, and a rate that suits.
    "relu": ("healthy preserved preserved learnt", {}),
    "relu deep": (
        "healthy preserved preserved learnt",
        {"depth": 8, "width": 32, "epochs": 6},
    ),
    **{
        name: (
            "healthy preserved preserved learnt",
            {"activation": name, "depth": 3, "lr": 0.1, "epochs": 8},
        )
        for name in ("leaky", "gelu", "selu", "elu", "softsign", "silu", "tanh", "softplus")
    },
    "no hidden layer": ("healthy preserved preserved learnt", {"depth": 0, "lr": 0.3, "epochs": 6}),
    "momentum": (
        "healthy preserved preserved learnt",
        {"optimizer": "momentum", "lr": 0.02, "epochs": 5},
    ),
    "a third of the way": ("healthy preserved preserved learnt", {"lr": 0.04}),
    "regression": (
        "healthy preserved preserved learnt",
        {**TEACHER, "activation": "tanh", "epochs": 10},
    ),
    "features frozen": (
        "healthy preserved preserved learnt",
        {"depth": 3, "frozen": 2, "lr": 0.1, "epochs": 6},
    ),
    # What is below the first trained layer is not in the way of its gradient.
    "frozen features saturated": (
        "healthy preserved preserved learnt",
        {"activation": "tanh", "change": first_scaled(100.0), "frozen": 1, "epochs": 12},
    ),
    "features saturated": (
        "saturated saturated saturated stalled",
        {"activation": "tanh", "change": first_scaled(100.0), "lr": 1e-4},
    ),
    # Outputs on the right asymptotes are no fault.
    "outputs right": (
        "healthy preserved preserved learnt",
        {"cost": SQUARED, "lr": 2.0, "epochs": 60, "activation": "tanh", "depth": 1},
    ),
    # In these costs g' cancels: an output on the wrong asymptote passes its error on.
    "softmax outputs wrong": (
        "healthy preserved preserved learnt",
        {"change": biased(np.arange(-20, 20, 4)), "epochs": 20},
    ),
    "logistic outputs wrong": (
        "healthy preserved preserved learnt",
        {"cost": LOGISTIC, "change": biased(-20), "epochs": 8},
    ),
    # The last layer starts at 0: its gradient does not, and the first step moves it.
    "branch that starts at 0": (
        "healthy preserved preserved learnt",
        {"change": shrunk(0), "epochs": 6},
    ),
    # Vanishing, and overcome by Adam: the first layer moves by more than its norm.
    "vanishing overcome": (
        "healthy vanishing preserved learnt",
        {"activation": "sigmoid", "depth": 4, "lr": 0.01, "optimizer": "adam", "epochs": 30},
    ),
    "exploding overcome": ("healthy exploding exploding learnt", {**LINEAR_8, "lr": 1e-4}),
    # The last layer learns from random features; the first is 1000 times slower.
    "first layer stands still": (
        "vanishing vanishing vanishing learnt",
        {"depth": 1, "width": 64, "change": shrunk(1e-3), "lr": 0.005, "epochs": 4},
    ),
    # It stalls: the gradient passes, and steps are too small or too few.
    "rate of 1e-7": ("stalled preserved preserved stalled", {"lr": 1e-7}),
    "one epoch": ("stalled preserved preserved stalled", {"depth": 8, "epochs": 1}),
    "one epoch, small": (
        "stalled preserved preserved stalled",
        {"depth": 4, "lr": 0.005, "epochs": 1},
    ),
    "regression, 1e-7": ("stalled preserved preserved stalled", {**TEACHER, "lr": 1e-7}),
    "all frozen": ("stalled preserved preserved stalled", {"frozen": 3}),
    "outputs from collapsed features": (
        "stalled preserved preserved stalled",
        {**SIGMOID_8, "frozen": 8, "lr": 0.1, "epochs": 6},
    ),
    "vanishing, but 1e-7": ("stalled vanishing vanishing stalled", {**SIGMOID_8, "lr": 1e-7}),
    "exploding, but 1e-12": ("stalled exploding exploding stalled", {**LINEAR_8, "lr": 1e-12}),
    "branch from 0, but 1e-7": (
        "stalled preserved vanishing stalled",
        {"change": shrunk(0), "lr": 1e-7},
    ),
    # It stalls: the chain of slopes and weights is at fault.
    "sigmoid deep": ("vanishing vanishing vanishing stalled", SIGMOID_8),
    "sigmoid deep, 0.3": ("vanishing vanishing vanishing stalled", {**SIGMOID_8, "lr": 0.3}),
    "sigmoid deeper, 1": (
        "vanishing vanishing vanishing stalled",
        {"activation": "sigmoid", "depth": 16, "lr": 1.0},
    ),
    "small weights": (
        "vanishing vanishing vanishing stalled",
        {"activation": "tanh", "depth": 8, "scale": 0.3},
    ),
    "regression, sigmoid deep": (
        "vanishing vanishing vanishing stalled",
        {**TEACHER, **SIGMOID_8},
    ),
    "float64, depth 90": (
        "vanishing vanishing vanishing stalled",
        {"activation": "sigmoid", "depth": 90, "epochs": 1, "dtype": "float64"},
    ),
    "float32, depth 90": (
        "dead dead dead stalled",
        {"activation": "sigmoid", "depth": 90, "epochs": 1},
    ),
    "large weights": ("exploding exploding exploding stalled", {**LINEAR_8, "lr": 1e-6}),
    "no relu is active": ("dead dead dead stalled", {"depth": 4, "bias": -1e3}),
    "no output is active": (
        "dead dead dead stalled",
        {"cost": Choice("squared_error", {"output": "relu"}), "change": biased(-1e3)},
    ),
    "relu at 0": ("dead dead dead stalled", {"scale": 0.0}),
    # A saddle: no weight ever gets a gradient, though tanh has its full slope there.
    "tanh at 0": ("dead preserved dead stalled", {"activation": "tanh", "scale": 0.0}),
    "hidden units saturated": (
        "saturated saturated saturated stalled",
        {"activation": "tanh", "depth": 4, "scale": 100.0, "lr": 1e-9},
    ),
    **{
        f"outputs at {bias}": (
            "saturated saturated saturated stalled",
            {"cost": SQUARED, "change": biased(bias)},
        )
        for bias in (-20, 20)
    },
    "outputs too large": (
        "saturated saturated saturated stalled",
        {"cost": SQUARED, "scale": 30.0},
    ),
    # Training wrecks it: the same networks learn at a smaller rate.
    "relu, 1": ("wrecked preserved dead wrecked", {"lr": 1.0, "epochs": 6}),
    "relu deep, 0.3": (
        "wrecked preserved vanishing wrecked",
        {"depth": 16, "lr": 0.3, "epochs": 6},
    ),
    "tanh, 30": (
        "wrecked preserved saturated wrecked",
        {"activation": "tanh", "depth": 4, "lr": 30.0, "epochs": 4},
    ),
    "adam, 1": ("wrecked preserved dead wrecked", {"optimizer": "adam", "lr": 1.0, "depth": 3}),
    "rate that rises": ("wrecked preserved dead wrecked", rising(3.0)),
    "rate that rises, tanh": (
        "wrecked preserved saturated wrecked",
        {**rising(10.0), "activation": "tanh"},
    ),
    "decay to 0": (
        "wrecked preserved vanishing wrecked",
        {"optimizer": Choice("sgd", {"weight_decay": 5.0}), "lr": 0.1, "depth": 3, "epochs": 5},
    ),
    # The cost overflows.
    "linear, 10": (
        "diverged preserved exploding diverged",
        {"activation": "identity", "depth": 4, "lr": 10.0},
    ),
    "relu, 1e6": ("diverged preserved exploding diverged", {"lr": 1e6}),
    "regression, 1e9": ("diverged preserved exploding diverged", {**TEACHER, "lr": 1e9}),
    "before training": (
        "diverged exploding exploding diverged",
        {"activation": "identity", "depth": 4, "scale": 1e12},
    ),
    # Nothing was trained.
    "untrained": ("preserved preserved preserved None", {"epochs": 0}),
    "untrained, sigmoid deep": ("vanishing vanishing vanishing None", {**SIGMOID_8, "epochs": 0}),
    "untrained, large": ("exploding exploding exploding None", {**LINEAR_8, "epochs": 0}),
    "untrained, inactive": ("dead dead dead None", {"bias": -1e3, "epochs": 0}),
}


def trained(
    *,
    data=("digits", {"limit": 300}),
    activation="relu",
    depth=2,
    width=16,
    scale=1.0,
    bias=0.0,
    change=lambda network: None,
    cost="cross_entropy",
    dtype="float32",
    probe_every=0,
    **arguments,
):
    """Train a network and return the evidence of its verdict."""
    given = load(data[0], **data[1])
    sizes = [given.n_features, *[width] * depth, given.n_outputs]
    network = Network.create(
        sizes, activation=activation, cost=cost, task=given.task, seed=0, dtype=dtype
    )
    network.theta *= np.asarray(scale, dtype)
    network.layers[0][0] += np.asarray(bias, dtype)
    change(network)
    chosen = {"lr": 0.05, "epochs": 3, "batch_size": 16, "probe_every": probe_every, **arguments}
    history = train(network, given, **chosen)
    broken = not np.isfinite(history[-1].metrics["loss/train"])
    return Evidence.of(
        [{**seen.layers, **seen.arrays} for seen in history if seen.layers],
        [seen.metrics for seen in history if seen.metrics],
        task=TASKS[given.task],
        chance=given.chance,
        frozen=chosen.get("frozen", 0),
        diverged_at=history[-1].step if broken else None,
    )


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", KNOWN)
def test_verdicts_of_runs_whose_answer_is_known(name):
    words, run = KNOWN[name]
    found = verdict(trained(**run))
    got = f"{found.word} {found.gradient_start} {found.gradient_end} {found.training}"
    assert got == words, found.evidence


def test_every_word_is_named_by_a_known_run():
    assert len(KNOWN) >= 40
    columns = list(zip(*(words.split() for words, _ in KNOWN.values()), strict=True))
    assert {*columns[0]} == {*VERDICTS}
    assert {*columns[1]} == {*columns[2]} == {*GRADIENT}
    assert {*columns[3]} == {*TRAINING, "None"}


@pytest.mark.parametrize("name", ["relu, 1", "relu deep, 0.3", "tanh, 30"])
def test_wrecked_networks_learn_at_a_smaller_rate(name):
    run = {**KNOWN[name][1], "lr": 0.05, "epochs": 25}
    assert verdict(trained(**run)).training == "learnt"


def test_the_evidence_is_a_sentence_of_the_runs_numbers():
    found = verdict(trained(epochs=12, depth=3))
    assert re.fullmatch(
        r"The gradient that reaches the first trained layer is \S+ times the last layer's at "
        r"step 0 and \S+ times the last layer's at the end; accuracy came \d+% of the way from "
        r"guessing, the cost fell from \S+ to \S+, and the first trained layer moved by \S+ of "
        r"its norm\.",
        found.evidence,
    )
    assert [*found.fields()] == ["verdict", *AXES, "evidence"]
    assert "verdict/training" not in verdict(trained(epochs=0)).fields()
    diverged = verdict(trained(activation="identity", depth=4, lr=10.0)).evidence
    assert re.search(r"; the cost is not finite at step \d+\.$", diverged)


@pytest.mark.parametrize("name", ["relu", "sigmoid deep", "relu deep, 0.3", "linear, 10"])
@pytest.mark.parametrize("every", [None, 1, 3])
def test_a_verdict_does_not_depend_on_how_often_a_run_is_measured(name, every):
    run = KNOWN[name][1]
    assert verdict(trained(**run, probe_every=every)) == verdict(trained(**run))


def test_a_verdict_does_not_change_with_the_scale_of_the_cost():
    run = {"activation": "sigmoid", "depth": 6}
    found = [
        verdict(trained(**run, cost=Choice("squared_error", {"factor": factor}), lr=0.1 / factor))
        for factor in (1.0, 0.5)
    ]
    assert [*found[0].fields().values()][:-1] == [*found[1].fields().values()][:-1]


def test_a_score_that_falls_back_to_guessing_is_wrecked_though_the_cost_fell():
    metrics = [
        {"accuracy/train": score, "loss/train": 2.3, "distance/first": 1.0, "distance/last": 1.0}
        for score in (0.1, 0.6, 0.12)
    ]
    probe = {
        name: np.ones(3) * value
        for name, value in {
            "delta_norm": 1.0, "zero_share": 0.0, "subnormal_share": 0.0, "dead": 0.0,
            "saturation": np.nan,
        }.items()
    }  # fmt: skip

    def word(metrics, chance=0.1):
        task = TASKS["classification"]
        return verdict(Evidence.of([probe, probe], metrics, task=task, chance=chance)).word

    assert word(metrics) == "wrecked"
    assert word(metrics[:2]) == "healthy"
    assert word([metrics[1], metrics[1]]) == "stalled", "no better than at step 0"


def probe_of(**changes):
    """Return a probe of a network of four layers whose last layer of weights is 0 at step 0."""
    given = {
        "delta_norm": [0, 0, 0, 1.0], "zero_share": [1, 1, 1, 0], "subnormal_share": [0] * 4,
        "dead": [0, 0, 0, np.nan], "saturation": [np.nan] * 4,
    } | changes  # fmt: skip
    return {name: np.array(values, float) for name, values in given.items()}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "preserved"),
        # A branch of ReLU units whose weights start at 0 has no slopes; the signal ends above it.
        ({"dead": [0, 1, 0, np.nan]}, "preserved"),
        ({"dead": [0, 0, 1, np.nan]}, "dead"),
        ({"subnormal_share": [0, 0, 0, 0.1]}, "dead"),
        ({"delta_norm": [0, 0, 0, 0]}, "dead"),
    ],
)
def test_zeros_by_construction_are_not_called_dead(changes, word):
    found = Signal.of(probe_of(**changes), first=0, start=True, wrong=True)
    assert found.word == word
    assert Signal.of(probe_of(**changes), first=0, start=False, wrong=True).word == "dead"


def test_no_error_is_no_death():
    probe = probe_of(delta_norm=[0, 0, 0, 0])
    assert Signal.of(probe, first=0, start=False, wrong=False).word == "preserved"
