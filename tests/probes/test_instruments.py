"""The table of instruments; a new instrument needs nothing but its row."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from helpers import make_config

from bpexp import load_curves, load_layers, load_measurements, load_network, train
from bpexp.config import Config
from bpexp.data import load
from bpexp.errors import BpexpError, ConfigError
from bpexp.nn import Network
from bpexp.probes import INSTRUMENTS, Instrument
from bpexp.record.history import read
from bpexp.sweeping.driver import run_sweep
from bpexp.theory import BatchPrediction
from bpexp.tracking.view import step_metrics


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_has_a_meaning(name):
    assert INSTRUMENTS[name].measure.__name__ == name
    assert 10 < len(INSTRUMENTS[name].meaning) < 100


def test_theory_predicts_instruments_of_layers_by_their_names():
    for field in fields(BatchPrediction):
        assert INSTRUMENTS[field.name].dims == ("layer",)


# New instruments, one of each kind: a number, a layer, and ragged or not in two dimensions


def largest_weight(probed):
    """The largest entry of theta."""
    return max(theta.max() for theta in probed.layers)


def bias_sum(probed):
    """Sum of the biases of each layer."""
    return [theta[0].sum() for theta in probed.layers]


def unit_norms(probed):
    """Norm of the weights into each unit."""
    return [np.linalg.norm(theta[1:], axis=0) for theta in probed.layers]


def outputs(probed):
    """z^(L) of each example."""
    return probed.passes(3).forward()[0].T


def share_of_first(statistics):
    """Share of the first layer in the sum of the gradient norms."""
    return statistics.gradient[..., 0] / statistics.gradient.sum(axis=-1)


NEW = {
    "largest_weight": Instrument(largest_weight, (), "network"),
    "share_of_first": Instrument(share_of_first, (), "statistics"),
    "bias_sum": Instrument(bias_sum, ("layer",), "network"),
    "unit_norms": Instrument(unit_norms, ("layer", "unit"), "network", log=True),
    "outputs": Instrument(outputs, ("example", "class"), "network"),
}
OPTIONAL = ["global_grad_norm", "weight_norm", "weight_spectrum"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Run a small sweep with all new and optional instruments, measured and drawn."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        for name, row in NEW.items():
            patch.setitem(INSTRUMENTS, name, row)
        names = [*OPTIONAL, *NEW]
        configs = [
            make_config(depth=depth, measure=names, draw=names, study="new", jobs=1)
            for depth in (1, 2)
        ]
        assert run_sweep(configs, root=folder, multirun=True).code == 0
        yield folder


def last(frame, run):
    rows = frame[frame["run"] == run]
    return rows[rows["step"] == rows["step"].max()]


def trained(root):
    """Yield (run, trained network) of the sweep."""
    runs = load_curves("new", root=root)["run"].unique()
    for run in runs:
        yield run, load_network(root / "runs" / "new" / run)


def test_numbers_of_a_run_are_loaded(root):
    data = load("digits", limit=96)
    frames = {name: load_measurements("new", name, root=root) for name in (*OPTIONAL, *NEW)}
    curves = load_curves("new", root=root)
    for run, network in trained(root):
        gradients = network.gradients(data.x_train, data.y_train)
        whole = np.sqrt(sum((gradient.astype(float) ** 2).sum() for gradient in gradients))
        expected = {"global_grad_norm": whole, "largest_weight": network.theta.max()}
        first, *others = (np.linalg.norm(gradient[1:].astype(float)) for gradient in gradients)
        expected["share_of_first"] = first / (first + sum(others))
        for name, value in expected.items():
            (found,) = last(frames[name], run)[name]
            assert found == pytest.approx(value, rel=1e-5), name
            assert last(curves, run)[name].item() == found
    assert frames["global_grad_norm"].columns[-3:].tolist() == [
        "step", "epoch", "global_grad_norm",
    ]  # fmt: skip
    assert frames["global_grad_norm"]["step"].dtype == np.int64


def test_mlflow_shows_numbers_of_a_run(root):
    for run, _ in trained(root):
        lines = read(root / "runs" / "new" / run).observations
        shown = step_metrics(lines[-1])
        assert {"global_grad_norm", "largest_weight", "share_of_first"} <= shown.keys()
        assert shown["global_grad_norm"] == lines[-1]["arrays"]["global_grad_norm"]
        assert not {"weight_norm", "weight_spectrum", "unit_norms"} & shown.keys()


def test_numbers_of_layers_are_loaded_and_are_columns_of_load_layers(root):
    layers = load_layers("new", root=root)
    for run, network in trained(root):
        expected = {
            "weight_norm": [np.linalg.norm(theta[1:].astype(float)) for theta in network.layers],
            "bias_sum": [theta[0].sum() for theta in network.layers],
        }
        for name, values in expected.items():
            found = last(load_measurements("new", name, root=root), run)
            assert found["layer"].tolist() == list(range(1, len(values) + 1))
            np.testing.assert_allclose(found[name], values, rtol=1e-6)
            np.testing.assert_array_equal(last(layers, run)[name], found[name])


def test_other_dimensions_are_loaded_with_a_row_for_each_value_there_is(root):
    spectra = load_measurements("new", "weight_spectrum", root=root)
    units = load_measurements("new", "unit_norms", root=root)
    outputs = load_measurements("new", "outputs", root=root)
    data = load("digits", limit=96)
    for run, network in trained(root):
        for number, theta in enumerate(network.layers, start=1):
            own = last(spectra, run)
            own = own[own["layer"] == number]
            values = np.linalg.svd(theta[1:].astype(float), compute_uv=False)
            assert own["rank"].tolist() == list(range(1, len(values) + 1))
            np.testing.assert_allclose(own["weight_spectrum"], values, rtol=1e-9)
            own = last(units, run)
            own = own[own["layer"] == number]
            assert own["unit"].tolist() == list(range(theta.shape[1]))
            np.testing.assert_allclose(own["unit_norms"], np.linalg.norm(theta[1:], axis=0))
        found = last(outputs, run).pivot(index="example", columns="class", values="outputs")
        a = data.x_train[:3]
        for theta in network.layers[:-1]:
            a = np.maximum(theta[0] + a @ theta[1:], 0)
        expected = network.layers[-1][0] + a @ network.layers[-1][1:]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_every_instrument_has_its_figure(root):
    (figures,) = root.glob("runs/new/sweeps/*/figures")
    by_last = {"weight_spectrum": "rank", "unit_norms": "unit", "outputs": "class"}
    for name in (*OPTIONAL, *NEW):
        frame = load_measurements("new", name, root=root)
        order = ["run", *frame.columns[frame.columns.get_loc("epoch") : -1]]
        if name in by_last:  # drawn before and after training
            frame = frame[frame["epoch"].isin([0, 2])]
        end = f"by_{by_last[name]}" if name in by_last else "through_training"
        assert (figures / f"{name}_{end}.png").stat().st_size > 5000
        drawn = pd.read_csv(figures / f"{name}_{end}.csv").sort_values(order)
        np.testing.assert_allclose(drawn[name], frame.sort_values(order)[name], rtol=1e-12)


def test_a_table_of_a_program_with_instruments_of_its_own_is_loaded(root, monkeypatch):
    for name in NEW:
        monkeypatch.delitem(INSTRUMENTS, name)
    assert len(load_measurements("new", "unit_norms", root=root).query("unit == 0")) > 0
    assert "bias_sum" in load_layers("new", root=root)
    with pytest.raises(BpexpError, match=r"'unit_norm' is unknown; did you mean 'unit_norms'"):
        load_measurements("new", "unit_norm", root=root)


# By hand, and refusals


def test_training_by_hand_measures_what_is_named():
    digits = load("digits", limit=96)
    network = Network.create([64, 16, 8, 10])
    names = ["weight_norm", "weight_spectrum", "global_grad_norm"]
    first, second = train(network, digits, epochs=1, measure=names)
    plain = Network.create([64, 16, 8, 10])
    plain_first, _ = train(plain, digits, epochs=1)
    np.testing.assert_array_equal(network.theta, plain.theta)
    assert first.layers.keys() - plain_first.layers.keys() == {"weight_norm"}
    assert [len(values) for values in second.arrays["weight_spectrum"]] == [16, 8, 8]
    assert isinstance(second.arrays["global_grad_norm"], float)
    text = repr(second)
    assert "step 3, epoch 1: loss/train" in text
    assert "weight_spectrum 3 arrays" in text
    assert len(text) < 500
    with pytest.raises(
        ValueError, match=r"'weight_nrm' is (unknown|not one of .*); did you mean 'weight_norm'"
    ):
        train(network, digits, epochs=1, measure=["weight_nrm"])
    with pytest.raises(ValueError, match="measure: jacobian_spectrum: 0 is not a mapping of it to"):
        train(network, digits, epochs=1, measure=["jacobian_spectrum"])


def test_an_instrument_whose_value_has_other_dimensions_than_its_row_is_refused(monkeypatch):
    wrong = {
        "bias_sum": Instrument(bias_sum, ("layer", "unit"), "network"),
        "share_of_first": Instrument(share_of_first, ("layer",), "statistics"),
    }
    for (name, row), axes in zip(
        wrong.items(), ("1 axes instead of 2", "0 axes instead of 1"), strict=True
    ):
        monkeypatch.setitem(INSTRUMENTS, name, row)
        with pytest.raises(ValueError, match=f"{name}: {axes}, as its row in the table of"):
            train(Network.create([64, 10]), load("digits", limit=96), epochs=0, measure=[name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"measure": ["weigth_norm"]},
            "measure: 'weigth_norm' is unknown; did you mean 'weight_norm'",
        ),
        ({"measure": "weight_norm"}, "measure: 'weight_norm' is not a list of names of instr"),
        ({"measure": [3]}, r"measure: \[3\] is not a list of names of instruments"),
        ({"measure": ["jacobian_spectrum"]}, "jacobian_spectrum has a key of its own, probe.jaco"),
        ({"draw": ["ded"]}, "draw: 'ded' is unknown; did you mean 'dead'"),
        ({"draw": ["weight_norm"]}, r"weight_norm is not measured; add measure=\[weight_norm\]"),
        ({"draw": ["jacobian_spectrum"]}, "jacobian_spectrum is not measured; add probe.jacobian="),
    ],
)
def test_what_cannot_be_measured_or_drawn_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_config(**changes)


def test_what_is_measured_has_one_spelling_and_decides_the_identity():
    plain = make_config()
    one = make_config(measure=["weight_spectrum", "weight_norm"])
    other = make_config(measure=["weight_norm", "grad_norm", "weight_spectrum", "weight_norm"])
    assert one == other
    assert one.identity("x") == other.identity("x") != plain.identity("x")
    assert make_config(measure=["grad_norm"]).identity("x") == plain.identity("x")
    assert Config.of(one.nested()) == one
