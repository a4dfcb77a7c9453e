"""Rows that a program registers: what they compute, what is refused, and what identifies them."""

from __future__ import annotations

import linecache
from functools import partial

import numpy as np
import pytest

import bpexp
from bpexp.config.schema import KEYS
from bpexp.errors import ConfigError
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, Choice
from bpexp.nn.activations import Activation
from bpexp.probes import INSTRUMENTS
from bpexp.register import rows
from bpexp.register.activations import plain_activation
from bpexp.register.slopes import numerical_slope
from bpexp.register.source import digest
from bpexp.training import SCHEDULES

TABLES = (*(KEYS[key].table for key in ("data", "activation", "init", "cost")), OPTIMIZERS)
TABLES = (*TABLES, SCHEDULES, INSTRUMENTS)


@pytest.fixture(autouse=True)
def unregistered(monkeypatch):
    """Take away after a test what it added."""
    before = [dict(table) for table in TABLES]
    monkeypatch.setattr(rows, "_REGISTERED", {})
    yield
    for table, known in zip(TABLES, before, strict=True):
        for name in table.keys() - known.keys():
            del table[name]


G_ALONE = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "softsign": lambda z: z / (1 + np.abs(z)),  # |z| has no complex step
    "softplus": lambda z: np.logaddexp(z, 0),  # nor has this
    "relu": lambda z: np.maximum(z, 0),
    "leaky": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


