"""Skip connections and norms: gradients, Jacobians, files, refusals, and how they start."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from residual import (
    COVERED,
    DEPTHS,
    FEW,
    NORMS,
    SKIPS,
    draw,
    pairs_covered,
    settings,
    shape,
)
from trained import check_a_step_allocates_little

from bpexp.data import load
from bpexp.nn import ACTIVATIONS, COSTS, Architecture, Choice, Network
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.probes import ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.training import train

DIGITS = load("digits", limit=100)
CASES = list(pairs_covered(list(ACTIVATIONS), list(COSTS), list(NORMS), list(SKIPS), DEPTHS))


def as_python(arrays):
    return [{name: array.tolist() for name, array in own.items()} for own in arrays]


def mean_cost(network, skip, norm, x, y, moved):
    """The mean cost by the oracle, of arrays that may be complex."""
    architecture = network.architecture
    g = oracles.ACTIVATIONS[architecture.activation.name]
    cost = oracles.COSTS[architecture.cost.name]
    outputs = oracles.residual(moved, x, g, **settings(skip, norm, len(architecture.layers) - 1))[2]
    targets = np.eye(len(outputs[0]))[y].tolist()
    return sum(cost(z, t) for z, t in zip(outputs, targets, strict=True)) / len(x)


def along(network, skip, norm, x, y, number, directions):
    """The derivative of the mean cost along a direction of one layer's arrays, by complex step."""
    moved = as_python(network.parameters)
    stepped = {
        name: (array + 1j * oracles.H * directions[name])
        for name, array in network.parameters[number].items()
    }
    (moved[number],) = as_python([stepped])
    return mean_cost(network, skip, norm, x.tolist(), y, moved).imag / oracles.H


@pytest.mark.parametrize(("activation", "cost", "norm", "skip", "depth"), CASES)
def test_gradients_equal_the_complex_step(activation, cost, norm, skip, depth):
    """Along one random direction a layer; all pairs of the five factors occur."""
    network = draw(skip, norm, depth, activation=activation, cost=cost)
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((5, 4)), rng.integers(0, 3, 5)
    for number, gradients in enumerate(network.parameter_gradients(x, y)):
        assert gradients.keys() == network.parameters[number].keys()
        directions = {name: rng.standard_normal(array.shape) for name, array in gradients.items()}
        found = sum(np.vdot(directions[name], gradients[name]) for name in gradients)
        expected = along(network, skip, norm, x, y, number, directions)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("skip", SKIPS)
def test_every_parameter_of_a_small_network_is_right(skip, norm):
    network = draw(skip, norm, 3, sizes=(2, 3, 2), activation="tanh")
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((4, 2)), rng.integers(0, 2, 4)
    for number, gradients in enumerate(network.parameter_gradients(x, y)):
        for name, gradient in gradients.items():
            flat = []
            for place in np.ndindex(gradient.shape):
                unit = {key: np.zeros(array.shape) for key, array in gradients.items()}
                unit[name][place] = 1
                flat.append(along(network, skip, norm, x, y, number, unit))
            atol = 1e-15 if NORMS[norm].name == "batch" else 0  # what a batch norm subtracts
            np.testing.assert_allclose(np.ravel(gradient), flat, rtol=1e-9, atol=atol)


def test_the_oracle_rejects_an_error_of_a_thousandth():
    network = draw("pre by two", "layer", 5)
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((5, 4)), rng.integers(0, 3, 5)
    gradients = network.parameter_gradients(x, y)[2]
    directions = {name: rng.standard_normal(array.shape) for name, array in gradients.items()}
    found = sum(np.vdot(directions[name], gradients[name]) for name in gradients)
    expected = along(network, "pre by two", "layer", x, y, 2, directions)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found * 1.001, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("skip", ["none", "pre by two", "post", "full", "fixup"])
def test_what_a_batch_norm_subtracts_has_a_gradient_of_exactly_0(skip):
    network = draw(skip, "batch", 3)
    rng = np.random.default_rng(7)
    gradients = network.parameter_gradients(rng.standard_normal((6, 4)), rng.integers(0, 3, 6))
    first = 1 if skip == "full" else 0  # its first layer has no norm
    for number, own in enumerate(gradients[first:-1], start=first):
        assert not own["theta"][0].any()
        assert own["theta"][1:].all()
        if skip == "fixup":
            assert own["beta"] == 0
            assert (own["alpha"] == 0) == (number + 2 < len(gradients))
    assert gradients[-1]["theta"][0].all()


