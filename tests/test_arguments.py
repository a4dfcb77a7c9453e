"""Wrong arguments of the public functions are refused in one line that names the argument."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bpexp
from bpexp import figures
from bpexp.errors import BpexpError, ConfigError, DataError, StorageError

LOADERS = {
    "load_curves": (), "load_layers": (), "load_measurements": ("weight_norm",), "load_runs": (),
    "load_spectra": (), "load_tables": (), "load_theory": (),
}  # fmt: skip
FIGURES = {name: getattr(figures, name) for name in figures.__all__} | {
    name: lambda frame, name=name: getattr(figures, name)(frame, instrument="dead")
    for name in ("before_and_after", "number_through_training", "through_training")
}
TAKES_NO_FRAME = ("FIGURES", "FigureSpec", "Look", "draw_all", "of_instrument", "save")
TAKES_A_FRAME = sorted({*FIGURES} - {*TAKES_NO_FRAME})


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("study", [5, None, ["a"], Path("runs")])
def test_loaders_take_a_name_or_a_study(name, study, tmp_path):
    with pytest.raises(BpexpError, match=r"^study: .* is not a name or a bpexp.Study$"):
        getattr(bpexp, name)(study, *LOADERS[name], root=tmp_path)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("study", ["/etc", "..", "a/b", ""])
def test_a_path_is_no_name_of_a_study(name, study, tmp_path):
    (tmp_path / "runs" / "a" / "b").mkdir(parents=True)
    with pytest.raises(BpexpError, match=r"^study: no .*; there is a$"):
        getattr(bpexp, name)(study, *LOADERS[name], root=tmp_path)


@pytest.mark.parametrize("run", [5, None, [1], {"run": "a"}, pd.Series({"run": "a"})])
def test_a_network_is_loaded_from_a_row_or_a_folder(run):
    with pytest.raises(BpexpError, match=r"^run: .* is not a row of load_runs or the path of a fo"):
        bpexp.load_network(run)


@pytest.mark.parametrize("frame", [5, "bpexp", None, {"run": [1]}])
def test_analyses_take_frames(frame):
    calls = {
        "layers": [
            lambda: bpexp.audit(frame),
            lambda: bpexp.match_precisions(frame, "q", ["seed"]),
            lambda: figures.decay_rates(frame),
        ],
        "runs": [lambda: bpexp.paired_differences(frame, "activation", "loss/test")],
    }
    for argument, functions in calls.items():
        for function in functions:
            with pytest.raises(ConfigError, match=rf"^{argument}: .* is not a data frame, as"):
                function()


def test_a_missing_column_is_named():
    frame = pd.DataFrame({"run": ["a"], "step": [0], "seed": [0]})
    with pytest.raises(ConfigError, match="column of layers: 'layer' is not one of run, seed, st"):
        bpexp.audit(frame)
    with pytest.raises(ConfigError, match="column of runs: 'loss' is not one of run, seed, step"):
        bpexp.paired_differences(frame, "seed", "loss")
    with pytest.raises(ConfigError, match="column of layers: 'source' is not one of"):
        figures.gradient_by_layer(frame)


@pytest.mark.parametrize("name", TAKES_A_FRAME)
def test_figures_take_frames(name):
    for frame in (5, "bpexp", None):
        with pytest.raises(ConfigError, match=r"^[a-z]+: .* is not a data frame, as bpexp.load_"):
            FIGURES[name](frame)


@pytest.mark.parametrize("frozen", [9, 3])
def test_no_more_layers_are_frozen_than_there_are(frozen):
    net, data = bpexp.Network.create([64, 8, 10]), bpexp.load_data("digits")
    with pytest.raises(ValueError, match=f"frozen: {frozen} is not at most 2, the number of laye"):
        bpexp.train(net, data, lr=0.1, epochs=1, frozen=frozen)


def test_a_sweep_makes_its_folder_or_says_why_not(tmp_path):
    with pytest.raises(ConfigError, match="root: 5 is not the path of a folder"):
        bpexp.sweep(root=5, depth=1)
    (tmp_path / "file").touch()
    for place in ("/proc/nope", str(tmp_path / "file"), tmp_path / "file" / "inner"):
        with pytest.raises(StorageError, match=rf"^root: {place}: "):
            bpexp.sweep(root=place, depth=1, epochs=1)


@pytest.mark.parametrize("each", [1, 2])
def test_classes_of_too_few_examples_are_named_as_such(each):
    labels = np.repeat(np.arange(60), each)
    with pytest.raises(DataError, match=r'no class has 3 examples, .* choose task="regression"$'):
        bpexp.dataset(np.zeros((len(labels), 3)), labels)


def test_inputs_without_columns_are_named_as_such():
    labels = np.arange(20) % 2
    with pytest.raises(DataError, match=r"training inputs of shape \(16, 0\) have no columns"):
        bpexp.dataset(np.zeros((20, 0)), labels)


@pytest.mark.parametrize("address", ["foo", "file:///x", "/tmp/mlruns"])
def test_an_address_of_the_environment_is_checked_before_training(address, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(
        ConfigError, match=r"^MLFLOW_TRACKING_URI: '.*' is not the address of a sto"
    ):
        bpexp.sweep(root=tmp_path, depth=1, epochs=1, tracking="mlflow")
    assert not [*tmp_path.iterdir()]
    data = {"name": "digits", "limit": 96}
    study = bpexp.sweep(root=tmp_path, depth=1, epochs=1, width=4, data=data)
    assert len(bpexp.load_runs(study)) == 1
