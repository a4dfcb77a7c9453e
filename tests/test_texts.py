"""The claims of the four source texts, each computed by hand and by the package.

1 'Backpropagation step by step', 2 'Backpropagation for deep neural networks', 3 'Neural Networks:
The Backward Pass' (Tashfeen), 4 'Introducing the backpropagation method'. The page
docs/explanation/backpropagation.md shows the same claims. The errors and accuracies that text 3
published are tested in training/test_published.py.
"""

from __future__ import annotations

import numpy as np
import pytest

import bpexp
from bpexp.nn import Choice

HALF = Choice("squared_error", {"output": "sigmoid", "factor": 0.5})
BOTH_NORMAL = Choice("normal", {"bias_std": 1.0})


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z)))


def network(sizes, **choices):
    given = {"activation": "sigmoid", "init": BOTH_NORMAL, "cost": HALF, "dtype": "float64"}
    return bpexp.Network.create(sizes, **{**given, **choices})


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


# Text 1


def chain(activation, weights, x=0.5, y=1.0):
    """Return the seven factors of dC/dw_1 in 1-1-1-1 without biases, the slopes, and dC/dw_1."""
    slope_below = {"relu": 0.0, "leaky": 0.01}
    a, slopes = [x], []
    for w in weights:
        z = w * a[-1]
        if activation == "sigmoid":
            a.append(sigmoid(z))
            slopes.append(a[-1] * (1 - a[-1]))
        else:
            slopes.append(1.0 if z > 0 else slope_below[activation])
            a.append(slopes[-1] * z)
    factors = [a[3] - y, slopes[2], weights[2], slopes[1], weights[1], slopes[0], x]
    cost = Choice("squared_error", {"output": activation, "factor": 0.5})
    net = network([1, 1, 1, 1], activation=activation, cost=cost)
    for theta, w in zip(net.layers, weights, strict=True):
        theta[:, 0] = 0, w
    return factors, slopes, net.gradients([[x]], [[y]])[0][1, 0]


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "leaky"])
@pytest.mark.parametrize("weights", [(0.8, 0.6, 0.4), (0.8, 0.6, -0.4), (0.1, 0.1, 0.1)])
def test_the_first_weights_gradient_is_the_product_of_the_chains_factors(activation, weights):
    factors, _, gradient = chain(activation, weights)
    assert_same(gradient, np.prod(factors))


def test_sigmoid_slopes_make_the_chains_gradient_small_and_relu_slopes_leave_it():
    _, slopes, _ = chain("sigmoid", (0.8, 0.6, 0.4))
    assert max(slopes) <= 1 / 4
    assert np.prod(slopes) <= 1 / 64
    assert chain("relu", (0.8, 0.6, 0.4))[1] == [1, 1, 1]
    # the text's 8.8e-6, for weights that are lost
    assert 8.8e-7 < abs(chain("sigmoid", (0.1, 0.1, 0.1), x=0.1)[2]) < 8.8e-5


def test_a_negative_weight_kills_a_relu_exactly_and_leaves_a_leaky_one_alive():
    assert chain("relu", (0.8, 0.6, -0.4))[2] == 0
    alive = chain("leaky", (0.8, 0.6, -0.4))[2]
    assert 0 < abs(alive) < 0.02 * abs(chain("relu", (0.8, 0.6, 0.4))[2])


def test_an_output_of_three_tenths_that_should_be_one():
    net = network([1, 1])
    net.layers[0][:, 0] = 0, np.log(0.3 / 0.7)
    assert_same(net.outputs([[1.0]]), 0.3)
    assert_same(net.gradients([[1.0]], [[1.0]])[0][1, 0], (0.3 - 1) * 0.3 * 0.7)


def test_a_first_layers_weight_collects_from_every_output():
    net = network([4, 3, 3], init="uniform")
    x, y = np.array([0.2, 0.9, 0.4, 0.7]), np.array([1.0, 0.0, 0.0])
    W1, W2 = (theta[1:] for theta in net.layers)
    h = sigmoid(x @ W1)
    a = sigmoid(h @ W2)
    for i in range(4):
        for j in range(3):
            outputs = sum((a[k] - y[k]) * a[k] * (1 - a[k]) * W2[j, k] for k in range(3))
            assert_same(net.gradients([x], [y])[0][1 + i, j], x[i] * h[j] * (1 - h[j]) * outputs)


@pytest.mark.parametrize("sizes", [[64, 10], [64, 32, 10]])
def test_digits_are_learned_with_sigmoids_squared_error_and_weights_within_one(sizes):
    digits = bpexp.load_data("digits")
    net = network(sizes, init="uniform", dtype="float32")
    assert max(np.abs(theta[1:]).max() for theta in net.layers) <= 1
    history = bpexp.train(net, digits, lr=1.0, epochs=8, batch_size=16, probe_every=0)
    assert history[0].metrics["accuracy/test"] < 0.3
    assert history[-1].metrics["accuracy/test"] > 0.9


