"""Stacks: the same bits as alone, and no memory in the step."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from bpexp.nn import ACTIVATIONS, COSTS, OPTIMIZERS, Architecture, Choice, Network, tuning
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.nn.tape import Tape
from bpexp.nn.tuning import turning_pays
from bpexp.nn.updates import FLUSH_EVERY, Parameters

AVX512 = SimpleNamespace(architecture="SkylakeX", num_threads=1)
AVX2 = SimpleNamespace(architecture="Haswell", num_threads=1)


def make(sizes, runs, batch, activation="tanh", cost="cross_entropy", dtype="float32"):
    architecture = Architecture.dense(sizes, Choice(activation), Choice(cost))
    rows = [initial_theta(architecture, Choice("glorot_normal"), seed) for seed in range(runs)]
    rng = np.random.default_rng(0)
    x = np.stack(
        [with_constant_unit(rng.standard_normal((batch, sizes[0])), dtype) for _ in range(runs)]
    )
    targets = np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], (runs, batch))]
    return Stack.of(architecture, rows, dtype), x, targets.swapaxes(1, 2)


def gradients(stack, x, targets, **options):
    propagation = Propagation(stack, x, **options)
    with np.errstate(over="ignore", under="ignore"):
        np.copyto(propagation.targets, targets)
        propagation.forward()
        propagation.backward()
    return [arrays["theta"] for arrays in propagation.buffers.gradients[1:]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sizes", [(5, 3), (5, 7, 3), (3, 1, 10), (64, 32, 32, 10), (17, 64, 64, 64, 10)]
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch", [1, 3, 33])
def test_a_stack_has_the_bits_of_its_networks_alone(batch, activation, sizes, dtype):
    stack, x, targets = make(sizes, 3, batch, activation=activation, dtype=dtype)
    together = gradients(stack, x, targets)
    for r in range(3):
        alone = Stack(stack.architecture, stack.theta[r : r + 1].copy())
        for all_, own in zip(
            together, gradients(alone, x[r : r + 1], targets[r : r + 1]), strict=True
        ):
            assert all_[r].tobytes() == own[0].tobytes()


@pytest.mark.parametrize("blas", [AVX2, AVX512])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [33, 257])
def test_so_has_a_wide_stack_whatever_the_processor(monkeypatch, batch, dtype, blas):
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: blas)
    stack, x, targets = make((600, 64, 100, 10), 3, batch, dtype=dtype)
    scale = np.array([0.3, 1, 20])
    together = gradients(stack, x, targets, scale=scale)
    for r in range(3):
        alone = Stack(stack.architecture, stack.theta[r : r + 1].copy())
        own = gradients(alone, x[r : r + 1], targets[r : r + 1], scale=scale[r])
        for all_, one in zip(together, own, strict=True):
            assert all_[r].tobytes() == one[0].tobytes()


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("runs", [1, 3])
def test_the_gradient_is_that_of_the_sum_times_each_networks_scale(runs, cost):
    stack, x, targets = make((17, 16, 12, 10), runs, 32, cost=cost, dtype="float64")
    scale = np.array([0.3, 1, 20])[:runs]
    mean, total = gradients(stack, x, targets), gradients(stack, x, targets, scale=1)
    for own, one, other in zip(gradients(stack, x, targets, scale=scale), mean, total, strict=True):
        np.testing.assert_allclose(own, scale[:, None, None] * other, rtol=1e-10, atol=0)
        np.testing.assert_allclose(one * 32, other, rtol=1e-10, atol=0)


def test_turned_deltas_give_the_sum_of_the_gradients_of_two_halves(monkeypatch):
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: AVX512)
    stack, x, targets = make((17, 64, 64, 10), 2, 256, dtype="float64")
    assert turning_pays(64, 64, 128)
    assert not turning_pays(64, 64, 256)
    whole = gradients(stack, x, targets)
    first, second = (
        gradients(stack, x[:, half], targets[:, :, half]) for half in (slice(128), slice(128, 256))
    )
    for both, one, other in zip(whole, first, second, strict=True):
        tiny = 1e-12 * np.abs(both).max()  # sums of two signs cancel
        np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-10, atol=tiny)


def test_observers_have_everything_of_a_layer_at_hand():
    stack, x, targets = make((20, 16, 12, 4), 2, 33, dtype="float64")
    found, order, slopes = {}, [], {}

    def keep(name, layer, array):
        found[name, layer] = array.copy()

    def on_forward(at, emit, layer):
        emit(order.append, layer)
        emit(keep, "z", layer, at.z[layer])
        if layer < 3:
            emit(keep, "a", layer, at.a[layer])
            emit(keep, "slope", layer, at.slope[layer])

    def on_backward(at, emit, layer):
        emit(order.append, -layer)
        emit(keep, "delta", layer, at.delta[layer])
        emit(keep, "gradient", layer, at.gradients[layer]["theta"])
        if layer < 3:
            emit(keep, "signal", layer, at.backward_signal[layer])

    plain = gradients(stack, x, targets)
    gradients(stack, x, targets, on_forward=on_forward, on_backward=on_backward)
    assert order == [1, 2, 3, -3, -2, -1]
    below = x
    for layer in (1, 2, 3):
        z = (below @ stack.layers[layer - 1]).swapaxes(1, 2)
        np.testing.assert_allclose(found["z", layer], z, rtol=1e-10, atol=1e-14)
        if layer < 3:
            a, slopes[layer] = stack.activation(found["z", layer])
            assert (found["a", layer][:, 1:] == a).all()
            assert (found["slope", layer] == slopes[layer]).all()
            below = found["a", layer].swapaxes(1, 2)
    for layer in (3, 2, 1):
        if layer < 3:
            assert (found["delta", layer] == slopes[layer] * found["signal", layer]).all()
        assert found["gradient", layer].tobytes() == plain[layer - 1].tobytes()


def test_inputs_can_be_shared():
    stack, x, targets = make((20, 16, 4), 2, 33)
    shared = gradients(stack, x[0], targets[0])
    own = gradients(stack, np.stack([x[0], x[0]]), np.stack([targets[0], targets[0]]))
    for one, other in zip(shared, own, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("lowest", [1, 2, 3, 4])
def test_a_frozen_prefix_gets_no_gradient(lowest):
    stack, x, targets = make((20, 16, 16, 4), 2, 33)
    full = gradients(stack, x, targets)
    cut = gradients(stack, x, targets, lowest=lowest)
    for layer, (one, other) in enumerate(zip(full, cut, strict=True), start=1):
        assert (other == (one if layer >= lowest else 0)).all()


def test_layers_are_views_that_cover_the_buffer():
    architecture = Architecture.dense((4, 3, 2), Choice("relu"), Choice("cross_entropy"))
    flat = np.arange(architecture.n_parameters, dtype=float)
    layers = architecture.thetas(flat)
    assert [theta.shape for theta in layers] == [(5, 3), (4, 2)]
    assert all(np.shares_memory(theta, flat) for theta in layers)
    assert np.concatenate([theta.ravel() for theta in layers]).tolist() == flat.tolist()
    assert [architecture.first_parameter(layer) for layer in (1, 2, 3)] == [0, 15, 23]


def test_gradients_of_1e_minus_30_are_as_right_as_any():
    wide = Network.create([8, 8, 8, 8, 3], activation="tanh", dtype="float64", seed=1)
    wide.layers[-1][:] *= 1e-30
    narrow = Network(wide.architecture, wide.theta.astype(np.float32))
    x, y = np.random.default_rng(0).standard_normal((16, 8)), np.arange(16) % 3
    for found, expected in zip(narrow.gradients(x, y)[:-1], wide.gradients(x, y), strict=False):
        assert 1e-33 < np.abs(expected).max() < 1e-29
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-36)


def test_a_small_networks_step_makes_few_calls(monkeypatch):
    """They are its cost: 11 of the last layer, 7 a hidden one, and one that turns a delta."""
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: AVX512)
    calls = []
    for sizes in ((64, 10), (64, 32, 10), (64, 32, 32, 10)):
        stack, x, _ = make(sizes, 1, 16, activation="relu")
        propagation = Propagation(stack, x)
        calls.append(len(propagation._forward) + len(propagation._backward))
    assert calls == [11, 19, 26]


SHAPES = [((784, *[256] * 8, 10), 1, 256), ((64, *[64] * 8, 10), 16, 32), ((64, 10), 1, 32)]


def step_peak(stack, x, targets, optimizer):
    """Trace the memory that steps allocate at their worst."""
    gradient = np.zeros_like(stack.theta)
    propagation = Propagation(stack, x, gradient=gradient)
    np.copyto(propagation.targets, targets)
    state = np.zeros((optimizer.slots, *stack.theta.shape), stack.theta.dtype)
    rates = np.full((len(stack), 1), 0.01, stack.theta.dtype)
    work, decayed = np.empty_like(stack.theta), np.ones_like(stack.theta[0])
    tape, done = Tape(), np.array(FLUSH_EVERY - 3)
    moved = Parameters(stack.theta, gradient, rates, state, work, decayed, done)
    optimizer.record(tape.record, moved)
    with np.errstate(all="ignore"):
        for step in range(FLUSH_EVERY - 2, FLUSH_EVERY + 1):
            if step == FLUSH_EVERY - 1:
                tracemalloc.start()
            propagation.forward()
            propagation.backward()
            tape.play()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, peak


@pytest.mark.parametrize(("sizes", "runs", "batch"), SHAPES, ids=["wide", "stack", "flat"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_allocates_nothing_of_the_networks_size(activation, sizes, runs, batch):
    stack, x, targets = make(sizes, runs, batch, activation=activation)
    held, peak = step_peak(stack, x, targets, OPTIMIZERS["sgd"]())
    assert peak < 256 * 1024
    assert held < 16 * 1024


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_cost_and_no_optimizer_allocates(optimizer, cost):
    stack, x, targets = make((784, 256, 256, 10), 2, 256, cost=cost)
    chosen = OPTIMIZERS[optimizer](weight_decay=1e-4, clip_norm=1.0)
    _, peak = step_peak(stack, x, targets, chosen)
    assert peak < 256 * 1024