@pytest.mark.parametrize("name", G_ALONE)
def test_a_slope_that_is_left_out_is_that_of_the_closed_form(name):
    """Within 0.01 of a kink too, and in the tail where g itself is small."""
    exact = ACTIVATIONS[name]()
    z = np.concatenate([np.linspace(-30, 12, 4001), [-0.009, -1e-4, 1e-4, 0.009]])
    found = numerical_slope(G_ALONE[name])(z)
    value, slope = exact(z)
    error = np.abs(found - slope)
    assert (error <= 2e-9 * (np.abs(slope) + np.abs(value)))[z != 0].all()
    activation = plain_activation(name, G_ALONE[name])
    assert activation.bounded == exact.bounded
    assert activation.max_slope == pytest.approx(exact.max_slope, rel=1e-5)
    assert activation.negative_slope == pytest.approx(exact.negative_slope, abs=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_right_slope_is_refused_and_its_properties_are_found(name):
    exact = ACTIVATIONS[name]()
    found = plain_activation(name, exact.__call__)
    assert (found.bounded, found.negative_slope) == (exact.bounded, exact.negative_slope)
    assert found.max_slope == pytest.approx(exact.max_slope, rel=1e-7)
    z = np.linspace(-9, 9, 1001, dtype=np.float32)
    for ours, theirs in zip(found(z), exact(z), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


WRONG = {
    "everywhere": (lambda z: (np.tanh(z), 1 / np.cosh(z)), r"at z = -?0\.\d+ it returns"),
    "by 1e-5": (lambda z: (z * z, 2.00002 * z), "it returns"),
    "in the left tail": (
        lambda z: (_sigmoid(z), np.where(z < -20, 0, _sigmoid(z) * (1 - _sigmoid(z)))),
        r"at z = -2\d\.\d+ it returns 0, and the slope of g there is \d\.\d+e-\d\d$",
    ),
    "in the right tail": (
        lambda z: (np.logaddexp(z, 0), np.where(z > 40, 0.999, _sigmoid(z))),
        r"at z = 4\d\.?\d* it returns 0\.999, and the slope of g there is 1$",
    ),
    "the sign": (lambda z: (np.abs(z), -np.sign(z)), "it returns"),
    "NaN": (lambda z: (np.sqrt(z), 0.5 / np.sqrt(z)), "g is nan at z = -60"),
    "not elementwise": (lambda z: z / np.abs(z).sum(axis=-1), "g is not|an array of"),
    "by position": (lambda z: z * np.linspace(0, 1, z.size).reshape(z.shape), "not elementwise"),
    "in place": (lambda z: np.tanh(z, out=z), "it changes its argument z"),
    "a number": (lambda z: 1.0, "shape"),
    "raises": (lambda z: z @ [1, 2], "ValueError: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_function_that_is_no_activation_is_refused_with_the_point_and_both_values(case):
    function, line = WRONG[case]
    with pytest.raises(ConfigError, match=line) as refused:
        plain_activation("activation mine", function)
    assert str(refused.value).startswith("activation mine: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("other", ["tanh", 5, None])
@pytest.mark.parametrize("group", ["activation", "init", "cost"])
def test_what_is_no_function_is_refused(group, other):
    with pytest.raises(ConfigError, match=f"{group}: {other!r} is not a function with a name"):
        getattr(bpexp.register, group)(other)


@pytest.mark.parametrize("b", [1e-6, 0.01, 1.0, 100.0])
def test_a_slope_that_cancels_in_the_tail_is_not_refused(b):
    """g = (z + sqrt(z^2 + b)) / 2 has few right digits where z is far below 0."""

    def g(z):
        return (z + np.sqrt(z * z + b)) / 2

    def slope(z):
        return (1 + z / np.sqrt(z * z + b)) / 2

    for written in (g, lambda z: g(np.where(z > 0, z, -np.abs(z)))):  # with a complex step, without
        plain_activation("g", lambda z, of=written: (of(z), slope(z)))
        with pytest.raises(ConfigError, match="g' is wrong"):
            plain_activation("g", lambda z, of=written: (of(z), 1.0001 * slope(z)))


def cube_root(z, *, e=1.0):
    """g(z) = sign(z) (sqrt(|z| + e^2) - e)."""
    root = np.sqrt(np.abs(z) + e * e)
    return np.sign(z) * (root - e), 0.5 / root


def test_a_registered_activation_trains_like_any_other():
    """The gradients of a network are differences of its cost."""
    assert bpexp.register.activation(cube_root) is cube_root
    data = bpexp.load_data("digits", limit=40)
    choice = Choice("cube_root", {"e": 0.5})
    net = bpexp.Network.create([64, 7, 6, 10], activation=choice, dtype="float64", seed=1)
    x, y = data.x_train.astype(float), data.y_train
    gradients = net.gradients(x, y)
    for layer, at in ((0, (5, 2)), (1, (0, 3)), (2, (4, 9))):
        theta, step, costs = net.layers[layer], 1e-6, []
        for sign in (1, -1):
            moved = [np.array(values) for values in net.layers]
            moved[layer][at] = theta[at] + sign * step
            costs.append(_loss(moved, x, y, 0.5))
        assert gradients[layer][at] == pytest.approx((costs[0] - costs[1]) / 2e-6, rel=1e-5)
    assert net.loss(x, y) == pytest.approx(_loss(net.layers, x, y, 0.5), rel=1e-12)


def _loss(layers, x, y, e):
    *hidden, last = layers
    for theta in hidden:
        x = cube_root(x @ theta[1:] + theta[0], e=e)[0]
    z = x @ last[1:] + last[0]
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean()


def test_theory_takes_a_registered_activation():
    from bpexp.theory import critical_sigma_w2

    def tanh_again(z):
        return np.tanh(z)

    bpexp.register.activation(tanh_again)
    assert critical_sigma_w2(Choice("tanh_again"), 0.05) == pytest.approx(
        critical_sigma_w2(Choice("tanh"), 0.05), rel=1e-9
    )


def test_a_factory_that_writes_for_the_tape_is_taken_as_it_is():
    def cubic(*, scale: float = 1.0) -> Activation:
        """g(z) = scale z^3."""

        def evaluate(emit, z, a, slope, scratch):
            emit(np.multiply, z, z, a)
            if slope is not None:
                emit(np.multiply, a, scratch.number(3 * scale), slope)
            emit(np.multiply, a, z, a)
            emit(np.multiply, a, scratch.number(scale), a)

        return Activation(evaluate)

    bpexp.register.activation(cubic)
    g, slope = ACTIVATIONS["cubic"](scale=2.0)(np.array([1.0, -2.0]))
    assert (g.tolist(), slope.tolist()) == ([2, -16], [6, 24])


def test_an_initialization_is_normal_weights_of_its_variance():
    def wide(n_in, n_out, *, gain=2.0):
        return gain / n_in

    bpexp.register.init(wide)
    nets = [
        bpexp.Network.create([50, 40, 3], init=init, seed=3)
        for init in ("wide", Choice("mean_field", {"sigma_w2": 2.0}))
    ]
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()
    assert "bias_std" in KEYS["init"].table["wide"].__signature__.parameters


def test_an_optimizer_is_the_rule_written_out_in_any_stack():
    """Adam without its bias correction, against Adam's own with it put back in the rate."""

    @bpexp.register.optimizer(slots=2)
    def adam_again(gradient, state, step, *, beta1=0.9, beta2=0.999):
        state[0] = beta1 * state[0] + (1 - beta1) * gradient
        state[1] = beta2 * state[1] + (1 - beta2) * gradient**2
        corrected = state[0] / (1 - beta1**step), state[1] / (1 - beta2**step)
        return corrected[0] / (np.sqrt(corrected[1]) + 1e-8)

    data = bpexp.load_data("digits", limit=96)
    nets = {}
    for name in ("adam", "adam_again"):
        nets[name] = bpexp.Network.create([64, 8, 10], dtype="float64")
        bpexp.train(nets[name], data, optimizer=name, lr=0.01, epochs=3)
    np.testing.assert_allclose(nets["adam_again"].theta, nets["adam"].theta, rtol=1e-9, atol=1e-12)
    assert {"weight_decay", "clip_norm"} <= OPTIMIZERS["adam_again"].__signature__.parameters.keys()


def test_a_cost_is_that_of_the_closed_form():
    def half_square(z, t):
        return 0.5 * ((z - t) ** 2).sum(axis=0), z - t

    bpexp.register.cost(half_square)
    data = bpexp.load_data("diabetes")
    choice = Choice("squared_error", {"output": "identity", "factor": 0.5})
    nets = [bpexp.Network.create([10, 8, 1], cost=cost, task="regression", dtype="float64")
            for cost in (choice, "half_square")]  # fmt: skip
    for net in nets:
        bpexp.train(net, data, lr=0.01, epochs=2)
    np.testing.assert_allclose(nets[0].theta, nets[1].theta, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(nets[1].outputs(data.x_test), nets[0].outputs(data.x_test))

    def wrong(z, t):
        return ((z - t) ** 2).sum(axis=0), z - t

    with pytest.raises(ConfigError, match=r"cost wrong: dC/dz is wrong: for z = .* the slope of C"):
        bpexp.register.cost(wrong)


def test_a_schedule_and_an_instrument_are_used():
    def falling(step, steps, *, power=0.5):
        return step**-power

    @bpexp.register.instrument(dims=("layer",))
    def widths(network):
        """Units of each layer."""
        return [theta.shape[1] for theta in network.layers]

    bpexp.register.schedule(falling)
    schedule = SCHEDULES["falling"](warmup=2)
    assert [schedule.factor(step, 6) for step in (1, 2, 3, 6)] == [0.5, 1, 1, 0.5]
    net = bpexp.Network.create([64, 5, 10])
    data = bpexp.load_data("digits", limit=40)
    history = bpexp.train(net, data, epochs=1, schedule="falling", measure=["widths"])
    assert list(history[-1].layers["widths"]) == [5, 10]
    assert KEYS["measure"].check("measure", ["widths"]) == [f"widths@{digest(widths)}"]
    with pytest.raises(ConfigError, match="widths was edited since"):
        KEYS["measure"].check("measure", ["widths@0123"])


def test_a_data_set_is_made_of_what_the_function_returns():
    @bpexp.register.dataset
    def halves(*, n=40):
        """Two classes."""
        y = np.arange(n) % 2
        return np.stack([y, 1 - y], axis=1).astype(float), np.where(y, "odd", "even")

    data = bpexp.load_data("halves", n=50, limit=7)
    assert (data.name, data.classes, len(data.x_train)) == ("halves", ("even", "odd"), 7)
    assert (data.x_train[:, 0] == data.y_train).all()
    assert data.digest != bpexp.load_data("halves", n=50).digest


def made(text, name="g", **known):
    """Return a function of a notebook's cell."""
    file = f"<cell {len(linecache.cache)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {"__name__": "__main__", "np": np, **known}
    exec(compile(text, file, "exec"), names)
    return names[name]


PLAIN = "def g(z, *, b=2.0):\n    return np.tanh(b * z)\n"
SAME = {
    "comment": "def g(z, *, b=2.0):\n    # of tanh\n    return np.tanh(b * z)\n",
    "docstring": 'def g(z, *, b=2.0):\n    """Tanh."""\n    return np.tanh(b * z)\n',
    "annotation": "def g(z, *, b: float = 2.0) -> object:\n    return np.tanh(b*z)\n",
    "indented": "if True:\n    def g(z, *, b=2.0):\n        return np.tanh(b * z)\n",
}
OTHER = {
    "body": "def g(z, *, b=2.0):\n    return np.tanh(b * z + 0)\n",
    "default": "def g(z, *, b=2.5):\n    return np.tanh(b * z)\n",
}


def test_an_edited_function_has_another_digest_and_its_layout_does_not_count():
    known = digest(made(PLAIN))
    assert {case: digest(made(text)) == known for case, text in SAME.items()} == dict.fromkeys(
        SAME, True
    )
    assert {case: digest(made(text)) == known for case, text in OTHER.items()} == dict.fromkeys(
        OTHER, False
    )


def test_what_a_function_uses_of_its_own_module_counts():
    text = "def h(z):\n    return {}\ndef g(z):\n    return h(z) * C\nC = {}\n"
    digests = {digest(made(text.format(*parts))) for parts in (("z", 1), ("z", 2), ("2 * z", 1))}
    assert len(digests) == 3
    assert digest(made("def g(z):\n    return z * C\n", C=np.ones(2))) != digest(
        made("def g(z):\n    return z * C\n", C=np.zeros(2))
    )


def test_what_an_edited_function_made_is_refused():
    bpexp.register.activation(cube_root)
    parameters = {"source": digest(cube_root)}
    assert Choice("cube_root", parameters).build(ACTIVATIONS)
    with pytest.raises(ValueError, match="cube_root was edited since"):
        Choice("cube_root", {"source": "0123456789ab"}).build(ACTIVATIONS)


def test_a_notebook_may_run_its_cell_again_and_no_other_module_may_take_the_name():
    bpexp.register.activation(made(PLAIN, "g"))
    edited = made(OTHER["body"], "g")
    bpexp.register.activation(edited)
    assert ACTIVATIONS["g"].__signature__.parameters["source"].default == digest(edited)
    (row,) = rows.used([("activation", Choice("g"))])
    assert not row.importable
    assert not row.package
    theirs = made(PLAIN, "g")
    theirs.__module__ = "another"
    with pytest.raises(ConfigError, match="g is registered by __main__ already"):
        bpexp.register.activation(theirs)


def relu(z):
    return np.maximum(z, 0)


def without_default(z, *, b):
    return z


def with_list(z, *, b=[1]):  # noqa: B006
    return z


def with_source(z, *, source="x"):
    return z


REFUSED = {
    "own name": (relu, "activation: relu is a name of bpexp's own; choose another"),
    "no default": (without_default, "activation without_default: the parameter b is not a key"),
    "list": (with_list, "activation with_list: the parameter b=.* is not a key"),
    "source": (with_source, "is not called source or name"),
    "arguments": (lambda z, y: z, "takes z, y without defaults; at most 1 are given"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_choice_is_refused(case):
    function, line = REFUSED[case]
    with pytest.raises(ConfigError, match=line):
        bpexp.register.activation(function)


def test_a_function_without_source_is_refused():
    names = {}
    exec("def typed(z):\n    return z", names)
    with pytest.raises(ConfigError, match="typed: its source cannot be read; define it in a file"):
        bpexp.register.activation(names["typed"])


@pytest.mark.parametrize(
    ("register", "function", "line"),
    [
        (bpexp.register.init, lambda n_in, n_out: -1.0, r"Var W = -1.0 of a layer of 64 inputs"),
        (bpexp.register.optimizer, lambda g: g.sum(), "for a gradient of shape"),
        (bpexp.register.schedule, lambda s, steps: 1.0 * s, "2.0 in step 2 of 1 is not a number"),
        (bpexp.register.cost, lambda z, t: z, "not the pair C, dC/dz"),
        (bpexp.register.optimizer, lambda g: g[99], "optimizer .*: IndexError: "),
    ],
)
def test_other_functions_are_tried_before_they_are_registered(register, function, line):
    with pytest.raises(ConfigError, match=line):
        register(function)


@pytest.mark.parametrize("group", ["activation", "cost", "init", "optimizer", "schedule"])
def test_a_factory_that_makes_something_else_is_refused(group):
    def nothing():
        return 1

    with pytest.raises(ConfigError, match=rf"{group} nothing: .* returns int instead of [A-Z]"):
        getattr(bpexp.register, group)(nothing)


def test_partial_functions_of_equal_parameters_are_one_activation():
    """Checking takes milliseconds, and a row is built for every run of a sweep."""
    bpexp.register.activation(cube_root)
    build = partial(Choice("cube_root", {"e": 2.0}).build, ACTIVATIONS)
    assert build() is build()


def test_no_cost_has_a_registered_output():
    """Its identity would not know the source of it."""
    bpexp.register.activation(cube_root)
    with pytest.raises(ValueError, match="'cube_root' is not one of"):
        COSTS["squared_error"](output="cube_root")
    assert "cube_root" not in INITIALIZERS