def test_cross_entropy_still_learns_where_squared_error_does_not():
    sure_and_wrong = {}
    for cost in ("squared_error", "binary_cross_entropy"):
        net = network([1, 1], cost=cost)
        net.layers[0][:, 0] = 0, 10
        sure_and_wrong[cost] = net.gradients([[1.0]], [[0.0]])[0][1, 0]
    assert_same(sure_and_wrong["binary_cross_entropy"], sigmoid(10.0))
    a = sigmoid(10.0)
    expected = 2 * a * a * np.exp(-10) * a  # 1 - a would lose four digits
    assert_same(sure_and_wrong["squared_error"], expected)


@pytest.mark.parametrize(("activation", "least", "most"), [("relu", 0.05, 0.5), ("leaky", 0, 0)])
def test_standard_normal_weights_leave_relus_dead_and_no_leaky_one(activation, least, most):
    digits = bpexp.load_data("digits", limit=512)
    shares = []
    for seed in range(10):
        net = network([64, *[8] * 4, 10], activation=activation, init="normal", seed=seed)
        shares.append(bpexp.train(net, digits, epochs=0)[0].layers["dead"][:-1].mean())
    assert least <= np.mean(shares) <= most


# Text 2


@pytest.fixture
def small():
    """A network 3-3-2 of tanh units with biases, six examples and their targets."""
    rng = np.random.default_rng(0)
    return network([3, 3, 2], activation="tanh"), rng.standard_normal((6, 3)), rng.random((6, 2))


def test_the_bias_is_the_weight_from_a_unit_that_is_always_one(small):
    net, x, _ = small
    theta1, theta2 = net.layers
    hidden = [np.tanh(sum(theta1[k, j] * (1.0, *x[0])[k] for k in range(4))) for j in range(3)]
    outputs = [sigmoid(sum(theta2[k, j] * (1.0, *hidden)[k] for k in range(4))) for j in range(2)]
    assert_same(net.outputs(x[:1])[0], outputs)


def test_j_is_half_the_sum_of_squared_distances_over_the_set(small):
    net, x, t = small
    assert_same(len(x) * net.loss(x, t), 0.5 * np.sum((net.outputs(x) - t) ** 2))


def test_a_batchs_gradient_is_the_mean_of_its_examples(small):
    net, x, t = small
    alone = [net.gradients([x_n], [t_n]) for x_n, t_n in zip(x, t, strict=True)]
    for layer, gradient in enumerate(net.gradients(x, t)):
        mean = np.mean([gradients[layer] for gradients in alone], axis=0)
        np.testing.assert_allclose(gradient, mean, rtol=1e-10, atol=0)


def test_delta_is_how_the_cost_answers_a_nudge_of_z(small):
    net, x, t = small
    nudge = 1e-5
    for theta, gradient in zip(net.layers, net.gradients(x[:1], t[:1]), strict=True):
        for j, delta in enumerate(gradient[0]):  # z_j moves as its bias does
            kept = theta[0, j]
            theta[0, j] = kept + nudge
            above = net.loss(x[:1], t[:1])
            theta[0, j] = kept - nudge
            below = net.loss(x[:1], t[:1])
            theta[0, j] = kept
            assert (above - below) / (2 * nudge) == pytest.approx(delta, rel=1e-6, abs=0)


def test_delta_is_a_sum_over_the_next_layers_deltas(small):
    net, x, t = small
    below, above = (gradient[0] for gradient in net.gradients(x[:1], t[:1]))
    for j in range(3):
        z_j = sum(net.layers[0][k, j] * (1.0, *x[0])[k] for k in range(4))
        slope = 1 - np.tanh(z_j) ** 2
        assert_same(below[j], sum(above[k] * net.layers[1][j + 1, k] * slope for k in range(2)))


# Text 3


def parity_network(seed=0):
    return network([10, 3, 2], cost="squared_error", seed=seed)


