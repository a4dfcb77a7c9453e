"""Diagnosis of modules: equal to the probes of an equal network, and to plain loops elsewhere."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import bpexp
from bpexp.errors import BridgeError
from bpexp.nn import Network
from bpexp.training import train

torch = pytest.importorskip("torch")
nn = torch.nn

DIGITS = bpexp.load_data("digits", limit=120)
X = torch.tensor(DIGITS.x_train.astype(np.float64))
Y = torch.tensor(DIGITS.y_train)
CROSS = nn.CrossEntropyLoss()


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
def test_a_chain_is_measured_as_an_equal_network(activation, norm):
    network = Network.create([64, 12, 9, 11, 10], activation=activation, norm=norm, seed=4,
                             dtype="float64")  # fmt: skip
    module = bpexp.to_torch(network, logits=True)
    found = bpexp.diagnose(module, CROSS, X, Y)
    seen = train(network, DIGITS, epochs=0, measure=["global_grad_norm"])[0]
    assert set(found.observation.layers) == set(seen.layers)
    for name, expected in seen.layers.items():
        given = found.observation.layers[name]
        if name.startswith("activation_"):  # softmax belongs to the cost here, to none there
            given, expected = given[:-1], expected[:-1]
        if name == "subnormal_share":
            continue  # libraries flush other entries
        atol = 1e-12 if norm == "batch" and name == "bias_grad_norm" else 0
        np.testing.assert_allclose(given, expected, rtol=1e-9, atol=atol, err_msg=name)
    assert found.summaries["loss/train"] == pytest.approx(seen.metrics["loss/train"])
    assert found.summaries["accuracy/train"] == seen.metrics["accuracy/train"]
    assert seen.arrays["global_grad_norm"] == pytest.approx(
        found.observation.arrays["global_grad_norm"]
    )


def test_the_words_are_those_of_the_verdict():
    deep = Network.create([64, *[16] * 12, 10], activation="sigmoid", init="glorot_normal")
    found = bpexp.diagnose(bpexp.to_torch(deep, logits=True), CROSS, X.float(), Y)
    assert found.verdict == "vanishing"
    assert "vanishing. The gradient that reaches the first layer is" in repr(found)
    wide = Network.create([64, *[16] * 12, 10], activation="relu")
    wide.theta *= 3
    assert bpexp.diagnose(bpexp.to_torch(wide, logits=True), CROSS, X.float(), Y).verdict == (
        "exploding"
    )
    dead = bpexp.to_torch(Network.create([64, 8, 8, 10]), logits=True)
    dead[2].bias.data[:] = -100
    found = bpexp.diagnose(dead, CROSS, X.float(), Y)
    assert found.verdict == "dead"
    assert found.observation.layers["dead"][1] == 1


class Convolutional(nn.Module):
    """A convolution, a norm, an activation in place, and a sum."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3 * 64, 10)
        self.g, self.dropout = nn.ReLU(inplace=True), nn.Dropout(0.5)

    def forward(self, x):
        h = self.g(self.norm(self.first(x.reshape(-1, 1, 8, 8))))
        h = torch.tanh(self.second(h) + h)
        return self.head(self.dropout(h).flatten(1))


def test_a_convolutional_module_equals_a_plain_computation():
    """The oracle writes the forward pass out, and takes the gradients of what it names."""
    torch.manual_seed(0)
    m = Convolutional().double()
    state, random = copy.deepcopy(m.state_dict()), torch.random.get_rng_state()
    found = bpexp.diagnose(m, CROSS, X, Y).observation.layers
    assert all(torch.equal(value, m.state_dict()[key]) for key, value in state.items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(p.grad is None for p in m.parameters())

    b = len(X)
    u1 = m.first(X.reshape(-1, 1, 8, 8))
    z1 = m.norm(u1)
    a1 = z1.clamp(min=0)
    z2 = m.second(a1) + a1
    z3 = m.head(m.dropout(z2.tanh()).flatten(1))
    loss = CROSS(z3, Y)
    zs, weights = (z1, z2, z3), (m.first.weight, m.second.weight, m.head.weight)
    deltas = torch.autograd.grad(loss, zs, retain_graph=True)
    gradients = torch.autograd.grad(loss, weights)
    for i, (z, delta, gradient) in enumerate(zip(zs, deltas, gradients, strict=True)):
        assert found["grad_norm"][i] == pytest.approx(gradient.norm().item(), rel=1e-12)
        per_example = [b * delta[k].norm().item() for k in range(b)]
        root = np.sqrt(np.mean(np.square(per_example)))
        assert found["delta_norm"][i] == pytest.approx(root, rel=1e-12)
        flat = z.detach().reshape(b, -1).numpy()
        assert found["q"][i] == pytest.approx(np.mean(flat**2), rel=1e-12)
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        cosines = (unit @ unit.T)[~np.eye(b, dtype=bool)]
        assert found["correlation"][i] == pytest.approx(cosines.mean(), rel=1e-10)
    slopes = 1 - z2.tanh().detach().numpy() ** 2
    assert found["saturation"][1] == pytest.approx(np.mean(slopes < 0.05))
    assert np.isnan(found["weight_factor"]).all()  # a skip connection


def test_the_factors_are_defined_between_layers_that_follow_each_other():
    module = nn.Sequential(
        nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 10)
    ).double()
    factors = bpexp.diagnose(module, CROSS, X, Y).observation.layers["weight_factor"]
    assert np.isfinite(factors[0])
    assert np.isnan(factors[1:]).all()


def test_mean_field_expects_what_the_theory_of_a_network_does():
    from bpexp.theory import predict

    network = Network.create([64, 40, 50, 60, 10], activation="tanh", init="glorot_normal",
                             dtype="float64")  # fmt: skip
    found = bpexp.diagnose(bpexp.to_torch(network, logits=True), CROSS, X, Y).layers
    found = found[found["source"] == "theory"]
    variances = [(np.mean(theta[1:] ** 2), 0.0) for theta in network.layers]
    expected = predict(network.architecture, variances, float((X**2).mean()))
    for name in ("sigma_w2", "q", "weight_factor", "slope_factor"):
        np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-6, err_msg=name)
    ratio = found["delta_norm"] / found["delta_norm"].iloc[-1]
    np.testing.assert_allclose(ratio, expected.delta_norm, rtol=1e-6)


def test_a_frame_and_a_figure_like_those_of_a_study():
    module = nn.Sequential(nn.Linear(64, 8), nn.LeakyReLU(), nn.Linear(8, 10)).double()
    found = bpexp.diagnose(module, CROSS, X, Y)
    measured = found.layers[found.layers["source"] == "measured"]
    assert measured["layer"].tolist() == [1, 2]
    assert set(measured["activation"]) == {"leaky"}
    assert (set(measured["depth"]), set(measured["batch_size"])) == ({1}, {len(X)})
    titles = [axes.get_title() for axes in found.figure().axes]
    assert titles[:4] == ["grad_norm", "delta_norm", "q", "correlation"]
    assert bpexp.figures.gradient_by_layer(found.layers).axes


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(BridgeError, match="calls no linear layer"):
        bpexp.diagnose(nn.Identity(), lambda a, y: a.sum(), X, Y)
    with pytest.raises(BridgeError, match="not one number that depends"):
        bpexp.diagnose(nn.Linear(64, 10).double(), lambda a, y: a, X, Y)
