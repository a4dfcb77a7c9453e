"""The history of a training: a sequence, its frames against the observations, and its bar."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import ROOT

import bpexp
from bpexp.training import History


@pytest.fixture(scope="module")
def history():
    net = bpexp.Network.create([64, 8, 8, 10], activation="tanh")
    data = bpexp.load_data("digits", limit=96)
    return bpexp.train(net, data, epochs=3, probe_every=4, measure=["global_grad_norm"])


def test_it_is_a_sequence_of_observations(history):
    assert history[0].step == 0
    assert history[-1].epoch == 3
    assert isinstance(history[1:], History)
    assert [seen.step for seen in history[1:]] == [seen.step for seen in history][1:]
    last, first = history[-1].metrics, history[0].metrics
    change = f"loss/train {first['loss/train']:.4g} -> {last['loss/train']:.4g}"
    assert repr(history).startswith(f"<History of {len(history)} observations to step 9, epoch 3: ")
    assert change in repr(history)
    assert repr(history[:0]) == "<History of 0 observations>"


def test_curves_have_a_row_an_epoch(history):
    curves = history.frame()
    epochs = [seen for seen in history if seen.metrics]
    assert curves["epoch"].tolist() == [0, 1, 2, 3]
    assert curves["step"].tolist() == [seen.step for seen in epochs]
    assert curves["accuracy/test"].tolist() == [seen.metrics["accuracy/test"] for seen in epochs]
    assert curves["global_grad_norm"].iloc[0] == history[0].arrays["global_grad_norm"]


def test_layers_have_a_row_a_probe_and_layer(history):
    layers = history.frame("layers")
    probed = [seen for seen in history if seen.layers]
    assert len(layers) == 3 * len(probed)
    assert layers.columns[:3].tolist() == ["step", "epoch", "layer"]
    for seen in probed:
        rows = layers[layers["step"] == seen.step]
        assert rows["layer"].tolist() == [1, 2, 3]
        assert rows["grad_norm"].tolist() == seen.layers["grad_norm"].tolist()
    with pytest.raises(ValueError, match="table: 'layer' is not one of curves, layers"):
        history.frame("layer")


def test_progress_is_shown_on_request_alone(capsys):
    data = bpexp.load_data("digits", limit=96)
    for progress, shown in ((False, ""), (True, "training\n")):
        net = bpexp.Network.create([64, 8, 10])
        bpexp.train(net, data, epochs=2, progress=progress)
        assert capsys.readouterr() == ("", shown)


def test_training_needs_no_pandas():
    code = (
        "import sys, bpexp; net = bpexp.Network.create([10, 2, 2]);"
        "bpexp.train(net, bpexp.load_data('parity'), epochs=1);"
        "assert not {'pandas', 'rich', 'hydra'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
