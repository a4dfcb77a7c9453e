"""A kind of layer is one class and one row: two that are added here pass through everything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import oracles
import pytest
from trained import check_a_step_allocates_little, make_trainer, train_fully

from bpexp.data import load
from bpexp.nn import Architecture, Choice, Network, memory
from bpexp.nn.initializers import batch_order
from bpexp.nn.layers import LAYERS, ArraySpec, Dense
from bpexp.nn.products import gradient_of_weights, product, weighted_sums
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.nn.tape import assign
from bpexp.probes import Measurer, ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.training import STOPS, run

MOMENTUM = 0.1


@dataclass(frozen=True)
class Centred(Dense):
    """z = gain (u - mean of u over the batch) + b, u = theta^T a; a running mean when evaluated."""

    kind: ClassVar[str] = "centred"

    @property
    def parameters(self):
        return (*super().parameters, ArraySpec("gain", (self.n_out,), initial=1.0))

    @property
    def state(self):
        return (ArraySpec("mean", (self.n_out,), initial=0.5),)

    @property
    def activity(self):
        return 5 * self.n_out

    def forward(self, emit, at, number):
        theta, gain = at.parameters[number]["theta"], at.parameters[number]["gain"][..., None]
        z, bias = at.z[number], theta[:, 0, :, None]
        u = at.own[number]["u"] = memory.empty_like(z)
        mean, running = memory.empty(bias.shape, z.dtype), at.state[number]["mean"][..., None]
        weighted_sums(emit, theta, at.a[number - 1], u)
        emit(np.mean, u, 2, None, mean, True)
        if at.evaluates:
            assign(emit, mean, running)
        if at.trains:
            change = memory.empty_like(mean)
            emit(np.subtract, mean, running, change)
            emit(np.multiply, change, np.array(MOMENTUM, z.dtype), change)
            emit(np.add, running, change, running)
        emit(np.subtract, u, mean, u)
        emit(np.multiply, u, gain, z)
        emit(np.add, z, bias, z)
        if number < at.last:
            slope = at.slope[number] if at.wants_slope(number) else None
            at.activation.evaluate(emit, z, at.a[number][:, 1:], slope, at.scratch[number])

    def gradient(self, emit, at, number):
        delta, gradients, own = at.delta[number], at.gradients[number], at.own[number]
        gain = at.parameters[number]["gain"][..., None]
        du = own["du"] = memory.empty_like(delta)
        mean = memory.empty(gain.shape, delta.dtype)
        emit(np.multiply, delta, own["u"], du)
        emit(np.add.reduce, du, 2, None, gradients["gain"])
        emit(np.multiply, delta, gain, du)
        emit(np.mean, du, 2, None, mean, True)
        emit(np.subtract, du, mean, du)
        scratch = at.scratch[number].first
        gradient_of_weights(emit, at.a[number - 1], du, gradients["theta"], scratch)
        emit(np.add.reduce, delta, 2, None, gradients["theta"][:, 0])  # of u's bias it is 0

    def signal(self, emit, at, number):
        weights, du = at.parameters[number]["theta"][:, 1:], at.own[number]["du"]
        product(emit, weights, du, at.backward_signal[number - 1])

    def tangent_x(self, at, number, below):
        """The mean is held fixed."""
        gain = at.parameters[number]["gain"][0, :, None].astype(np.float64)
        return gain * super().tangent_x(at, number, below)


@dataclass(frozen=True)
class Skip(Dense):
    """a^(l) = a^(l-over) + g(z^(l))."""

    kind: ClassVar[str] = "skip"
    over: int = 1

    @property
    def reach(self):
        return self.over

    def forward(self, emit, at, number):
        super().forward(emit, at, number)
        a, below = at.a[number][:, 1:], at.a[number - self.over][:, 1:]
        emit(np.add, a, below, a)

    def delta(self, emit, at, number):
        super().delta(emit, at, number)
        if number - self.over >= at.lowest:
            signal = at.backward_signal[number]
            kept = memory.empty_like(signal)
            assign(emit, kept, signal)
            at.passed[number - self.over].append(kept)

    def tangent_a(self, at, number, x, below):
        return super().tangent_a(at, number, x, below) + below[-self.over].a


@pytest.fixture(autouse=True)
def _rows(monkeypatch):
    for layer in (Centred, Skip):
        monkeypatch.setitem(LAYERS, layer.kind, layer)


def layers_of(name, n_in=4, width=5, n_out=3):
    first, last = Dense(n_in, width), Dense(width, n_out)
    return {
        "centred": (first, Centred(width, width + 1), Centred(width + 1, n_out)),
        "centred first": (Centred(n_in, width), last),
        "skip": (first, Skip(width, width), Skip(width, width), last),
        "skip over two": (first, Dense(width, width), Skip(width, width, over=2), last),
        "skips that overlap": (
            first, Skip(width, width), Skip(width, width, over=2), Skip(width, width, over=2), last,
        ),
        "both": (first, Centred(width, width), Skip(width, width, over=2), last),
    }[name]  # fmt: skip


KINDS = ["centred", "centred first", "skip", "skip over two", "skips that overlap", "both"]
DIGITS = load("digits", limit=200)


def architecture(name, activation="tanh", cost="cross_entropy", **sizes):
    return Architecture(layers_of(name, **sizes), Choice(activation), Choice(cost))


def draw(name, seed=0, dtype="float64", **options):
    """A network whose biases and gains are no longer what they start from."""
    init = Choice("glorot_normal", {"bias_std": 0.3})
    network = Network.draw(architecture(name, **options), init=init, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    for arrays in network.parameters:
        if "gain" in arrays:
            arrays["gain"] += 0.3 * rng.standard_normal(arrays["gain"].shape)
    return network


def forward(layers, arrays, x, g, z_1=None):
    """Every layer's z and a by loops over units and examples, in complex arithmetic."""
    zs, activity = [], [[list(map(complex, row)) for row in x]]
    for number, (layer, own) in enumerate(zip(layers, arrays, strict=True), start=1):
        theta, below = own["theta"], activity[-1]
        u = [
            [sum(a[j] * theta[j + 1][k] for j in range(len(a))) for k in range(layer.n_out)]
            for a in below
        ]
        if layer.kind == "centred":
            for k in range(layer.n_out):
                mean = sum(row[k] for row in u) / len(u)
                for row in u:
                    row[k] = own["gain"][k] * (row[k] - mean)
        z = [[row[k] + theta[0][k] for k in range(layer.n_out)] for row in u]
        z = z_1 if number == 1 and z_1 is not None else z
        a = [[g(value) for value in row] for row in z]
        if layer.kind == "skip":
            lower = activity[-layer.over]
            a = [[v + w for v, w in zip(*rows, strict=True)] for rows in zip(a, lower, strict=True)]
        zs.append(z)
        activity.append(a)
    return zs