@pytest.mark.parametrize(("skip", "norm"), COVERED)
def test_saving_and_loading_keeps_every_bit(skip, norm, tmp_path):
    network = draw(skip, norm, 3, dtype="float32")
    network.state[:] = np.random.default_rng(0).random(network.state.shape)
    network.save(tmp_path / "net.npz")
    loaded = Network.load(tmp_path / "net.npz")
    assert loaded.architecture == network.architecture
    assert loaded.theta.tobytes() == network.theta.tobytes()
    assert loaded.state.tobytes() == network.state.tobytes()
    x = np.random.default_rng(1).standard_normal((1, 4))  # one example: running statistics
    assert loaded.outputs(x).tobytes() == network.outputs(x).tobytes()


def test_layers_by_hand_are_saved_one_by_one(tmp_path):
    layers = shape("pre by two", "layer", 3).layers
    architecture = Architecture(layers, Choice("tanh"), Choice("cross_entropy"))
    Network.draw(architecture).save(tmp_path / "net.npz")
    assert Network.load(tmp_path / "net.npz").architecture == architecture


@pytest.mark.parametrize(("skip", "norm"), COVERED)
def test_weight_decay_acts_on_matrices_without_their_biases(skip, norm):
    architecture = shape(skip, norm, 3)
    for arrays in architecture.parameters(architecture.decayed()):
        for name, mask in arrays.items():
            if name in ("theta", "outer"):
                assert mask[1:].all()
                assert not mask[0].any()
            else:
                assert not mask.any()


@pytest.mark.parametrize(("skip", "norm"), FEW)
def test_a_step_allocates_nothing_of_the_networks_size(skip, norm):
    check_a_step_allocates_little(shape(skip, norm, 3, sizes=(400, 256, 10)))


@pytest.mark.parametrize("lowest", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("skip", "norm"), FEW)
def test_a_frozen_prefix_gets_no_gradient_and_changes_no_other(skip, norm, lowest):
    network = draw(skip, norm, 3)
    rng = np.random.default_rng(1)
    found = []
    x, t = rng.standard_normal((7, 5)), rng.random((3, 7))
    for first in (1, lowest):
        passes = Propagation(Stack(network.architecture, network.theta[None]), x, lowest=first)
        np.copyto(passes.targets, t)
        passes.forward()
        passes.backward()
        found.append(passes.buffers.gradients[1:])
    for number, (full, cut) in enumerate(zip(*found, strict=True), start=1):
        for key, gradient in cut.items():
            assert (gradient == (full[key] if number >= lowest else 0)).all()


def test_evaluation_uses_the_running_statistics_and_only_steps_update_them():
    network = draw("none", "batch", 1, activation="tanh")
    x = np.random.default_rng(1).standard_normal((6, 4))
    stack = Stack(network.architecture, network.theta[None], network.state[None])
    u = with_constant_unit(x, np.float64) @ network.layers[0]
    Propagation(stack, with_constant_unit(x, np.float64)).forward()
    assert (network.state == [0] * 5 + [1] * 5).all()
    Propagation(stack, with_constant_unit(x, np.float64), trains=True).forward()
    mean, variance = 0.1 * u.mean(axis=0), 0.9 + 0.1 * u.var(axis=0, ddof=1)
    np.testing.assert_allclose(network.state, np.hstack([mean, variance]), rtol=1e-12)
    own = network.parameters[0]
    z = own["gain"] * (u - mean) / np.sqrt(variance + 1e-5) + own["shift"]
    outputs = with_constant_unit(np.tanh(z), np.float64) @ network.layers[1]
    expected = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.outputs(x), expected, rtol=1e-12)


