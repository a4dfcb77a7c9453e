"""Skip connections and norms in training: trajectories of PyTorch, stacks, resumed runs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from residual import (
    FEW,
    NORMS,
    draw,
    fitting,
    settings,
    shape,
)
from trained import make_trainer, train_fully

from bpexp.data import load
from bpexp.nn.initializers import batch_order
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.training import STOPS, run, train

DIGITS = load("digits", limit=100)


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


def trainer(skip, norm, seeds=(0,), rates=(0.05,), dtype="float32", **options):
    architecture = shape(skip, norm, 4, sizes=(64, 12, 10), activation="tanh")
    return make_trainer(architecture, DIGITS, seeds, rates, dtype, **options)


go = partial(train_fully, epochs=3)


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
