"""Networks from and to PyTorch and scikit-learn: outputs and gradients are those of the library."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

import bpexp
from bpexp import from_sklearn
from bpexp.errors import BridgeError
from bpexp.nn import Choice, Network

X = np.random.default_rng(0).standard_normal((12, 4))
LABELS = np.arange(12) % 3
TOLERANCE = {"float64": 1e-9, "float32": 1e-6}
# Rounding through a norm limits gradients in float32: from those that PyTorch computes in float64
# for the same parameters, its own float32 gradients differ by up to 1.4e-6 here, ours by 1.1e-6.
THROUGH_A_NORM = {"float64": 1e-9, "float32": 2e-6}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def relative(found, expected):
    """The norm of the difference by that of what is expected."""
    return np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-300)


def linears(torch, module):
    """The linear layers in the order in which they were made."""
    return [part for part in module.modules() if isinstance(part, torch.nn.Linear)]


def check(torch, module, network, dtype, end=lambda z: z, tolerance=TOLERANCE):
    """Compare probabilities in evaluation mode, and gradients of cross entropy in training mode."""
    x = torch.tensor(X.astype(dtype))
    module.eval()
    expected = torch.softmax(end(module(x)), 1).detach().numpy()
    assert relative(network.outputs(X), expected) < TOLERANCE[dtype]
    module.train()
    module.zero_grad()
    torch.nn.functional.cross_entropy(end(module(x)), torch.tensor(LABELS)).backward()
    arrays = network.parameter_gradients(X, LABELS)
    found = [a[name] for a in arrays for name in ("theta", "outer") if name in a]
    for gradient, linear in zip(found, linears(torch, module), strict=True):
        assert relative(gradient[1:].T, linear.weight.grad.numpy()) < tolerance[dtype]
        if linear.bias is not None and not network.architecture.couples:
            assert relative(gradient[0], linear.bias.grad.numpy()) < tolerance[dtype]


ACTIVATIONS = {
    "sigmoid": "Sigmoid()",
    "tanh": "Tanh()",
    "softsign": "Softsign()",
    "softplus": "Softplus()",
    "relu": "ReLU()",
    "leaky(negative_slope=0.2)": "LeakyReLU(0.2)",
    "elu(alpha=0.7)": "ELU(0.7)",
    "selu": "SELU()",
    "silu": "SiLU()",
    "gelu": "GELU(approximate='tanh')",
}
NORMS = {
    "none": None,
    "batch": "BatchNorm1d(5, momentum=0.2)",
    "layer": "LayerNorm(5, eps=1e-3)",
    "rms": "RMSNorm(5)",
}


def chain(torch, act, norm=None, depth=2, bias=True):
    nn = torch.nn
    parts, n = [nn.Flatten()], 4
    for _ in range(depth):
        parts += [nn.Linear(n, 5, bias=bias)]
        parts += [eval(f"nn.{norm}", {"nn": nn})] if norm else []
        parts += [nn.Sequential(eval(f"nn.{act}", {"nn": nn}), nn.Identity())]
        n = 5
    return nn.Sequential(*parts, nn.Linear(n, 3))


def disturb(torch, module):
    """Give norms parameters and statistics other than those at the start."""
    torch.manual_seed(1)
    for value in [*module.parameters(), *module.buffers()]:
        if value.dim() == 1 and value.is_floating_point():
            value.data.uniform_(0.5, 1.5)
        elif value.dim() == 0 and value.is_floating_point():
            value.data.fill_(0.3)
    return module


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("choice", "act"), ACTIVATIONS.items())
def test_a_chain_with_every_activation(torch, choice, act, dtype):
    torch.manual_seed(0)
    module = chain(torch, act).to(getattr(torch, dtype))
    network = bpexp.from_torch(module)
    assert str(network.architecture.activation) == choice
    assert network.theta.dtype == dtype
    check(torch, module, network, dtype)
    back = bpexp.to_torch(network, logits=True)
    check(torch, back, network, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norm", NORMS)
def test_a_chain_with_every_norm(torch, norm, bias, dtype):
    torch.manual_seed(0)
    module = disturb(torch, chain(torch, "Tanh()", NORMS[norm], bias=bias))
    module = module.to(getattr(torch, dtype))
    network = bpexp.from_torch(module)
    assert network.architecture.norm.name == norm
    tolerance = TOLERANCE if norm == "none" else THROUGH_A_NORM
    check(torch, module, network, dtype, tolerance=tolerance)
    if norm in ("batch", "layer"):
        norms = [m for m in module.modules() if type(m).__name__ in ("BatchNorm1d", "LayerNorm")]
        for own, arrays in zip(norms, network.parameter_gradients(X, LABELS)[:-1], strict=True):
            assert relative(arrays["gain"], own.weight.grad.numpy()) < tolerance[dtype]
            assert relative(arrays["shift"], own.bias.grad.numpy()) < tolerance[dtype]


SETTINGS = [
    {"skip": Choice("identity", {"order": order, "every": every, "scale": scale})}
    for order in ("pre", "post", "full")
    for every, scale in ((1, 1.0), (2, 0.5))
] + [{"skip": Choice("rezero", {"order": order})} for order in ("pre", "post")]


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: str(s["skip"]))
def test_residual_networks_there_and_back(torch, settings, norm):
    network = Network.create([4, 5, 5, 5, 5, 5, 3], activation="tanh", norm=norm, dtype="float64",
                             seed=3, **settings)  # fmt: skip
    network.theta[:] += 0.05 * np.random.default_rng(1).standard_normal(network.theta.shape)
    module = bpexp.to_torch(network, logits=True)
    check(torch, module, network, "float64")
    again = bpexp.from_torch(bpexp.to_torch(network))
    assert again.architecture.layers == network.architecture.layers or norm != "none"
    np.testing.assert_array_equal(again.theta, network.theta)
    np.testing.assert_array_equal(again.outputs(X), network.outputs(X))


def test_functions_and_a_module_of_ones_own(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(5, 5), nn.Linear(5, 5)

        def forward(self, x):
            return self.outer(torch.nn.functional.elu(self.inner(x), alpha=0.4)) / 2 + x

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.blocks = nn.Linear(4, 5), nn.ModuleList([Block(), Block()])
            self.head = nn.Linear(5, 3)

        def forward(self, x):
            h = self.first(x)
            for block in self.blocks:
                h = block(h)
            return torch.nn.functional.log_softmax(self.head(h), dim=1)

    module = Whole().double()
    network = bpexp.from_torch(module)
    assert network.architecture.skip == Choice(
        "identity", {"order": "full", "every": 1, "scale": 0.5}
    )
    assert network.architecture.activation == Choice("elu", {"alpha": 0.4})
    check(torch, module, network, "float64")


@pytest.mark.parametrize(
    ("ending", "cost"),
    [("Sigmoid()", "binary_cross_entropy"), ("Tanh()", "squared_error(output=tanh)"),
     ("Softmax(1)", "cross_entropy")],
)  # fmt: skip
def test_what_follows_the_last_layer_is_the_costs(torch, ending, cost):
    module = torch.nn.Sequential(chain(torch, "ReLU()"), eval(f"torch.nn.{ending}")).double()
    network = bpexp.from_torch(module)
    assert str(network.architecture.cost) == cost
    expected = module(torch.tensor(X)).detach().numpy()
    assert relative(network.outputs(X), expected) < 1e-12
    again = bpexp.to_torch(network)(torch.tensor(X)).detach().numpy()
    assert relative(again, expected) < 1e-12
    regression = bpexp.from_torch(chain(torch, "ReLU()").double(), task="regression")
    assert str(regression.architecture.cost) == "squared_error(output=identity)"


def test_the_gradient_of_a_regression_is_that_of_summed_squares(torch):
    module = chain(torch, "Tanh()").double()
    network = bpexp.from_torch(module, task="regression")
    y = np.random.default_rng(3).standard_normal((12, 3))
    loss = (module(torch.tensor(X)) - torch.tensor(y)).square().sum(1).mean()
    loss.backward()
    assert relative(network.loss(X, y), loss.item()) < 1e-12
    for found, linear in zip(network.gradients(X, y), linears(torch, module), strict=True):
        assert relative(found[1:].T, linear.weight.grad.numpy()) < 1e-9


def refusal(module, **settings):
    with pytest.raises(BridgeError) as caught:
        bpexp.from_torch(module, **settings)
    return str(caught.value)


def test_what_has_no_equal_is_named(torch):
    nn = torch.nn
    line = refusal(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 2)))
    assert line == "module: no equivalent of 0 (Conv1d); 2 (PReLU)"
    line = refusal(chain(torch, "GELU()"))
    assert "2.0 (GELU): its erf form; use nn.GELU(approximate='tanh')" in line
    two = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    assert "2 (Linear) is tanh, and 0 (Linear) is relu" in refusal(two)
    assert "module.eval()" in refusal(nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2)))
    assert "bfloat16" in refusal(chain(torch, "ReLU()").bfloat16())
    assert "has the outputs of" in refusal(chain(torch, "ReLU()"), cost="squared_error")
    with pytest.raises(BridgeError, match="no equivalent of layer 1"):
        bpexp.to_torch(Network.create([4, 5, 5, 5, 3], skip="fixup"))


def test_a_skip_connection_from_the_input_or_changed_in_place_is_refused(torch):
    nn = torch.nn

    class FromInput(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.b(x + self.a(torch.relu(x)))

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
            self.g = nn.ReLU(inplace=True)

        def forward(self, x):
            h = self.first(x)
            return self.b(self.g(h + self.a(self.g(h))))

    assert "in the order relu, a (Linear), add, b (Linear)" in refusal(FromInput())
    assert "g (ReLU): inplace=True" in refusal(InPlace())


SKLEARN = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


def fitted(kind, y, dtype="float64", **settings):
    neural = pytest.importorskip("sklearn.neural_network")
    estimator = getattr(neural, kind)(
        hidden_layer_sizes=(6, 5), max_iter=4, random_state=0, alpha=0, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X.astype(dtype), y)


def loss_gradients(estimator, x, y):
    """Its own gradients, weights and then biases, from its private backward pass."""
    a = [x] + [None] * (len(estimator.coefs_))
    a = estimator._forward_pass(a)
    deltas, weights, biases = ([None] * len(estimator.coefs_) for _ in range(3))
    try:
        _, weights, biases = estimator._backprop(x, y, None, a, deltas, weights, biases)
    except TypeError:  # before sample weights
        _, weights, biases = estimator._backprop(x, y, a, deltas, weights, biases)
    return weights, biases


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", SKLEARN)
def test_a_classifier_of_scikit_learn(activation, dtype):
    estimator = fitted("MLPClassifier", np.array(["a", "b", "c"])[LABELS], dtype,
                       activation=activation)  # fmt: skip
    network = from_sklearn(estimator)
    assert network.architecture.activation.name == SKLEARN[activation]
    assert (network.theta.dtype, network.classes) == (dtype, ("a", "b", "c"))
    x = X.astype(dtype)
    assert relative(network.outputs(x), estimator.predict_proba(x)) < TOLERANCE[dtype]
    weights, biases = loss_gradients(estimator, x, np.eye(3, dtype=dtype)[LABELS])
    for found, w, b in zip(network.gradients(x, LABELS), weights, biases, strict=True):
        assert relative(found[1:], w) < TOLERANCE[dtype]
        assert relative(found[0], b) < TOLERANCE[dtype]


def test_two_classes_of_scikit_learn():
    labels = LABELS % 2
    estimator = fitted("MLPClassifier", labels)
    network = from_sklearn(estimator)
    assert relative(network.outputs(X), estimator.predict_proba(X)) < 1e-12
    weights, _ = loss_gradients(estimator, X, labels[:, None])
    *hidden, last = network.gradients(X, labels)
    for found, w in zip(hidden, weights[:-1], strict=True):
        assert relative(found[1:], w) < 1e-9
    assert relative(last[1:, 1:], weights[-1]) < 1e-9


def test_several_labels_and_a_regression_of_scikit_learn():
    several = (X[:, :3] > 0).astype(int)
    estimator = fitted("MLPClassifier", several)
    assert relative(from_sklearn(estimator).outputs(X), estimator.predict_proba(X)) < 1e-12
    y = X[:, :2] ** 2
    estimator = fitted("MLPRegressor", y)
    network = from_sklearn(estimator)
    assert relative(network.outputs(X), estimator.predict(X)) < 1e-12
    weights, _ = loss_gradients(estimator, X, y)
    for found, w in zip(network.gradients(X, y), weights, strict=True):
        assert relative(found[1:], w) < 1e-9


def test_nothing_but_a_call_imports_torch():
    code = (
        "import sys, bpexp\n"
        "sys.modules['torch'] = None  # as if it were not installed\n"
        "[getattr(bpexp, name) for name in bpexp.__all__]\n"
        "try: bpexp.to_torch(bpexp.Network.create([2, 2]))\n"
        "except bpexp.errors.BridgeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "torch: this needs the package torch: pip install 'bpexp[torch]'\n"


def test_other_estimators_are_refused():
    linear = pytest.importorskip("sklearn.linear_model")
    neural = pytest.importorskip("sklearn.neural_network")
    with pytest.raises(BridgeError, match="'LinearRegression' is not one of MLPClassifier"):
        from_sklearn(linear.LinearRegression())
    with pytest.raises(BridgeError, match="not fitted"):
        from_sklearn(neural.MLPRegressor())
