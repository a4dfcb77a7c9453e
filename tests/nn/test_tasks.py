"""Tasks: scores against scikit-learn, targets and predictions of networks by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_squared_error, r2_score

from bpexp.nn import ACTIVATIONS, COSTS, Choice, Network
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import TASKS, squared_distance

LINEAR = Choice("squared_error", {"output": "identity"})


def scored(task, z, y, n_outputs):
    """Every metric of outputs z (N, K) on labels or targets y."""
    found = TASKS[task]
    targets = Targets.of(y, n_outputs, np.float64, found.labels)
    mean = found.statistic(z.T, targets.columns).mean(dtype=np.float64)
    values = found.scores(np.array([mean]), targets)
    np.testing.assert_equal(found.score(z.T, targets), values[0][0])
    return dict(zip(found.metrics, (value[0] for value in values), strict=True))


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_r2_and_mse_are_scikit_learns(n_outputs, dtype):
    rng = np.random.default_rng(0)
    y = rng.standard_normal((200, n_outputs)) * [1, 5, 0.1][:n_outputs] + 3
    z = (y + 0.3 * rng.standard_normal(y.shape)).astype(dtype)
    found = scored("regression", z, y, n_outputs)
    expected = r2_score(y, z, multioutput="variance_weighted")
    assert found["r2"] == pytest.approx(expected, rel=1e-12)
    assert found["mse"] == pytest.approx(mean_squared_error(y, z), rel=1e-12)


def test_accuracy_is_scikit_learns():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((200, 4)), rng.integers(0, 4, 200)
    expected = accuracy_score(y, z.argmax(axis=1))
    assert scored("classification", z, y, 4) == {"accuracy": expected}


def test_outputs_that_are_not_finite_have_no_r2():
    y = np.arange(4.0)[:, None]
    for broken in (np.nan, np.inf):
        z = y.copy()
        z[1] = broken
        assert not np.isfinite(scored("regression", z, y, 1)["r2"])


@pytest.mark.parametrize("k", [1, 4, 300])
def test_a_comparison_gives_the_columns_of_classes(k):
    rng = np.random.default_rng(0)
    targets = Targets.of(rng.integers(0, k, 50), k, np.float32, True)
    np.testing.assert_array_equal(targets.at(targets.index), targets.columns)
    assert targets.at(targets.index).dtype == bool
    assert targets.columns.sum() == 50


def test_mean_and_variance_of_targets_are_those_of_the_examples():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((30, 2)) + 5
    for targets, wide in (
        (Targets.of(y, 2, np.float64, False), y),
        (Targets.of(y, 2, np.float64, False).head(9), y[:9]),
        (Targets.of(np.array([2, 0, 2, 1]), 3, np.float32, True), np.eye(3)[[2, 0, 2, 1]]),
    ):
        assert len(targets) == len(wide)
        np.testing.assert_allclose(targets.mean, wide.mean(axis=0), rtol=1e-12)
        assert targets.variance == pytest.approx(wide.var(axis=0).sum(), rel=1e-12)
        np.testing.assert_array_equal(targets.columns, wide.T)


@pytest.mark.parametrize(
    ("labels", "y", "line"),
    [
        (True, np.zeros(4), "y: labels of dtype float64 are not integers"),
        (True, np.zeros((4, 2)), r"y: shape \(4, 2\) is not \(N, 3\)"),
        (False, np.zeros(4), r"y: shape \(4,\) is not \(N, 3\)"),
        (False, np.zeros((4, 3, 1)), r"y: shape \(4, 3, 1\) is not \(N, 3\)"),
    ],
)
def test_targets_of_another_shape_are_refused(labels, y, line):
    with pytest.raises(ValueError, match=line):
        Targets.of(y, 3, np.float64, labels)


@pytest.mark.parametrize(
    ("score", "guess", "expected"),
    [(0.55, 0.1, 0.5), (1.0, 0.1, 1.0), (0.0, 0.5, -1.0), (1.0, 1.0, 0.0)],
)
def test_gain_is_the_share_of_the_way_to_perfection(score, guess, expected):
    assert TASKS["classification"].gain(score, guess) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_the_usual_cost_fits(task):
    network = Network.create([3, 2], task=task)
    assert network.architecture.cost == TASKS[task].cost
    assert len(TASKS[task].metrics) == len(set(TASKS[task].metrics))


@pytest.mark.parametrize("output", ACTIVATIONS)
def test_regression_takes_squared_error_with_identity_outputs_only(output):
    cost = Choice("squared_error", {"output": output})
    if output == "identity":
        assert Network.create([3, 2], cost=cost, task="regression").architecture.cost == cost
    else:
        line = f"cost: squared_error output={output} does not fit a regression task"
        with pytest.raises(ValueError, match=line):
            Network.create([3, 2], cost=cost, task="regression")
    Network.create([3, 2], cost=cost)  # classification takes every cost


@pytest.mark.parametrize("cost", [*COSTS])
def test_no_cost_fits_regression_by_its_defaults(cost):
    with pytest.raises(ValueError, match=f"cost: {cost} does not fit a regression task; use cost="):
        Network.create([3, 2], cost=cost, task="regression")


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task: 'ranking' is not one of classification, regress"):
        Network.create([3, 2], task="ranking")


def test_a_network_for_regression_predicts_its_outputs(tmp_path):
    network = Network.create([3, 4, 2], task="regression", dtype="float64", seed=1)
    x = np.random.default_rng(0).standard_normal((5, 3))
    (first, second), hidden = network.layers, x
    hidden = np.maximum(x @ first[1:] + first[0], 0)
    expected = hidden @ second[1:] + second[0]
    np.testing.assert_allclose(network.predict(x), expected, rtol=1e-12)
    network.save(tmp_path / "net.npz")
    assert Network.load(tmp_path / "net.npz").architecture == network.architecture


def test_costs_and_gradients_of_a_regression_are_those_of_its_targets():
    network = Network.create([3, 1], task="regression", dtype="float64", seed=1)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 3)), rng.standard_normal(6)
    (theta,) = network.layers
    error = x @ theta[1:, 0] + theta[0, 0] - y
    assert network.loss(x, y) == pytest.approx(np.mean(error**2), rel=1e-12)
    assert network.loss(x, y[:, None]) == network.loss(x, y)
    gradient = np.column_stack([np.ones(6), x]).T @ (2 * error) / 6
    np.testing.assert_allclose(network.gradients(x, y)[0][:, 0], gradient, rtol=1e-12, atol=0)
    whole = np.arange(6)  # integers are numbers here, not labels
    assert network.loss(x, whole) == network.loss(x, whole.astype(float))


def test_the_statistic_is_a_sum_in_float64():
    z, t = np.float32([[1e20], [2.0]]), np.float32([[0.0], [0.0]])
    assert squared_distance(z, t) == pytest.approx(1e40)