def derivative(network, x, y, number, name, place):
    """dC/d(one parameter) of the mean cost by the complex step."""
    arrays = [{k: v.astype(complex) for k, v in own.items()} for own in network.parameters]
    arrays[number][name][place] += 1j * oracles.H
    choice = network.architecture.activation
    outputs = forward(network.architecture.layers, arrays, x, oracles.ACTIVATIONS[choice.name])[-1]
    targets = np.eye(len(outputs[0]))[y].tolist()
    cost = oracles.COSTS[network.architecture.cost.name]
    return sum(cost(z, t) for z, t in zip(outputs, targets, strict=True)).imag / len(x) / oracles.H


@pytest.mark.parametrize("cost", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("name", KINDS)
def test_every_gradient_equals_the_complex_step(name, activation, cost):
    network = draw(name, activation=activation, cost=cost)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((4, 4)), rng.integers(0, 3, 4)
    for number, gradients in enumerate(network.parameter_gradients(x, y)):
        assert gradients.keys() == network.parameters[number].keys()
        for key, gradient in gradients.items():
            expected = [
                derivative(network, x.tolist(), y, number, key, place)
                for place in np.ndindex(gradient.shape)
            ]
            np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-9, atol=0)


def trainer(name, seeds=(0,), rates=(0.1,), dtype="float32", **options):
    shape = architecture(name, n_in=64, width=12, n_out=10)
    return make_trainer(shape, DIGITS, seeds, rates, dtype, **options)


