"""Schedules against factors by hand, and training against plain loops of every optimizer."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bpexp
from bpexp.data import load
from bpexp.nn import OPTIMIZERS, Architecture, Choice, Network
from bpexp.nn.choices import as_choice
from bpexp.nn.initializers import batch_order
from bpexp.nn.stack import Stack, initial_theta
from bpexp.training import SCHEDULES, STOPS, Trainer, run
from bpexp.training.rates import LearningRates

DIGITS = load("digits", limit=100)
BATCH, EPOCHS = 32, 3
STEPS = EPOCHS * 4  # batches of 32, 32, 32 and 4
VARYING = {
    "warm": Choice("constant", {"warmup": 5}),
    "step": Choice("step", {"factor": 0.5, "every": 3}),
    "warm step": Choice("step", {"factor": 0.5, "every": 3, "warmup": 2}),
    "cosine": Choice("cosine", {"final": 0.1}),
    "warm cosine": Choice("cosine", {"warmup": 4}),
    "linear": Choice("linear"),
    "warm linear": Choice("linear", {"final": 0.2, "warmup": 3}),
}
# The factors of twelve steps, by hand.
FACTORS = {
    "warm": [0.2, 0.4, 0.6, 0.8] + [1.0] * 8,
    "step": [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125],
    "warm step": [0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125],
    "cosine": [0.1 + 0.45 * (1 + math.cos(math.pi * k / 12)) for k in range(12)],
    "warm cosine": [0.25, 0.5, 0.75, 1.0]
    + [0.5 + 0.5 * math.cos(math.pi * k / 8) for k in range(8)],
    "linear": [1 - k / 12 for k in range(12)],
    "warm linear": [1 / 3, 2 / 3, 1.0] + [1 - 0.8 * k / 9 for k in range(9)],
}


@pytest.mark.parametrize("name", VARYING)
def test_factors_are_those_by_hand(name):
    schedule = VARYING[name].build(SCHEDULES)
    found = [schedule.factor(step, STEPS) for step in range(1, STEPS + 1)]
    np.testing.assert_allclose(found, FACTORS[name], rtol=1e-12, atol=0)
    assert max(found) <= 1
    assert schedule.varies


def test_after_the_last_step_the_rate_stays_at_its_final_value():
    assert VARYING["cosine"].build(SCHEDULES).factor(100, STEPS) == pytest.approx(0.1)
    assert VARYING["linear"].build(SCHEDULES).factor(100, STEPS) == 0


def test_a_constant_rate_does_not_vary():
    schedule = SCHEDULES["constant"]()
    assert not schedule.varies
    assert {schedule.factor(step, 10) for step in range(1, 11)} == {1.0}


def test_a_warmup_longer_than_training_ends_below_the_rate():
    schedule = SCHEDULES["cosine"](warmup=20)
    assert [schedule.factor(step, 2) for step in (1, 2)] == [1 / 20, 2 / 20]


def trainer(schedule, seeds=(0,), rates=(0.1,), optimizer="sgd", dtype="float64", batch=BATCH):
    architecture = Architecture.dense((64, 12, 10), "tanh")
    rows = [initial_theta(architecture, Choice("glorot_normal"), seed) for seed in seeds]
    return Trainer(
        Stack.of(architecture, rows, dtype),
        DIGITS,
        learning_rates=rates,
        seeds=seeds,
        optimizer=as_choice(optimizer, "optimizer", OPTIMIZERS),
        batch_size=batch,
        schedule=schedule,
        epochs=EPOCHS,
    )


def go(trained, stop=None, probe_every=None):
    """Train to the end: {row: (metrics of every record, final theta)}."""
    seen, final = {}, {}
    for record in run(
        trained, epochs=EPOCHS, stop=stop or STOPS["none"](), probe_every=probe_every
    ):
        for r, row in enumerate(record.rows.tolist()):
            seen.setdefault(row, []).append(record.of(r).metrics)
            if record.ended[r]:
                final[row] = trained.stack.theta[r].copy()
    return {row: (repr(seen[row]), final[row].tobytes()) for row in seen}, final


def loop(network, rates, optimizer, seed=0, batch=BATCH):
    """Train as each rule's paper states it, with the rate of every step given."""
    parameters = {"weight_decay": 0.0, "clip_norm": None, **optimizer.parameters}
    theta, m, v = network.theta, 0.0, 0.0
    is_weight = np.concatenate(
        [np.repeat([0.0, 1.0], [layer.shape[1], layer[1:].size]) for layer in network.layers]
    )
    orders = [batch_order(seed, epoch, len(DIGITS.x_train)) for epoch in range(1, EPOCHS + 1)]
    batches = [order[i : i + batch] for order in orders for i in range(0, len(order), batch)]
    for t, (index, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        gradients = network.gradients(DIGITS.x_train[index], DIGITS.y_train[index])
        g = np.concatenate([gradient.ravel() for gradient in gradients])
        if parameters["clip_norm"]:
            g *= min(1, parameters["clip_norm"] / np.linalg.norm(g))
        g += parameters["weight_decay"] * is_weight * theta
        if optimizer.name == "sgd":
            theta -= rate * g
        elif optimizer.name == "momentum":
            v = 0.9 * v - rate * g
            theta += v
        elif optimizer.name == "nesterov":
            v = 0.9 * v - rate * g
            theta += 0.9 * v - rate * g
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            theta -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return theta


@pytest.mark.parametrize("changed", [{}, {"weight_decay": 0.02, "clip_norm": 0.3}], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", VARYING)
def test_training_follows_a_loop_with_the_rates_by_hand(name, optimizer, changed):
    """Also with rates above 1, of which only a part enters backpropagation."""
    choice = Choice(optimizer, changed)
    rates = [0.01, 0.003, 0.02] if optimizer == "adam" else [0.1, 0.02, 1.5]
    trained = trainer(VARYING[name], (0, 1, 2), rates, choice)
    starts = trained.stack.theta.copy()
    _, final = go(trained)
    for seed, (start, lr) in enumerate(zip(starts, rates, strict=True)):
        network = Network(trained.stack.architecture, start)
        expected = loop(network, [lr * f for f in FACTORS[name]], choice, seed)
        np.testing.assert_allclose(final[seed], expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_scale_of_one_is_written_too(optimizer):
    """Batches of one at a rate of 1, where a constant rate leaves out the product."""
    trained = trainer("linear", rates=[1.0], optimizer=optimizer, batch=1)
    network = Network(trained.stack.architecture, trained.stack.theta[0].copy())
    steps = EPOCHS * len(DIGITS.x_train)
    _, final = go(trained)
    expected = loop(network, [1 - k / steps for k in range(steps)], Choice(optimizer), batch=1)
    np.testing.assert_allclose(final[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", [Choice("sgd"), Choice("sgd", {"clip_norm": 1.0})], ids=str)
@pytest.mark.parametrize("name", VARYING)
def test_bits_do_not_depend_on_the_stack_probes_or_resumption(name, optimizer):
    schedule, seeds, rates = VARYING[name], (0, 1, 2), (0.1, 1e9, 1.5)
    together, _ = go(trainer(schedule, seeds, rates, optimizer, "float32"))
    for row in range(3):
        one, rate = seeds[row : row + 1], rates[row : row + 1]
        alone, _ = go(trainer(schedule, one, rate, optimizer, "float32"))
        assert together[row] == alone[0]
    looked_at, _ = go(trainer(schedule, dtype="float32"), probe_every=1)
    plain, _ = go(trainer(schedule, dtype="float32"))
    assert looked_at[0][1] == plain[0][1]
    first, second = (trainer(schedule, dtype="float32") for _ in range(2))
    for record in run(first, epochs=EPOCHS, stop=STOPS["none"]()):
        if record.epoch == 2:
            second.restore([{k: v.copy() for k, v in first.state(0).items()}])
            break
    assert go(second)[0][0][1] == plain[0][1]


def test_a_constant_rate_is_written_in_no_step(monkeypatch):
    monkeypatch.setattr(LearningRates, "write", None)
    go(trainer("constant"))
    with pytest.raises(TypeError):
        go(trainer("cosine"))


def test_a_stop_rule_ends_a_run_early_with_the_rates_of_the_whole():
    rule = STOPS["patience"](epochs=1, min_delta=100.0)
    ended, whole = (
        [record.metrics for record in run(trainer("cosine"), epochs=EPOCHS, stop=stop)]
        for stop in (rule, STOPS["none"]())
    )
    assert len(ended) == len(whole) - 1 == 3
    assert repr(ended) == repr(whole[:3])


def test_train_takes_a_schedule():
    network = Network.create([64, 12, 10], activation="tanh", dtype="float64")
    start = Network(network.architecture, network.theta.copy())
    schedule = VARYING["warm linear"]
    bpexp.train(network, DIGITS, lr=0.2, epochs=EPOCHS, schedule=schedule)
    expected = loop(start, [0.2 * factor for factor in FACTORS["warm linear"]], Choice("sgd"))
    np.testing.assert_allclose(network.theta, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("constant", {"warmup": -1}, "warmup: -1 is not an integer of at least 0"),
        ("step", {"factor": 0.0}, "factor: 0.0 is not a number above 0 and at most 1"),
        ("step", {"factor": 1.5}, "factor: 1.5 is not"),
        ("step", {"every": 0}, "every: 0 is not an integer of at least 1"),
        ("cosine", {"final": 1.1}, r"final: 1.1 is not a number in \[0, 1\]"),
        ("linear", {"final": -0.1}, "final: -0.1 is not"),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters, told):
    with pytest.raises(ValueError, match=told):
        SCHEDULES[name](**parameters)