def test_an_untrained_network_is_a_guessing_machine():
    parity = bpexp.load_data("parity")
    x, y = parity.x_test, parity.y_test
    nets = [parity_network(seed) for seed in range(200)]
    assert np.mean([net.predict(x) == y for net in nets]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([net.loss(x, y) for net in nets]) > 0.5  # what saying one half always costs


def test_descent_on_a_paraboloid_has_the_published_errors():
    """Source: section 3.1; a = b = 10, eta = 0.3, seven steps."""
    p, errors = np.array([10.0, 10.0]), []
    for _ in range(7):
        errors.append(np.sum(p**2))
        p = p - 0.3 * 2 * p
    published = [200, 32, 5.12, 0.8192, 0.13107, 0.020972, 0.0033554]
    np.testing.assert_allclose(errors, published, rtol=5e-5)
    np.testing.assert_allclose(p, 0.016, rtol=0.03)


def test_the_six_equations_of_the_backward_pass():
    parity = bpexp.load_data("parity")
    net = parity_network()
    (b2, W2), (b3, W3) = ((theta[0], theta[1:].T) for theta in net.layers)
    x, y = parity.x_train[6], np.array([0.0, 1.0])
    a2 = sigmoid(W2 @ x + b2)
    a3 = sigmoid(W3 @ a2 + b3)
    delta3 = -2 * (y - a3) * a3 * (1 - a3)
    delta2 = (W3.T @ delta3) * a2 * (1 - a2)
    first, second = net.gradients([x], [y])
    assert parity.y_train[6] == 1  # six is even
    assert_same(second, np.vstack([delta3, np.outer(a2, delta3)]))
    assert_same(first, np.vstack([delta2, np.outer(x, delta2)]))


def test_a_step_subtracts_eta_times_the_batchs_mean_gradient():
    parity = bpexp.load_data("parity")
    net = parity_network()
    gradients = net.gradients(parity.x_train, parity.y_train)
    moved = [theta - 0.3 * gradient for theta, gradient in zip(net.layers, gradients, strict=True)]
    bpexp.train(net, parity, lr=0.3, epochs=1, batch_size=len(parity.x_train))
    for theta, expected in zip(net.layers, moved, strict=True):
        np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_the_parity_network_learns_that_the_last_bit_decides(seed):
    parity = bpexp.load_data("parity")
    net = parity_network(seed)
    bpexp.train(net, parity, lr=0.3, epochs=60, batch_size=8, probe_every=0)
    assert (net.predict(parity.x_test) == parity.y_test).all()
    weights = np.abs(net.layers[0][1:]).sum(axis=1)  # most significant bit first
    assert weights.argmax() == 9
    assert weights[9] > 2 * np.sort(weights)[-2]


def test_an_input_is_an_image_in_rows():
    digits = bpexp.load_data("digits", scale=False)
    image = digits.x_train[999].reshape(digits.image_shape)
    assert image.shape == (8, 8)
    assert {*image.ravel()} <= {*range(17)}


# Text 4


@pytest.fixture
def four():
    """The network 4-2-2-1, its weights as the text writes them, an input and its target."""
    net = network([4, 2, 2, 1], seed=2)
    weights = [theta[1:].T for theta in net.layers]
    return net, weights, [theta[0] for theta in net.layers], np.array([0.1, 0.9, 0.4, 0.6]), 1.0


def activities(weights, biases, x):
    """The activity of every layer in index form, the input's first."""
    a = [list(x)]
    for W, b in zip(weights, biases, strict=True):
        n, m = W.shape
        a.append([sigmoid(sum(W[j, k] * a[-1][k] for k in range(m)) + b[j]) for j in range(n)])
    return a


def test_the_index_form_is_the_matrix_form(four):
    net, weights, biases, x, _ = four
    assert [W.shape for W in weights] == [(2, 4), (2, 2), (1, 2)]
    a = np.array(x)
    for W, b in zip(weights, biases, strict=True):
        a = sigmoid(W @ a + b)
    assert_same(activities(weights, biases, x)[3], a)
    assert_same(net.outputs([x])[0], a)


@pytest.mark.parametrize("cost", [HALF, "binary_cross_entropy"])
def test_one_weights_gradient_is_a_chain_that_ends_in_the_local_gradient(four, cost):
    net, weights, biases, x, y = four
    _, a2, a3, (s,) = activities(weights, biases, x)
    net = bpexp.Network(network([4, 2, 2, 1], cost=cost).architecture, net.theta)
    of_cost = (s - y) / (1 if cost == HALF else s * (1 - s))
    local = of_cost * s * (1 - s) * weights[2][0, 1] * a3[1] * (1 - a3[1])
    gradient = net.gradients([x], [[y]])[1]
    assert_same(gradient[2, 1], local * a2[1])
    assert_same(gradient[0, 1], local)


def test_descent_goes_on_until_the_stop_criterion(four):
    net = four[0]
    bits = (np.arange(16)[:, None] >> np.arange(3, -1, -1) & 1).astype(float)
    odd, costs = bits[:, 3:], []
    while not costs or costs[-1] > 0.005:
        costs.append(net.loss(bits, odd))
        for theta, gradient in zip(net.layers, net.gradients(bits, odd), strict=True):
            theta -= 3.0 * gradient
        assert len(costs) < 2000
    assert ((net.outputs(bits) > 0.5) == odd).all()


@pytest.mark.parametrize("stop", ["cost", "accuracy"])
def test_training_ends_at_the_first_epoch_that_meets_the_criterion(stop):
    data = bpexp.load_data("parity", bits=4)
    net = network([4, 2, 2, 2], init="glorot_normal")
    rule = Choice(stop, {"target": 0.01 if stop == "cost" else 0.99})
    history = bpexp.train(net, data, lr=1.0, epochs=2000, batch_size=4, stop=rule, probe_every=0)
    met = [
        seen.metrics["loss/train"] <= 0.01
        if stop == "cost"
        else seen.metrics["accuracy/train"] >= 0.99
        for seen in history[1:]
    ]
    assert met[-1]
    assert not any(met[:-1])
