"""Remedies: the unchanged training is the run, a change is the run of its command, time is kept."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import make_config

import bpexp
from bpexp.commands import main
from bpexp.config.config import Config
from bpexp.config.grid import configs
from bpexp.config.overrides import override_grid
from bpexp.config.schema import checked
from bpexp.config.shipped import tree
from bpexp.errors import BpexpError, ConfigError
from bpexp.nn import Choice
from bpexp.nn.stack import initial_theta
from bpexp.record.run import Run
from bpexp.remedying.changes import FAN_IN, candidates
from bpexp.sweeping.member import dataset

DEEP = {
    "activation": "sigmoid", "depth": 5, "width": 24, "lr": 0.1, "epochs": 6, "batch_size": 8,
    "data": Choice("digits", {"limit": 400}), "progress": False, "jobs": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A run that does not learn."""
    return bpexp.sweep(root=tmp_path_factory.mktemp("deep"), study="deep", seed=3, **DEEP)


@pytest.fixture(scope="module")
def row(study):
    return bpexp.load_runs(study).iloc[0]


@pytest.fixture(scope="module")
def found(row):
    return bpexp.remedies(row, seconds=600, seeds=2)


def test_the_unchanged_training_is_the_run_to_the_last_bit(found, row):
    first = found.frame("trials").iloc[0]
    assert (first["change"], first["seed"], first["difference"]) == ("unchanged", 3, 0)
    for name in ("accuracy/train", "accuracy/test", "chance", "verdict"):
        assert first[name] == row[name], name
    assert row["accuracy/train"] < 0.3


def test_a_change_is_the_runs_of_its_command(found, tmp_path):
    """The oracle is a sweep of the overrides, with journals and stacks of its own."""
    remedy = found.first
    words = shlex.split(remedy.command)
    assert words[:4] == ["python", "-m", "bpexp", "-m"]
    values = override_grid([*words[4:], "tracking=off", "progress=false", "jobs=1"],
                           conf=tree("conf"), studies=tree("experiments"))  # fmt: skip
    assert len(configs(values)) == 2
    runs = bpexp.load_runs(bpexp.sweep(root=tmp_path, **values)).sort_values("seed")
    trials = found.frame("trials").query("change == @remedy.change")
    for name in ("seed", "accuracy/train", "accuracy/test", "verdict"):
        assert trials[name].tolist() == runs[name].tolist(), name
    base = found.frame("trials").query("change == 'unchanged'")["accuracy/test"]
    expected = runs["accuracy/test"].to_numpy() - base.to_numpy()
    np.testing.assert_array_equal(trials["difference"], expected)


def test_the_table_is_the_means_of_the_trials_in_the_order_of_the_changes(found):
    table, trials = found.frame(), found.frame("trials")
    assert table["keys"].is_monotonic_increasing
    assert table["change"].tolist()[:4] == [
        "unchanged", "lr=0.033", "lr=0.3", "init=glorot_normal"
    ]  # fmt: skip
    for _, line in table.iterrows():
        own = trials[trials["change"] == line["change"]]
        assert line["seeds"] == len(own) == 2
        half = (1 + line["chance"]) / 2
        share = (own["accuracy/train"] > half).mean()
        assert line["answer"] == ("trains" if share >= 0.5 else "fails")
        assert line["difference"] == pytest.approx(own["difference"].mean(), abs=1e-15)
    train = table.query("answer == 'trains' and keys > 0")
    assert 0 < len(train) < len(table) - 1
    assert found.first.change == train["change"].iloc[0]
    text = repr(found).splitlines()
    assert text[0].startswith(f"sigmoid-d5: {len(train)} of {len(table) - 1} changes train; ")
    assert sum(line.startswith("    python -m bpexp -m ") for line in text) == len(train)
    assert "<table" in found._repr_html_()


def test_the_figure_shows_each_trial_and_the_means(found):
    (panel,) = found.figure().axes
    table = found.frame()
    assert [label.get_text() for label in panel.get_yticklabels()] == table["change"].tolist()
    means = [line.get_xdata()[0] for line in panel.lines if line.get_marker() == "o"]
    assert means == pytest.approx(table["accuracy/test"].tolist())
    narrow = bpexp.figures.remedies(found.frame("trials"), width=3.25, title=False)
    assert narrow.axes[0].get_xlabel() == "test accuracy"


