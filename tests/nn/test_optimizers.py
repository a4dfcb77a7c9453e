"""Update rules against scalar loops and a published descent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bpexp.nn import OPTIMIZERS
from bpexp.nn.tape import Tape
from bpexp.nn.updates import Parameters

STEPS, RATE = 25, 0.1


def run(optimizer, theta, gradient_of, rates, steps=STEPS, decayed=None):
    theta = np.array(theta, ndmin=2)
    state = np.zeros((optimizer.slots, *theta.shape), theta.dtype)
    rates = np.array(rates, theta.dtype).reshape(-1, 1)
    decayed = np.ones(theta.shape[1], theta.dtype) if decayed is None else decayed
    scale, remaining = optimizer.backpropagated_rate(rates), optimizer.remaining_rate(rates)
    remaining = None if (remaining == 1).all() else remaining
    update, gradient = recorded(optimizer, theta, remaining, state, decayed)
    trace = [theta.copy()]
    for _ in range(steps):
        gradient[:] = gradient_of(theta) * scale
        update()
        trace.append(theta.copy())
    return np.array(trace)


def recorded(optimizer, theta, remaining, state, decayed, done=0):
    """The update to play after `done` steps, and the gradient to fill before."""
    tape, gradient, work = Tape(), np.empty_like(theta), np.empty_like(theta)
    moved = Parameters(theta, gradient, remaining, state, work, decayed, np.array(done))
    optimizer.record(tape.record, moved)
    return tape.play, gradient


def scalar(name, theta, gradient_of):
    """One parameter, by the rule as its paper states it."""
    v = m = 0.0
    for t in range(1, STEPS + 1):
        g = gradient_of(theta)
        if name == "sgd":
            theta -= RATE * g
        elif name == "momentum":
            v = 0.9 * v - RATE * g
            theta += v
        elif name == "nesterov":
            before = v
            v = 0.9 * v - RATE * g
            theta += -0.9 * before + 1.9 * v
        else:
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            theta -= RATE * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield theta


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_follow_the_rule(name):
    curvatures = np.array([0.5, 1.0, 3.0])
    start = np.array([2.0, -1.0, 0.3])
    found = run(OPTIMIZERS[name](), start, lambda theta: curvatures * theta, [RATE])
    for k, curvature in enumerate(curvatures.tolist()):
        expected = list(scalar(name, float(start[k]), lambda t, c=curvature: c * t))
        np.testing.assert_allclose(found[1:, 0, k], expected, rtol=1e-12, atol=0)


def test_descent_on_the_paraboloid_has_the_published_errors():
    """Source: 'Neural Networks: The Backward Pass' (Tashfeen), section 3.1: a = b = 10, eta 0.3."""
    trace = run(OPTIMIZERS["sgd"](), [10.0, 10.0], lambda p: 2 * p, [0.3], steps=6)
    published = [200, 32, 5.12, 0.8192, 0.13107, 0.020972, 0.0033554]
    np.testing.assert_allclose((trace**2).sum(axis=(1, 2)), published, rtol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_of_a_stack_move_as_they_do_alone(name):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((3, 40)).astype(np.float32)
    rates = [0.1, 0.03, 0.5]
    optimizer = OPTIMIZERS[name](weight_decay=0.01, clip_norm=0.5)
    together = run(optimizer, theta.copy(), lambda t: np.sin(t), rates)
    for r, rate in enumerate(rates):
        alone = run(optimizer, theta[r].copy(), lambda t: np.sin(t), [rate])
        assert together[:, r].tobytes() == alone[:, 0].tobytes()


def test_weight_decay_leaves_biases_alone():
    decayed = np.array([0.0, 1.0])
    optimizer = OPTIMIZERS["sgd"](weight_decay=0.5)
    trace = run(optimizer, [1.0, 1.0], np.zeros_like, [0.1], steps=1, decayed=decayed)
    assert trace[-1].tolist() == [[1.0, 0.95]]


@pytest.mark.parametrize("name", ["sgd", "momentum"])  # which move alike in the first step
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30, 1e37])
def test_clipping_is_right_over_the_range_of_float32(scale, name):
    """The norm is that of dC/dtheta, whatever the rate."""
    gradient = np.float32([3 * scale, 4 * scale])
    optimizer = OPTIMIZERS[name](clip_norm=2.5 * scale)
    for rate in (1e-6, 0.25, 1.0, 10.0):
        trace = run(optimizer, np.float32([0, 0]), lambda _: gradient[None].copy(), [rate], steps=1)
        clipped = -rate * scale * np.array([1.5, 2])
        np.testing.assert_allclose(trace[-1, 0], clipped, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_penalty_is_part_of_the_gradient(name):
    """Decay lambda is the rule itself on the gradient g + lambda theta, whatever the rate."""
    start, curvature, decay = 2.0, 0.5, 0.25
    optimizer = OPTIMIZERS[name](weight_decay=decay)
    found = run(optimizer, [start], lambda theta: curvature * theta, [RATE])
    expected = list(scalar(name, start, lambda theta: (curvature + decay) * theta))
    np.testing.assert_allclose(found[1:, 0, 0], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("momentum", {"momentum": 1.0}),
        ("adam", {"beta2": -0.1}),
        ("adam", {"epsilon": 0.0}),
        ("sgd", {"weight_decay": -1.0}),
        ("sgd", {"clip_norm": 0.0}),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        OPTIMIZERS[name](**parameters)


def test_clipping_depends_on_no_neighbour_and_holds_over_float64():
    rng = np.random.default_rng(0)
    optimizer = OPTIMIZERS["sgd"](clip_norm=0.01)

    def step(gradient):
        theta = np.zeros_like(gradient)
        ones, state = np.ones((len(gradient), 1)), np.zeros((0, *gradient.shape))
        update, own = recorded(optimizer, theta, ones, state, np.ones(gradient.shape[1]))
        own[:] = gradient
        update()
        return theta

    gradient = rng.standard_normal((3, 10_000))
    alone = [step(gradient[r : r + 1])[0] for r in range(3)]
    np.testing.assert_array_equal(step(gradient), alone)
    huge = step(np.full((1, 4), 1e160))
    np.testing.assert_allclose(huge, -0.005, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam"])
def test_a_velocity_does_not_stay_among_the_subnormal_numbers(name, dtype):
    """As below a unit that dies: its decay would end at the smallest number, 0.9 of it rounded."""
    optimizer, steps = OPTIMIZERS[name](), 7104  # beyond float64's range too, a multiple of 64
    theta = np.array([[1, 1]], dtype)
    state = np.zeros((optimizer.slots, 1, 2), dtype)
    rates, ones = np.array([[0.01]], dtype), np.ones(2, dtype)
    scale, remaining = optimizer.backpropagated_rate(rates), optimizer.remaining_rate(rates)
    update, gradient = recorded(optimizer, theta, remaining, state, ones)
    for step in range(1, steps + 1):
        gradient[:] = [[step <= 3, 0.5]] * scale  # one dies, its neighbour lives
        update()
        if step == 500:
            settled = float(theta[0, 0])
    assert float(theta[0, 0]) == settled
    assert state[0, 0, 0] == 0
    assert abs(state[0, 0, 1]) == pytest.approx(0.5 if name == "adam" else 0.05, rel=1e-4)


def test_what_is_not_finite_stays_so():
    optimizer = OPTIMIZERS["momentum"]()
    theta, state = np.zeros((1, 3)), np.zeros((1, 1, 3))
    state[0, 0] = [np.nan, np.inf, -np.inf]
    update, gradient = recorded(optimizer, theta, None, state, np.ones(3), done=63)
    gradient[:] = 0
    update()
    np.testing.assert_array_equal(state[0, 0], [np.nan, np.inf, -np.inf])
