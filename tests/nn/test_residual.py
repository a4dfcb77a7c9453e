"""Skip connections and norms: gradients, trajectories, and all that holds for every network."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import oracles
import pytest

from bpexp.data import load
from bpexp.nn import ACTIVATIONS, COSTS, Architecture, Choice, Network
from bpexp.nn.initializers import batch_order
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.training import STOPS, Trainer, run, train

SKIPS = {
    "none": Choice("none"),
    "pre": Choice("identity"),
    "pre by two": Choice("identity", {"every": 2, "scale": "1/sqrt(blocks)"}),
    "post": Choice("identity", {"order": "post", "scale": 0.7}),
    "post by two": Choice("identity", {"order": "post", "every": 2}),
    "full": Choice("identity", {"order": "full", "outer_bias_variance": 0.1}),
    "full by two": Choice(
        "identity", {"order": "full", "every": 2, "scale": 0.5, "outer_weight_variance": 0.8}
    ),
    "rezero": Choice("rezero"),
    "rezero post by two": Choice("rezero", {"order": "post", "every": 2}),
    "fixup": Choice("fixup"),
    "fixup by three": Choice("fixup", {"every": 3}),
}
NORMS = {
    "none": Choice("none"),
    "batch": Choice("batch"),
    "layer": Choice("layer"),
    "rms": Choice("rms"),
    "batch, not affine": Choice("batch", {"affine": False}),
    "layer, not affine": Choice("layer", {"affine": False}),
}
DEPTHS = (1, 2, 10, 30)
DIGITS = load("digits", limit=100)


def settings(skip, norm, depth):
    """What the oracle takes of a network's skip connections and norm."""
    choice = SKIPS[skip]
    every = choice.parameters.get("every", 2 if choice.name == "fixup" else 1)
    scale = choice.parameters.get("scale", 1.0)
    if scale == "1/sqrt(blocks)":
        scale = max(1, (depth - 1) // every) ** -0.5
    plain = {"none": "none", "fixup": "fixup"}
    order = plain.get(choice.name, choice.parameters.get("order", "pre"))
    return {"order": order, "every": every, "scale": scale, "norm": NORMS[norm].name}


def fitting(skip, depth):
    """The next depth of whole blocks."""
    every = settings(skip, "none", 1)["every"]
    return depth if depth == 0 else depth + (1 - depth) % every


def shape(skip, norm, depth, sizes=(4, 5, 3), **options):
    n_in, width, n_out = sizes
    units = [n_in, *[width] * fitting(skip, depth), n_out]
    return Architecture.dense(units, skip=SKIPS[skip], norm=NORMS[norm], **options)


def draw(skip, norm, depth, *, seed=0, dtype="float64", **options):
    """A network in which nothing is left at the value that it starts from."""
    init = Choice("glorot_normal", {"bias_std": 0.3})
    network = Network.draw(shape(skip, norm, depth, **options), init=init, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    for arrays in network.parameters:
        for name, array in arrays.items():
            size = {"theta": 0.1, "outer": 0.1, "scale": 0.5}.get(name, 0.3)
            array += (size * rng.standard_normal(array.shape)).astype(dtype)
    return network


def pairs_covered(*factors):
    """Cases in which every pair of values of two factors occurs, greedily."""
    wanted = {
        ((i, a), (j, b))
        for (i, one), (j, other) in itertools.combinations(enumerate(factors), 2)
        for a in one
        for b in other
    }
    while wanted:
        case = dict(min(wanted))
        for place, values in enumerate(factors):
            if place not in case:
                gains = [
                    sum(
                        ((i, case[i]), (place, v)) in wanted or ((place, v), (i, case[i])) in wanted
                        for i in case
                    )
                    for v in values
                ]
                case[place] = values[int(np.argmax(gains))]
        chosen = tuple(case[place] for place in range(len(factors)))
        wanted -= {*itertools.combinations(enumerate(chosen), 2)}
        yield chosen


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


def torch_norm(torch, norm, n):
    name, own = NORMS[norm].name, NORMS[norm].parameters.get("affine", True)
    if name == "batch":
        return torch.nn.BatchNorm1d(n, affine=own, dtype=torch.float64)
    if name == "layer":
        return torch.nn.LayerNorm(n, elementwise_affine=own, bias=own, dtype=torch.float64)
    if name == "rms":
        return torch.nn.RMSNorm(n, eps=1e-5, dtype=torch.float64)
    return torch.nn.Identity()


def torch_network(torch, network, skip, norm, depth):
    """Modules of PyTorch with the network's parameters, and the function that they compute."""
    given, hidden = settings(skip, norm, depth), network.parameters[:-1]
    linears, norms, outers, scales = [], [], [], []

    def linear(theta):
        module = torch.nn.Linear(len(theta) - 1, theta.shape[1], dtype=torch.float64)
        module.weight.data[:], module.bias.data[:] = map(torch.tensor, (theta[1:].T, theta[0]))
        return module

    for number, own in enumerate(hidden):
        linears.append(linear(own["theta"]))
        is_bare = given["order"] == "full" and number == 0
        norms.append(torch_norm(torch, "none" if is_bare else norm, own["theta"].shape[1]))
        if "gain" in own:
            norms[-1].weight.data[:] = torch.tensor(own["gain"])
        if "shift" in own:
            norms[-1].bias.data[:] = torch.tensor(own["shift"])
        outers.append(linear(own["outer"]) if "outer" in own else None)
        scale = torch.tensor(own["scale"], requires_grad=True) if "scale" in own else given["scale"]
        scales.append(scale)
    output = linear(network.parameters[-1]["theta"])
    g = getattr(torch, network.architecture.activation.name)

    def forward(x):
        streams, a = [], x
        for number in range(depth):
            ends = number > 0 and number % given["every"] == 0 and given["order"] != "none"
            u = linears[number](a)
            if given["order"] == "pre":
                h = streams[number - given["every"]] + scales[number] * u if ends else u
                streams.append(h)
                a = g(norms[number](h))
            elif given["order"] == "full" and number == 0:
                a = u
                streams.append(a)
            else:
                branch = g(norms[number](u))
                branch = outers[number](branch) if outers[number] else branch
                a = streams[number - given["every"]] + scales[number] * branch if ends else branch
                streams.append(a)
        return output(a)

    modules = [*linears, *norms, *(m for m in outers if m), output]
    free = [s for s in scales if not isinstance(s, float)]
    return modules, free, forward, (linears, norms, outers, scales, output)


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms", "batch, not affine"])
@pytest.mark.parametrize("skip", ["none", "pre", "post by two", "full", "rezero"])
def test_twenty_steps_are_those_of_pytorch(skip, norm):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    depth, rate = fitting(skip, 4), 0.05
    network = draw(skip, norm, 4, sizes=(64, 8, 10), activation="tanh")
    modules, free, forward, (linears, norms, outers, scales, output) = torch_network(
        torch, network, skip, norm, depth
    )
    trained = [p for module in modules for p in module.parameters()] + free
    descent = torch.optim.SGD(trained, lr=rate)
    train(network, DIGITS, lr=rate, epochs=5, batch_size=25, seed=3)
    x, y = torch.tensor(DIGITS.x_train, dtype=torch.float64), torch.tensor(DIGITS.y_train)
    for epoch in range(1, 6):
        order = torch.tensor(batch_order(3, epoch, 100))
        for part in order.split(25):
            descent.zero_grad()
            torch.nn.functional.cross_entropy(forward(x[part]), y[part]).backward()
            descent.step()

    def near(found, module):
        weights = np.vstack([module.bias.detach().numpy(), module.weight.detach().numpy().T])
        atol = 1e-10 * np.abs(weights).max()
        np.testing.assert_allclose(found, weights, rtol=1e-10, atol=atol)

    states = network.architecture.states(network.state)
    for number, own in enumerate(network.parameters[:-1]):
        near(own["theta"], linears[number])
        if "outer" in own:
            near(own["outer"], outers[number])
        if "scale" in own:
            np.testing.assert_allclose(own["scale"], scales[number].item(), rtol=1e-10)
        for name, other in (("gain", "weight"), ("shift", "bias")):
            if name in own:
                expected = getattr(norms[number], other).detach().numpy()
                np.testing.assert_allclose(own[name], expected, rtol=1e-10, atol=1e-12)
        for name, array in states[number].items():
            key = {"running_mean": "running_mean", "running_variance": "running_var"}[name]
            expected = getattr(norms[number], key).numpy()
            np.testing.assert_allclose(array, expected, rtol=1e-10, atol=1e-12)
    near(network.parameters[-1]["theta"], output)
    for module in modules:
        module.eval()
    with torch.no_grad():
        expected = torch.softmax(forward(torch.tensor(DIGITS.x_test, dtype=torch.float64)), 1)
    np.testing.assert_allclose(network.outputs(DIGITS.x_test), expected.numpy(), rtol=1e-9)


COVERED = list(pairs_covered(list(SKIPS), list(NORMS)))
FEW = [
    ("none", "batch"),
    ("pre", "layer"),
    ("pre by two", "batch"),
    ("post", "rms"),
    ("post by two", "batch, not affine"),
    ("full", "batch"),
    ("full by two", "layer, not affine"),
    ("rezero", "none"),
    ("rezero post by two", "none"),
    ("fixup", "none"),
    ("fixup by three", "rms"),
]


def trainer(skip, norm, seeds=(0,), rates=(0.05,), dtype="float32", **options):
    architecture = shape(skip, norm, 4, sizes=(64, 12, 10), activation="tanh")
    rows = [initial_theta(architecture, Choice("he_normal"), seed) for seed in seeds]
    return Trainer(
        Stack.of(architecture, rows, dtype),
        DIGITS,
        learning_rates=rates,
        seeds=seeds,
        optimizer=Choice("momentum", {"weight_decay": 0.01}),
        batch_size=32,
        **options,
    )


def bits(array):
    """The bytes of an array; all NaN are alike, which a run that diverged has many of."""
    return np.where(np.isnan(array), np.nan, array).tobytes()


def go(trained, epochs=3, stop=None, probe_every=None):
    """Train to the end: {row: (what was measured, final theta, final state)}."""
    seen, ends = {}, {}
    for record in run(
        trained, epochs=epochs, stop=stop or STOPS["none"](), probe_every=probe_every
    ):
        for r, row in enumerate(record.rows.tolist()):
            observation = record.of(r)
            seen.setdefault(row, []).append((observation.metrics, observation.layers))
            if record.ended[r]:
                ends[row] = bits(trained.stack.theta[r]), bits(trained.stack.state[r])
    return {row: (repr(seen[row]), *ends[row]) for row in seen}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("skip", "norm"), FEW)
def test_a_run_in_a_stack_is_the_run_alone_bit_for_bit(skip, norm, dtype):
    """Also when a neighbour ends early and is removed."""
    stop = STOPS["cost"](target=1.5)
    seeds, rates = (0, 1, 2), (0.05, 1e9, 0.2)
    together = go(trainer(skip, norm, seeds, rates, dtype), stop=stop)
    for row in range(3):
        own = seeds[row : row + 1], rates[row : row + 1]
        alone = go(trainer(skip, norm, *own, dtype), stop=stop)
        assert together[row] == alone[0]


@pytest.mark.parametrize(("skip", "norm"), FEW)
@pytest.mark.parametrize(("width", "batch"), [(1, 2), (1, 33), (3, 3), (33, 5), (64, 32)])
def test_gradients_in_a_stack_are_those_alone_bit_for_bit(skip, norm, width, batch):
    architecture = shape(skip, norm, 3, sizes=(7, width, 3))
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((3, architecture.n_parameters)).astype("float32")
    x = with_constant_unit(rng.standard_normal((batch, 7)), "float32")

    def gradient(rows):
        passes = Propagation(Stack(architecture, rows), x, gradient=np.zeros_like(rows))
        passes.targets[...] = 0.3
        with np.errstate(all="ignore"):
            passes.forward()
            passes.backward()
        parts = passes.buffers.gradients[1:]
        return [np.concatenate([a[r].ravel() for own in parts for a in own.values()])
                for r in range(len(rows))]  # fmt: skip

    together = gradient(theta)
    for r in range(3):
        assert together[r].tobytes() == gradient(theta[r : r + 1].copy())[0].tobytes()


@pytest.mark.parametrize(("skip", "norm"), FEW)
def test_a_resumed_run_is_the_undisturbed_one_and_looking_changes_nothing(skip, norm):
    whole = go(trainer(skip, norm))[0]
    first, second = trainer(skip, norm), trainer(skip, norm)
    for record in run(first, epochs=3, stop=STOPS["none"](), probe_every=1):
        if record.epoch == 2 and record.metrics:
            second.restore([{k: v.copy() for k, v in first.state(0).items()}])
            break
    assert go(second)[0][1:] == whole[1:]


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
    architecture = shape(skip, norm, 3, sizes=(400, 256, 10))
    stack = Stack.of(architecture, [initial_theta(architecture, Choice("he_normal"), 0)], "float32")
    passes = Propagation(stack, np.ones((1, 256, 401), np.float32), trains=True)
    passes.targets[...] = 0.1
    passes.forward()
    passes.backward()
    tracemalloc.start()
    passes.forward()
    passes.backward()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024  # a layer's z has 256 KiB
    assert held < 16 * 1024


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
    ({"norm": "group"}, 4, "'group' is not one of batch, layer, none, rms"),
    ({"init": "lsuv", "norm": "batch"}, 4, "lsuv knows dense layers only, not norm=batch"),
]


@pytest.mark.parametrize(("given", "depth", "message"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(given, depth, message):
    with pytest.raises(ValueError, match=message) as caught:
        Network.create([4, *[5] * depth, 3], batch=np.ones((2, 4)), **given)
    assert "\n" not in str(caught.value)


def test_a_stream_has_one_width():
    with pytest.raises(ValueError, match=r"joins layers of \[5, 6\] units"):
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
