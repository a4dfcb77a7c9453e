"""Training on targets that are numbers: steps, scores, stop rules, stacks, resuming."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error, r2_score

from bpexp.data import load
from bpexp.nn import OPTIMIZERS, Choice, Network
from bpexp.nn.choices import as_choice
from bpexp.nn.initializers import batch_order
from bpexp.nn.stack import Stack
from bpexp.training import Trainer, evaluation, run, train
from bpexp.training.stopping import STOPS

TEACHER = load("teacher", outputs=2, features=5, examples=200, test=60)
NONE = STOPS["none"]()


def network(seed=0, dtype="float64", data=TEACHER):
    sizes = [data.n_features, 12, 12, data.n_outputs]
    return Network.create(sizes, activation="tanh", task="regression", seed=seed, dtype=dtype)


def make(seeds=(0,), rates=(0.02,), optimizer="momentum", dtype="float32"):
    rows = [network(seed, dtype).theta for seed in seeds]
    return Trainer(
        Stack.of(network().architecture, rows, dtype),
        TEACHER,
        learning_rates=rates,
        seeds=seeds,
        optimizer=as_choice(optimizer, "optimizer", OPTIMIZERS),
        batch_size=32,
        epochs=3,
    )


def test_an_epoch_is_what_a_plain_loop_makes_of_it(monkeypatch):
    """Metrics are of the outputs before each update, scored against scikit-learn."""
    monkeypatch.setattr(evaluation, "SCORED", 70)
    net, plain = network(), network()
    history = train(net, TEACHER, lr=0.05, epochs=1, batch_size=32, seed=3)
    start = plain.predict(TEACHER.x_train)
    weighted = {"multioutput": "variance_weighted"}
    first = history[0].metrics
    assert first["r2/train"] == pytest.approx(r2_score(TEACHER.y_train, start, **weighted))
    assert first["mse/train"] == pytest.approx(mean_squared_error(TEACHER.y_train, start))
    order = batch_order(3, 1, len(TEACHER.x_train))
    outputs, targets = [], []
    for index in np.split(order, range(32, len(order), 32)):
        x, y = TEACHER.x_train[index], TEACHER.y_train[index]
        outputs.append(plain.predict(x))
        targets.append(y)
        for theta, gradient in zip(plain.layers, plain.gradients(x, y), strict=True):
            theta -= 0.05 * gradient
    np.testing.assert_allclose(net.theta, plain.theta, rtol=1e-10, atol=1e-14)
    found = history[-1].metrics
    for split, y, z in (
        ("train", np.concatenate(targets), np.concatenate(outputs)),
        ("test", TEACHER.y_test, plain.predict(TEACHER.x_test)),
    ):
        mse = mean_squared_error(y, z)
        assert found[f"mse/{split}"] == pytest.approx(mse, rel=1e-12)
        assert found[f"loss/{split}"] == pytest.approx(2 * mse, rel=1e-12)  # a sum over outputs
        expected = r2_score(y, z, **weighted)
        assert found[f"r2/{split}"] == pytest.approx(expected, rel=1e-12)


def test_the_probe_batch_is_scored_against_its_own_mean():
    net = network()
    x, y = TEACHER.x_train[:40], TEACHER.y_train[:40]
    expected = r2_score(y, net.predict(x), multioutput="variance_weighted")
    (start,) = train(net, TEACHER, epochs=0, probe_examples=40)
    assert start.metrics["r2/train"] == pytest.approx(expected, rel=1e-12)


def test_columns_have_one_order():
    names = ["loss/train", "r2/train", "mse/train", "loss/test", "r2/test", "mse/test"]
    names += ["distance/first", "distance/last"]
    assert list(train(network(), TEACHER, epochs=0)[0].metrics) == names


def go(trainer, epochs=3, state_at=None):
    metrics, state = {}, None
    for record in run(trainer, epochs=epochs, stop=NONE):
        for r, row in enumerate(record.rows.tolist()):
            metrics.setdefault(row, []).append(record.of(r).metrics)
        if record.epoch == state_at:
            rows = range(len(record.rows))
            state = [{k: v.copy() for k, v in trainer.state(r).items()} for r in rows]
    return metrics, trainer.stack.theta.copy(), state


def test_a_run_in_a_stack_and_a_resumed_one_have_the_bits_of_the_run_alone():
    seeds, rates = (0, 1, 2), (0.02, 0.005, 0.03)
    metrics, theta, state = go(make(seeds, rates), state_at=2)
    for row, (seed, rate) in enumerate(zip(seeds, rates, strict=True)):
        alone, own, _ = go(make((seed,), (rate,)))
        assert alone[0] == metrics[row]
        assert own[0].tobytes() == theta[row].tobytes()
    again = make(seeds, rates)
    again.restore(state)
    rest, resumed, _ = go(again)
    assert {row: values[3:] for row, values in metrics.items()} == rest
    assert resumed.tobytes() == theta.tobytes()
    assert again.scores[0].tolist() == [metrics[row][1]["r2/train"] for row in range(3)]


def test_a_rule_stops_at_a_score():
    history = train(network(), TEACHER, epochs=50, stop=Choice("r2", {"target": 0.5}))
    scores = [seen.metrics["r2/train"] for seen in history[1:]]
    assert len(scores) < 50
    assert scores[-1] >= 0.5 > max(scores[:-1])


def test_divergence_is_a_result():
    history = train(network(dtype="float32"), TEACHER, lr=1e6, epochs=5)
    assert len(history) == 2
    assert not np.isfinite(history[-1].metrics["r2/train"])


def test_a_network_and_a_rule_of_another_task_are_refused():
    labelled = Network.create([5, 2])
    line = "task: 'classification' is not that of data teacher, regression"
    with pytest.raises(ValueError, match=line):
        train(labelled, TEACHER)
    with pytest.raises(ValueError, match=r"sizes: .*is not of 5 inputs and 2 outputs, as data te"):
        train(Network.create([5, 3], task="regression"), TEACHER)
    with pytest.raises(ValueError, match="stop: accuracy does not fit a regression task; use stop"):
        train(network(), TEACHER, stop="accuracy")


def test_diabetes_is_learnt_as_well_as_by_least_squares():
    from sklearn.linear_model import LinearRegression

    data = load("diabetes")
    net = Network.create([10, 1], task="regression", init="he_normal")
    history = train(net, data, lr=0.01, epochs=60)
    linear = LinearRegression().fit(data.x_train, data.y_train)
    expected = linear.score(data.x_test, data.y_test)
    assert history[-1].metrics["r2/test"] == pytest.approx(expected, abs=0.02)