@pytest.mark.parametrize("norm", ["none", "layer", "rms"])
@pytest.mark.parametrize("skip", SKIPS)
def test_jacobians_are_those_of_the_stream(skip, norm):
    """From first to last stream, of z without skip connections; by the complex step."""
    network = draw(skip, norm, 5, activation="tanh")
    x = np.random.default_rng(1).standard_normal((2, 4))
    stack = Stack(network.architecture, network.theta[None])
    probed = ProbedNetwork(stack, with_constant_unit(x, np.float64), np.zeros((3, 2)))
    found = jacobian_spectrum(probed, 2)
    depth = len(network.layers) - 1
    given = settings(skip, norm, depth)
    place = 1 if given["order"] == "none" else 0  # zs or streams
    g, arrays = oracles.ACTIVATIONS["tanh"], as_python(network.parameters)
    for example, values in zip(x.tolist(), found, strict=True):
        start = oracles.residual(arrays, [example], g, **given)[place][0][0]
        columns = []
        for j in range(5):
            moved = [[v + 1j * oracles.H * (i == j) for i, v in enumerate(start)]]
            end = oracles.residual(arrays, [example], g, **given, first=moved)[place][-1][0]
            columns.append(np.imag(end) / oracles.H)
        expected = np.linalg.svd(np.transpose(columns), compute_uv=False)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("skip", ["none", "pre", "post", "full"])
def test_jacobians_hold_the_statistics_of_the_whole_probe_batch_fixed(skip):
    network = draw(skip, "batch", 4, activation="tanh")
    x = with_constant_unit(np.random.default_rng(1).standard_normal((9, 4)), np.float64)
    stack = Stack(network.architecture, network.theta[None], network.state[None])
    found = jacobian_spectrum(ProbedNetwork(stack, x, np.zeros((3, 9))), 2)
    sizes, norm = network.architecture.sizes, Choice("batch", {"momentum": 1.0})
    architecture = Architecture.dense(sizes, "tanh", skip=SKIPS[skip], norm=norm)
    fixed = Stack(architecture, network.theta[None], network.state[None].copy())
    Propagation(fixed, x, trains=True).forward()  # running statistics are now the batch's
    for states in fixed.states:
        if states:
            states["running_variance"] *= 8 / 9  # biased, as the batch's own
    depth = 4
    for example, values in zip(x[:2], found, strict=True):
        columns = []
        start = _evaluated(fixed, example, skip, depth, None)[0]
        for j in range(5):
            moved = start.astype(complex)
            moved[j] += 1j * oracles.H
            columns.append(_evaluated(fixed, example, skip, depth, moved)[1].imag / oracles.H)
        expected = np.linalg.svd(np.transpose(columns), compute_uv=False)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-14)


def _evaluated(stack, example, skip, depth, first):
    """The first and last stream (z without skip connections) of one example, running statistics."""
    parameters = [{k: v[0] for k, v in own.items()} for own in stack.parameters]
    states = [{k: v[0] for k, v in own.items()} for own in stack.states]
    given, a, streams = settings(skip, "batch", depth), example, []
    for number in range(depth):
        own, state = parameters[number], states[number]
        u = own["theta"].T @ (a if number == 0 else np.concatenate([[1], a]))

        def norm(v, own=own, state=state):
            root = np.sqrt(state["running_variance"] + 1e-5)
            return own["gain"] * (v - state["running_mean"]) / root + own["shift"]

        if given["order"] == "pre":
            x = u if number == 0 else streams[-1] + u
            x = first if number == 0 and first is not None else x
            a = np.tanh(norm(x))
        elif given["order"] == "full" and number == 0:
            x = a = u if first is None else first
        else:
            z = norm(u)
            z = first if given["order"] == "none" and number == 0 and first is not None else z
            branch = np.tanh(z)
            if given["order"] == "full":
                branch = own["outer"].T @ np.concatenate([[1], branch])
            a = (
                branch
                if number == 0 or given["order"] == "none"
                else (streams[-1] + given["scale"] * branch)
            )
            if given["order"] == "post" and number == 0 and first is not None:
                a = first
            x = z if given["order"] == "none" else a
        streams.append(x)
    return streams[0], streams[-1]


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_rezero_starts_with_blocks_that_are_the_identity(order, every, norm):
    skip = Choice("rezero", {"order": order, "every": every})
    net = Network.create([4, *[6] * 31, 3], skip=skip, norm=norm, dtype="float64")
    x = with_constant_unit(np.random.default_rng(0).standard_normal((5, 4)), np.float64)
    probed = ProbedNetwork(Stack(net.architecture, net.theta[None]), x, np.zeros((3, 5)))
    assert (jacobian_spectrum(probed, 5) == 1).all()