def test_what_the_time_did_not_reach_is_not_tried(row):
    found = bpexp.remedies(row, seconds=0)
    assert set(found.frame()["answer"]) == {"not tried"}
    assert found.frame("trials")["seed"].isna().all()
    assert found.first is None
    assert ": 0 of 0 changes train, " in repr(found)
    found.figure()


def values(config):
    """The changes of a configuration by their first override."""
    return {c.name.partition(" ")[0]: c for c in candidates(config, dataset(config)) if c.keys == 1}


def test_the_changes_are_those_of_theory_and_of_the_training():
    """tanh and ReLU are critical at sigma_w2 = 1 / g'(0)^2 = 1 and at 2, which have names."""
    config = make_config(activation="tanh", depth=9, lr=0.06, epochs=5, batch_size=10)
    found = values(config)
    assert found["lr=0.02"].config.lr == 0.02
    assert found["lr=0.18"].config.lr == 0.18
    inits = [name for name in found if name.startswith("init")]
    assert inits == ["init=glorot_normal", "init=lecun_normal", "init=lsuv"]
    relu = values(make_config(activation="relu", init="normal"))
    assert [name for name in relu if name.startswith("init")] == ["init=he_normal", "init=lsuv"]
    relu = values(make_config(activation="relu", init="he_normal"))
    assert [name for name in relu if name.startswith("init")] == ["init=lsuv"]
    assert found["schedule.warmup=5"].config.schedule.parameters == {"warmup": 5}  # of 50 steps
    assert found["optimizer.clip_norm=1.0"].config.optimizer.parameters["clip_norm"] == 1
    assert found["depth=4"].config.depth == 4
    assert {"activation=relu", "norm=layer", "norm=batch", "skip=identity", "skip=rezero"} <= {
        *found
    }
    assert "activation=tanh" not in found


@pytest.mark.parametrize(("sigmas", "name"), FAN_IN.items())
def test_a_critical_initialization_with_a_name_is_that_one(sigmas, name):
    architecture = make_config(depth=3).architecture(dataset(make_config()))
    parameters = dict(zip(("sigma_w2", "sigma_b2"), sigmas, strict=True))
    drawn = [
        initial_theta(architecture, init, seed=5)
        for init in (checked("init", {"name": "mean_field", **parameters}), checked("init", name))
    ]
    np.testing.assert_allclose(*drawn, rtol=1e-14, atol=0)


def test_changes_that_do_not_apply_are_left_out():
    config = make_config(depth=9, skip={"name": "identity", "every": 2}, norm="batch")
    config = Config.of({**config.nested(), "schedule": {"name": "cosine", "warmup": 3}})
    found = values(config)
    assert found["depth=3"].config.depth == 3  # whole blocks
    assert not any(name.startswith(("skip", "norm", "schedule", "init=mean")) for name in found)
    assert "depth=0" not in values(make_config(depth=1))


def small(seed=0, activation="sigmoid"):
    return bpexp.Network.create([64, 16, 16, 16, 16, 10], activation=activation, seed=seed)


@pytest.fixture(scope="module")
def of_network():
    data = bpexp.load_data("digits")
    settings = {"lr": 0.2, "epochs": 4, "batch_size": 8, "seed": 5}
    return bpexp.remedies(small(), data, seconds=600, seeds=1, examples=300, **settings)


def test_a_network_is_trained_on_a_sample_and_the_command_repeats_it(of_network):
    data = of_network.data
    assert (len(data.x_train), len(data.x_test)) == (300, 300)
    names = {"bpexp": bpexp, "found": of_network}
    by_change = of_network.frame("trials").set_index("change")
    for remedy in (of_network.remedies[0], of_network.first):
        last = eval(remedy.command, names)[-1].metrics
        assert last["accuracy/test"] == by_change.loc[remedy.change, "accuracy/test"]
        assert last["accuracy/train"] == by_change.loc[remedy.change, "accuracy/train"]