go = partial(train_fully, epochs=4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_a_run_in_a_stack_is_the_run_alone_bit_for_bit(name, dtype):
    """Also when a neighbour ends early and is removed."""
    stop = STOPS["cost"](target=1.9)
    seeds, rates = (0, 1, 2), (0.1, 1e9, 0.003)
    together = go(trainer(name, seeds, rates, dtype), stop=stop)
    for row in range(3):
        alone = go(trainer(name, seeds[row : row + 1], rates[row : row + 1], dtype), stop=stop)
        assert together[row] == alone[0]
    assert len({len(seen) for seen, _, _ in together.values()}) > 1


@pytest.mark.parametrize("name", KINDS)
def test_a_resumed_run_is_the_undisturbed_one_and_looking_changes_nothing(name):
    whole = go(trainer(name))[0]
    first, second = trainer(name), trainer(name)
    for record in run(first, epochs=4, stop=STOPS["none"](), probe_every=1):
        if record.epoch == 2 and record.metrics:
            second.restore([{k: v.copy() for k, v in first.state(0).items()}])
            break
    assert go(second)[0][1:] == whole[1:]


def test_only_training_steps_update_the_state_and_evaluation_uses_it():
    stack = trainer("centred", dtype="float64").stack
    first, second, third = Network.of(stack, 0).parameters
    rows = with_constant_unit(DIGITS.x_train[:32], np.float64)
    u = with_constant_unit(np.tanh(rows @ first["theta"]), np.float64) @ second["theta"]
    running = 0.5 + MOMENTUM * (u.mean(axis=0) - 0.5)
    Propagation(stack, rows, trains=True).forward()
    np.testing.assert_allclose(stack.states[1]["mean"][0], running, rtol=1e-12)
    kept = stack.state.copy()
    Propagation(stack, rows).forward()
    z = Propagation(stack, rows, lowest=None).forward()
    assert stack.state.tobytes() == kept.tobytes()
    a = np.tanh((u - running) * second["gain"] + second["theta"][0])
    u = with_constant_unit(a, np.float64) @ third["theta"]
    expected = (u - stack.states[2]["mean"][0]) * third["gain"] + third["theta"][0]
    np.testing.assert_allclose(z[0].T, expected, rtol=1e-10, atol=1e-13)


def test_every_training_step_updates_the_state_once_and_nothing_else_does():
    """At a rate that changes no weight, whatever is measured on the way."""
    trained = trainer("centred first", rates=(1e-30,), dtype="float64")
    theta, running = trained.stack.layers[0][0].copy(), 0.5
    list(run(trained, epochs=2, stop=STOPS["none"](), probe_every=1))
    for order in (batch_order(0, epoch, 200) for epoch in (1, 2)):
        for start in range(0, 200, 32):
            rows = with_constant_unit(DIGITS.x_train[order[start : start + 32]], np.float64)
            running += MOMENTUM * ((rows @ theta).mean(axis=0) - running)
    np.testing.assert_allclose(trained.stack.states[0]["mean"][0], running, rtol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_saving_and_loading_keeps_every_bit(name, tmp_path):
    network = draw(name, dtype="float32")
    network.state[:] = np.random.default_rng(0).standard_normal(network.state.shape)
    network.save(tmp_path / "net.npz")
    loaded = Network.load(tmp_path / "net.npz")
    assert loaded.architecture == network.architecture
    assert loaded.theta.tobytes() == network.theta.tobytes()
    assert loaded.state.tobytes() == network.state.tobytes()
    assert loaded.theta.dtype == loaded.state.dtype == np.float32


def test_a_file_names_every_array_and_the_layers(tmp_path):
    draw("both").save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        names = {*file.files}
        saved = json.loads(str(file["architecture"]))
    thetas = {f"theta_00{number}" for number in range(1, 5)}
    assert names == {"architecture", "gain_002", "mean_002", *thetas}
    assert saved["layers"][2] == {"kind": "skip", "n_in": 5, "n_out": 5, "over": 2}
    assert "sizes" not in saved


def test_weight_decay_acts_on_weights_only():
    shape = architecture("both")
    decayed = shape.parameters(shape.decayed())
    for arrays in decayed:
        assert not arrays["theta"][0].any()
        assert arrays["theta"][1:].all()
    assert not decayed[1]["gain"].any()
    assert decayed[1]["gain"].size == 5
    assert shape.n_parameters == sum(a.size for arrays in decayed for a in arrays.values())


@pytest.mark.parametrize("name", KINDS)
def test_a_step_allocates_nothing_of_the_networks_size(name):
    check_a_step_allocates_little(architecture(name, n_in=400, width=256, n_out=10))


@pytest.mark.parametrize("lowest", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["skip", "skip over two", "both"])
def test_a_frozen_prefix_gets_no_gradient_and_changes_no_other(name, lowest):
    network = draw(name)
    stack = Stack(network.architecture, network.theta[None])
    rng = np.random.default_rng(1)
    found = []
    x, t = rng.standard_normal((7, 5)), rng.random((3, 7))
    for first in (1, lowest):
        passes = Propagation(stack, x, lowest=first)
        np.copyto(passes.targets, t)
        passes.forward()
        passes.backward()
        found.append(passes.buffers.gradients[1:])
    for number, (full, cut) in enumerate(zip(*found, strict=True), start=1):
        for key, gradient in cut.items():
            assert (gradient == (full[key] if number >= lowest else 0)).all()


@pytest.mark.parametrize("name", KINDS)
def test_layer_statistics_see_every_layer(name):
    network = draw(name)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    stack = Stack(network.architecture, network.theta[None])
    measurer = Measurer(stack, with_constant_unit(x, np.float64), np.eye(3)[y].T)
    found = measurer(stack, None, np.array([True]))
    norms = [np.linalg.norm(gradient[1:]) for gradient in network.gradients(x, y)]
    np.testing.assert_allclose(found["grad_norm"][0], norms, rtol=1e-12, atol=0)
    g = oracles.ACTIVATIONS["tanh"]
    zs = forward(network.architecture.layers, network.parameters, x.tolist(), g)
    squares = [np.mean(np.square(np.real(z))) for z in zs]
    np.testing.assert_allclose(found["q"][0], squares, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["skip", "skip over two", "skips that overlap"])
def test_jacobians_equal_the_complex_step(name):
    network = draw(name)
    layers, x = network.architecture.layers, np.random.default_rng(1).standard_normal((2, 4))
    stack = Stack(network.architecture, network.theta[None])
    probed = ProbedNetwork(stack, with_constant_unit(x, np.float64), np.zeros((3, 2)))
    found = jacobian_spectrum(probed, 2)
    for example, values in zip(x, found, strict=True):
        z_1 = (network.layers[0][0] + example @ network.layers[0][1:]).astype(complex)
        columns = []
        for j in range(5):
            moved = [z_1 + 1j * oracles.H * (np.arange(5) == j)]
            g = oracles.ACTIVATIONS["tanh"]
            zs = forward(layers, network.parameters, [example], g, z_1=moved)
            columns.append(np.imag(zs[-2][0]) / oracles.H)
        expected = np.linalg.svd(np.transpose(columns), compute_uv=False)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-14)


def test_lsuv_refuses_what_it_does_not_scale():
    with pytest.raises(ValueError, match=r"lsuv knows dense layers only, not layer 2, Centred"):
        initial_theta(architecture("centred"), Choice("lsuv"), 0, np.ones((5, 4)))


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="layer 2 has 5 inputs, and the layer below has 4 units"):
        Architecture((Dense(3, 4), Skip(5, 5)), Choice("tanh"), Choice("cross_entropy"))
    with pytest.raises(ValueError, match="is not one or more layers"):
        Architecture((), Choice("tanh"), Choice("cross_entropy"))


def test_an_architecture_is_shown_by_its_layers():
    assert repr(architecture("skips that overlap")) == (
        "<Architecture 4-5-skip 5x3-3, tanh, cross_entropy>"
    )