@pytest.mark.parametrize(("every", "depth", "factor"), [(2, 17, 8**-0.5), (3, 13, 4**-0.25)])
def test_fixup_starts_with_small_inner_weights_and_branches_of_0(every, depth, factor):
    net = Network.create([4, *[6] * depth, 3], skip=Choice("fixup", {"every": every}), seed=5)
    plain = Network.create([4, *[6] * depth, 3], seed=5)
    for number, (own, other) in enumerate(zip(net.layers, plain.layers, strict=True)):
        is_last = number > 0 and number % every == 0
        expected = 1 if number == 0 else 0 if is_last or number == depth else factor
        np.testing.assert_allclose(own, other * expected, rtol=1e-6, atol=0)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    passes = Propagation(Stack(net.architecture, net.theta[None]), with_constant_unit(x, "float32"))
    outputs, own = passes.forward(), passes.buffers.own
    assert not outputs.any()
    assert (own[depth]["stream"] == own[1]["stream"]).all()
    assert [float(a["scale"]) for a in net.parameters if "scale" in a] == [1] * (depth // every)


def test_the_outer_matrices_have_their_own_draw_and_variance():
    given = {"order": "full", "outer_weight_variance": 0.5, "outer_bias_variance": 0.3}
    sizes = [4, *[400] * 3, 3]
    net = Network.create(sizes, skip=Choice("identity", given), dtype="float64", init="normal")
    plain = Network.create(sizes, dtype="float64", init="normal")
    for own, other in zip(net.layers, plain.layers, strict=True):
        assert (own == other).all()
    outer = net.parameters[1]["outer"]
    np.testing.assert_allclose(outer[1:].var() * 400, 0.5, rtol=0.02)
    np.testing.assert_allclose(outer[0].var(), 0.3, rtol=0.2)
    assert abs(np.corrcoef(outer[1:].ravel(), net.layers[1][1:].ravel())[0, 1]) < 0.01
    del given["outer_weight_variance"]
    net = Network.create(sizes, skip=Choice("identity", given), dtype="float64", init="he_normal")
    np.testing.assert_allclose(net.parameters[1]["outer"][1:].var() * 400, 2, rtol=0.02)


REFUSED = [
    ({"skip": Choice("identity", {"every": 2})}, 4, "depth: 4 is not 1 plus a multiple of skip.ev"),
    ({"skip": Choice("identity", {"every": 3})}, 4, "every: 3 is not 1 or 2"),
    ({"skip": "fixup"}, 4, "depth: 4 is not 1 plus a multiple of skip.every=2"),
    ({"skip": Choice("fixup", {"every": 1})}, 4, "every: 1 is not an integer of at least 2"),
    ({"skip": Choice("rezero", {"order": "full"})}, 4, "order: 'full' is not one of pre, post"),
    ({"skip": Choice("identity", {"scale": "half"})}, 4, r"finite number, or 1/sqrt\(blocks\)"),
    ({"skip": Choice("identity", {"outer_bias_variance": 1.0})}, 4, "order=pre has no outer ma"),
    ({"norm": Choice("batch", {"momentum": 0.0})}, 4, "momentum: 0.0 is not a number above 0"),
    ({"norm": Choice("layer", {"eps": 0.0})}, 4, "eps: 0.0 is not a finite number above 0"),
    ({"norm": "group"}, 4, "norm: 'group' is not one of batch, layer, none, rms"),
    ({"init": "lsuv", "norm": "batch"}, 4, "lsuv knows dense layers only, not norm=batch"),
]


@pytest.mark.parametrize(("given", "depth", "message"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(given, depth, message):
    with pytest.raises(ValueError, match=message) as caught:
        Network.create([4, *[5] * depth, 3], batch=np.ones((2, 4)), **given)
    assert "\n" not in str(caught.value)


def test_a_stream_has_one_width():
    with pytest.raises(ValueError, match=r"adds layers of \[5, 6\] units"):
        Network.create([4, 5, 6, 3], skip="identity")
    Network.create([4, 5, 9, 5, 3], skip=Choice("identity", {"every": 2}))


@pytest.mark.parametrize(("batch_size", "word"), [(1, "makes batches"), (33, "the last"), (99, "")])
def test_a_batch_of_one_is_refused(batch_size, word):
    network = Network.create([64, 8, 10], norm="batch")
    with pytest.raises(ValueError, match=f"batch_size: {batch_size} .*{word}.* norm=batch needs"):
        train(network, DIGITS, batch_size=batch_size, epochs=1)
    with pytest.raises(ValueError, match="1 example has no variance"):
        network.gradients(DIGITS.x_train[:1], [1])
    train(Network.create([64, 8, 10], norm="layer"), DIGITS, batch_size=batch_size, epochs=1)