def test_a_changed_network_has_the_arrays_of_the_given_one_where_they_fit(of_network):
    given = small()
    unchanged = of_network.network("unchanged")
    np.testing.assert_array_equal(unchanged.theta, given.theta)
    relu, half = of_network.network("activation=relu"), of_network.network("depth=2")
    np.testing.assert_array_equal(relu.theta, given.theta)
    assert relu.architecture.activation.name == "relu"
    assert half.architecture.sizes == (64, 16, 16, 10)
    for mine, own in zip(half.layers, (0, 1, 4), strict=True):
        np.testing.assert_array_equal(mine, given.layers[own])
    normalised = of_network.network("norm=layer")
    np.testing.assert_array_equal(normalised.parameters[0]["theta"], given.layers[0])
    np.testing.assert_array_equal(normalised.parameters[0]["gain"], 1)
    drawn = of_network.network("init=glorot_normal")
    expected = bpexp.Network.create(
        given.architecture.sizes, activation="sigmoid", init="glorot_normal", seed=5
    )
    np.testing.assert_array_equal(drawn.theta, expected.theta)


def test_what_cannot_be_changed_is_refused_in_one_line(row, of_network, tmp_path):
    data = bpexp.load_data("digits")
    cases = [
        ((row, data), {}, "data: a run has its own"),
        (("nowhere",), {}, "run: no run in nowhere"),
        ((row,), {"lr": 1}, "lr: a run has its own"),
        ((small(),), {}, "data: None is not a data set"),
        ((small(), data), {"rate": 1}, "setting: 'rate' is not one of"),
        ((small(), bpexp.load_data("parity")), {}, "network: 64-16x4-10 does not fit"),
        ((small(), data), {"epochs": 0}, "epochs=0 trains nothing"),
        ((row,), {"seconds": -1}, "seconds: -1 is not"),
        ((tmp_path,), {}, "run: no run in"),
    ]
    for arguments, settings, expected in cases:
        with pytest.raises(BpexpError, match=expected.replace("(", r"\(")):
            bpexp.remedies(*arguments, **settings)
    with pytest.raises(
        BpexpError, match="change: 'norm=bath' is unknown; did you mean 'norm=batch'"
    ):
        of_network.network("norm=bath")
    with pytest.raises(ValueError, match="'runs' is not one of changes, trials"):
        of_network.frame("runs")
    assert issubclass(ConfigError, BpexpError)


def test_data_that_changed_and_runs_of_other_programs_are_refused(row):
    run = Run.at(Path(row["folder"]))
    other = Run(run.folder, {**run.start, "digest": "0" * 32}, run.end)
    with pytest.raises(BpexpError, match="has changed since the run was trained"):
        bpexp.remedies(other)
    config = {**run.start["config"], "data": {"name": "own"}}
    with pytest.raises(BpexpError, match=r"bpexp\.from_torch"):
        bpexp.remedies(Run(run.folder, {**run.start, "config": config}, run.end))


def test_the_subcommand_prints_the_table_and_says_whether_anything_trains(
    study, monkeypatch, capsys, tmp_path
):
    root = study.folder.parents[1]
    monkeypatch.chdir(root)
    image = tmp_path / "remedies.png"
    words = ["remedies", "deep", "sigmoid-d5", "--seeds", "1"]
    assert main([*words, "--seconds", "600", "--figure", str(image)]) == 0
    shown = capsys.readouterr().out
    assert "activation=tanh" in shown
    assert "    python -m bpexp " in shown
    assert image.exists()
    assert main([*words, "--seconds", "0"]) == 1
    assert "not tried" in capsys.readouterr().out


def test_the_module_runs_the_subcommand_and_is_called_as_the_function(study):
    root = study.folder.parents[1]
    words = [sys.executable, "-m", "bpexp.remedies", "deep", "sigmoid-d5", "--seconds", "0"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ": 0 of 0 changes train" in done.stdout
    code = "import bpexp.remedies; bpexp.remedies(7)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "run: a int is not a row of load_runs" in done.stderr
