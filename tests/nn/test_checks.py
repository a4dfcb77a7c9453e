"""What users hand in: one sentence with the argument's name, what came and what is allowed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import bpexp
from bpexp.nn import Choice, Network
from bpexp.nn.checks import as_float_dtype, as_inputs, as_targets, require_integer
from bpexp.training import train

X = np.random.default_rng(0).standard_normal((6, 4))
Y = np.arange(6) % 3
CLASSES = Network.create([4, 5, 3], seed=1)
NUMBERS = Network.create([4, 5, 2], task="regression", seed=1)
ONE = Network.create([4, 5, 1], task="regression", dtype="float64", seed=1)

INPUTS = {
    "one example": (X[0], "x: shape (4,) is not (N, 4); one example is x[None]"),
    "images": (X.reshape(6, 2, 2), "x: shape (6, 2, 2) is not (N, 4); use x.reshape(len(x), -1)"),
    "wide": (X[:, :3], "x: shape (6, 3) is not (N, 4)"),
    "a number": (1.0, "x: shape () is not (N, 4)"),
    "flat": (X.ravel(), "x: shape (24,) is not (N, 4)"),
    "none": (X[:0], "x: shape (0, 4) has no examples"),
    "None": (None, "x: a NoneType of objects is not an array of shape (N, 4) of real numbers"),
    "sparse": (
        sparse.csr_matrix(X),
        "x: a sparse csr_matrix is not an array of shape (N, 4); use x.toarray()",
    ),
    "a sparse array": (
        sparse.coo_array(X),
        "x: a sparse coo_array is not an array of shape (N, 4); use x.toarray()",
    ),
    "complex": (
        X * 1j,
        "x: a ndarray of complex numbers is not an array of shape (N, 4) of real numbers",
    ),
    "text": (
        X.astype(str),
        "x: a ndarray of text is not an array of shape (N, 4) of real numbers",
    ),
    "a table with text": (
        pd.DataFrame(X).assign(name="a"),
        "x: a DataFrame of objects is not an array of shape (N, 4) of real numbers",
    ),
    "unequal": ([[1, 2, 3, 4], [1]], "x: a list is not an array of shape (N, 4): setting an array"),
    "NaN": (np.where(X > 1, np.nan, X), "x: NaN or infinity is not a finite number"),
    "infinite": (np.where(X > 1, -np.inf, X), "x: NaN or infinity is not a finite number"),
    "beyond float32": (X * 1e39, "e+39 is not in the range of float32"),
    "masked": (
        np.ma.masked_greater(X, 1),
        "x: a MaskedArray with masked entries is not an array of shape (N, 4)",
    ),
    "dates": (
        np.full((6, 4), "2020-01-01", "M8[D]"),
        "x: a ndarray of dates is not an array of shape (N, 4) of real numbers",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
@pytest.mark.parametrize("method", ["outputs", "predict", "loss", "gradients"])
def test_inputs_are_checked(case, method):
    x, line = INPUTS[case]
    arguments = (x,) if method in ("outputs", "predict") else (x, Y)
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        getattr(CLASSES, method)(*arguments)
    assert str(caught.value).count("\n") == 0


TARGETS = {
    "a column": (CLASSES, Y[:, None], "y: shape (6, 1) is not (N,) or (N, 3)"),
    "too few": (CLASSES, Y[:5], "y: 5 examples are not the 6 of the inputs"),
    "one for all": (CLASSES, Y[:1], "y: 1 examples are not the 6 of the inputs"),
    "negative": (CLASSES, Y - 1, "y: -1 is not a label of 0 to 2"),
    "beyond": (CLASSES, Y + 1, "y: 3 is not a label of 0 to 2"),
    "huge": (CLASSES, np.full(6, 2**64 - 1, np.uint64), "y: 18446744073709551615 is not a label"),
    "fractions": (CLASSES, Y / 2, "y: labels of dtype float64 are not integers"),
    "text": (CLASSES, Y.astype(str), "y: a ndarray of text is not an array of shape (N,) or (N, 3"),
    "one hot": (CLASSES, np.eye(4)[Y], "y: shape (6, 4) is not (N,) or (N, 3)"),
    "one hot NaN": (CLASSES, np.eye(3)[Y] * np.nan, "y: NaN or infinity is not a finite number"),
    "no labels": (CLASSES, Y[:0], "y: 0 examples are not the 6 of the inputs"),
    "flat": (NUMBERS, X[:, 0], "y: shape (6,) is not (N, 2)"),
    "wide": (NUMBERS, X, "y: shape (6, 4) is not (N, 2)"),
    "cubes": (NUMBERS, X[:, :2, None], "y: shape (6, 2, 1) is not (N, 2)"),
    "one number for all": (ONE, X[:1, 0], "y: 1 examples are not the 6 of the inputs"),
    "a NaN": (ONE, X[:, 0] * np.nan, "y: NaN or infinity is not a finite number"),
    "two": (ONE, X[:, :2], "y: shape (6, 2) is not (N,) or (N, 1)"),
    "sparse": (ONE, sparse.csr_array(X[:, :1]), "y: a sparse csr_array is not an array of shape"),
    "complex": (ONE, X[:, 0] * 1j, "y: a ndarray of complex numbers is not an array of shape"),
    "beyond float32": (NUMBERS, X[:, :2] * 1e39, "e+39 is not in the range of float32"),
}


@pytest.mark.parametrize("case", TARGETS)
@pytest.mark.parametrize("method", ["loss", "gradients", "parameter_gradients"])
def test_targets_are_checked(case, method):
    network, y, line = TARGETS[case]
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        getattr(network, method)(X, y)
    assert str(caught.value).count("\n") == 0


def test_what_is_meant_is_taken():
    expected = CLASSES.loss(X, Y)
    for y in (Y.tolist(), Y.astype("u1"), Y.astype(float), np.eye(3)[Y], pd.Series(Y)):
        assert CLASSES.loss(X, y) == expected
    assert CLASSES.loss(pd.DataFrame(X), Y) == expected
    assert CLASSES.loss(X.astype(np.float32), Y) == expected
    assert CLASSES.predict(np.ones((2, 4), bool)).shape == (2,)
    assert CLASSES.loss(X, Y > 0) == CLASSES.loss(X, (Y > 0).astype(int))
    assert ONE.loss(X, X[:, 0]) == ONE.loss(X, X[:, :1])
    wide = X * 1e39  # in the range of float64
    assert as_inputs("x", wide, 4, np.float64) is wide


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"sizes": [4.5, 3]}, "sizes: units of a layer: 4.5 is not an integer of at least 1"),
        ({"sizes": [4, 0]}, "sizes: units of a layer: 0 is not an integer of at least 1"),
        ({"sizes": [4, True]}, "sizes: units of a layer: True is not an integer of at least 1"),
        ({"sizes": "43"}, "sizes: units of a layer: '4' is not an integer of at least 1"),
        ({"sizes": [4]}, "sizes: (4,) is not two or more layers"),
        ({"seed": -1}, "seed: -1 is not an integer of at least 0"),
        ({"seed": 1.5}, "seed: 1.5 is not an integer of at least 0"),
        ({"dtype": "float16"}, "dtype: 'float16' is not float32 or float64"),
        ({"dtype": int}, "dtype: <class 'int'> is not float32 or float64"),
        ({"dtype": "flaot"}, "dtype: 'flaot' is not float32 or float64"),
        ({"sizes": 4}, "sizes: 4 is not two or more layers of at least 1 unit"),
        ({"activation": "rleu"}, "silu, softplus, softsign, tanh; did you mean 'relu'?"),
        ({"activation": np.tanh}, "activation: <ufunc 'tanh'> is not a name or a bpexp.Choice"),
        ({"activation": None}, "activation: None is not a name or a bpexp.Choice"),
        (
            {"activation": Choice("leaky", {"slope": 1})},
            "activation: leaky(slope=1): leaky() ",
        ),
        ({"cost": "mse"}, "cost: 'mse' is not one of binary_cross_entropy, cross_entropy, squared"),
        ({"init": "he"}, "init: 'he' is not one of "),
        ({"skip": None}, "skip: None is not a name or a bpexp.Choice"),
        ({"norm": "batsh"}, "norm: 'batsh' is not one of batch, layer, none, rms; did you mean 'b"),
        ({"init": "lsuv", "batch": X[:, :3]}, "batch: shape (6, 3) is not (N, 4)"),
        ({"init": "lsuv", "batch": X * np.nan}, "batch: NaN or infinity is not a finite number"),
    ],
)
def test_a_networks_sizes_and_dtype_are_checked(arguments, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        Network.create(**{"sizes": [4, 3], **arguments})


def test_parameters_are_floating_point():
    with pytest.raises(ValueError, match="is not float32 or float64"):
        Network(CLASSES.architecture, CLASSES.theta.astype(np.int64))


DIGITS = bpexp.load_data("digits", limit=40)
NET = Network.create([64, 4, 10])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"data": (X, Y)}, "data: a tuple is not a data set; bpexp.dataset(x, y)"),
        ({"data": X}, "data: a ndarray is not a data set"),
        ({"data": pd.DataFrame(X)}, "data: a DataFrame is not a data set"),
        ({"network": [64, 10]}, "network: a list is not a bpexp.Network"),
        ({"network": CLASSES}, "sizes: (4, 5, 3) is not of 64 inputs and 10 outputs"),
        ({"lr": [0.1, 0.2]}, "lr: [0.1, 0.2] is not a finite number above 0"),
        ({"lr": np.nan}, "lr: nan is not a finite number above 0"),
        ({"lr": "fast"}, "lr: 'fast' is not a finite number above 0"),
        ({"epochs": 1.5}, "epochs: 1.5 is not an integer of at least 0"),
        ({"epochs": None}, "epochs: None is not an integer of at least 0"),
        ({"batch_size": 0}, "batch_size: 0 is not an integer of at least 1"),
        ({"batch_size": 8.0}, "batch_size: 8.0 is not an integer of at least 1"),
        ({"seed": -1}, "seed: -1 is not an integer of at least 0"),
        ({"frozen": -1}, "frozen: -1 is not an integer of at least 0"),
        ({"probe_examples": 0}, "probe_examples: 0 is not an integer of at least 1"),
        ({"probe_every": -1}, "probe_every: -1 is not an integer of at least 0, or None"),
        ({"measure": "weight_norm"}, "measure: 'weight_norm' is not a list of names; use ['weight"),
    ],
)
def test_what_train_is_given_is_checked(arguments, line):
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        train(**{"network": NET, "data": DIGITS, "epochs": 0, **arguments})
    assert str(caught.value).count("\n") == 0


def test_data_beyond_the_dtype_are_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.tile(X, (9, 1)) * 1e39, y=np.tile(Y, 9))
    data = bpexp.load_data("npz", path=str(tmp_path / "mine.npz"))
    with pytest.raises(ValueError, match="is not in the range of float32, the dtype"):
        train(CLASSES, data, epochs=0)


def test_names_of_classes_are_kept_with_a_network(tmp_path):
    names = np.array(["ant", "bee", "ölf"])
    np.savez(tmp_path / "mine.npz", x=np.tile(X, (9, 1)), y=names[np.tile(Y, 9)])
    data = bpexp.load_data("npz", path=str(tmp_path / "mine.npz"))
    network = Network.create([4, 3])
    train(network, data, epochs=1)
    network.save(tmp_path / "net.npz")
    loaded = Network.load(tmp_path / "net.npz")
    assert loaded.classes == network.classes == tuple(names)
    assert CLASSES.classes is None
    CLASSES.save(tmp_path / "plain.npz")
    assert "classes" not in np.load(tmp_path / "plain.npz").files
    with pytest.raises(ValueError, match="classes: 2 names for 3 outputs"):
        Network(CLASSES.architecture, CLASSES.theta, classes=["a", "b"])


def test_the_checks_name_their_argument():
    with pytest.raises(ValueError, match="batch: shape"):
        as_inputs("batch", X, 3, np.float32)
    with pytest.raises(ValueError, match="t: shape"):
        as_targets("t", X, 6, 3, False, np.float32)
    with pytest.raises(ValueError, match="n: '1' is not an integer of at least 1"):
        require_integer("n", "1", 1)
    assert as_float_dtype("f4") == np.float32
