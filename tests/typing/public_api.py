"""Types that users of the public API get. mypy checks this file; nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bpexp
from bpexp.data import Dataset
from bpexp.remedying import Remedies
from bpexp.results import Tables
from bpexp.training import History, Observation


def a_data_set() -> Dataset:
    digits = bpexp.load_data("digits")
    bpexp.load_data("npz", path="x.npz")
    bpexp.load_data("digits", path=Path())  # type: ignore[arg-type]
    assert_type(digits, Dataset)
    assert_type(digits.n_features, int)
    return digits


def a_network_of_another_library(estimator: object) -> None:
    assert_type(bpexp.from_sklearn(estimator), bpexp.Network)
    assert_type(bpexp.from_torch(estimator, task="regression"), bpexp.Network)


def a_network(x: list[list[float]], y: list[int]) -> bpexp.Network:
    leaky = bpexp.Choice("leaky", {"negative_slope": 0.1})
    net = bpexp.Network.create([64, 32, 10], activation=leaky, init="he_normal")
    bpexp.Network.create(64)  # type: ignore[arg-type]
    assert_type(net, bpexp.Network)
    assert_type(net.loss(x, y), float)
    assert_type(net.predict(x), NDArray[Any])
    for gradient in net.gradients(np.array(x), y):
        assert_type(gradient, NDArray[np.floating[Any]])
    net.save(Path("net.npz"))
    assert_type(bpexp.Network.load("net.npz"), bpexp.Network)
    return net


def training(net: bpexp.Network, data: Dataset) -> None:
    history = bpexp.train(net, data, lr=0.1, optimizer=bpexp.Choice("sgd"), measure=["q"])
    bpexp.train(net, data, measure={"jacobian_spectrum": 4})
    bpexp.train(net, data, learning_rate=0.1)  # type: ignore[call-arg]
    bpexp.train(net, (data.x_train, data.y_train))  # type: ignore[arg-type]
    assert_type(history, History)
    assert_type(history[0], Observation)
    assert_type(history[1:], History)
    assert_type(history.frame("layers"), pd.DataFrame)
    history.frame("curve")  # type: ignore[arg-type]
    assert_type(history[-1].metrics["loss/train"], float)
    assert_type(history[-1].layers["grad_norm"], NDArray[np.float64])


def a_sweep(root: Path) -> pd.DataFrame:
    study = bpexp.sweep(root=root, activation=["relu", bpexp.Choice("leaky")], depth=range(3))
    assert_type(study, bpexp.Study)
    return bpexp.load_runs(study)


def results(root: Path) -> None:
    runs = bpexp.load_runs("bpexp", root=root)
    assert_type(runs, pd.DataFrame)
    assert_type(bpexp.load_runs("bpexp", uri="sqlite:///mlflow.db"), pd.DataFrame)
    layers = bpexp.load_layers("bpexp")
    assert_type(layers, pd.DataFrame)
    assert_type(bpexp.load_theory("bpexp"), pd.DataFrame)
    assert_type(bpexp.load_curves("bpexp", superseded=True), pd.DataFrame)
    assert_type(bpexp.load_spectra("bpexp"), pd.DataFrame)
    assert_type(bpexp.load_measurements("bpexp", "weight_norm"), pd.DataFrame)
    assert_type(bpexp.load_tables("bpexp"), Tables)
    assert_type(bpexp.load_network(runs.iloc[0]), bpexp.Network)
    net, data = bpexp.load_network(runs.iloc[0]), bpexp.load_data("digits")
    assert_type(bpexp.predictions(net, data, split="train"), pd.DataFrame)
    assert_type(bpexp.paired_differences(runs, "init", "accuracy/test"), pd.DataFrame)
    found = bpexp.remedies(runs.iloc[0], seconds=20)
    assert_type(found, Remedies)
    assert_type(found.frame("trials"), pd.DataFrame)
    assert_type(found.network("norm=layer"), bpexp.Network)
    assert_type(bpexp.audit(layers), pd.DataFrame)
    assert_type(bpexp.match_precisions(layers, "first", ["depth"]), pd.DataFrame)
