"""`bpexp.sweep` from a script, a thread and a notebook, compared with the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import count

import numpy as np
import pytest
from helpers import ROOT

import bpexp
from bpexp.config.grid import configs, grid
from bpexp.errors import ConfigError
from bpexp.record.history import ends

SMALL = {"width": 8, "epochs": 2, "data__limit": 96, "progress": False, "jobs": 1}
WORDS = ["width=8", "epochs=2", "data.limit=96", "progress=false", "jobs=1", "tracking=off"]


def test_it_continues_the_same_command(tmp_path, capsys):
    words = ["-m", *WORDS, "activation=tanh,leaky", "depth=1,2", "probe.every=0", "draw=[]"]
    done = subprocess.run([sys.executable, "-m", "bpexp", *words], cwd=tmp_path)
    assert done.returncode == 0
    capsys.readouterr()
    study = bpexp.sweep(
        root=tmp_path, activation=["tanh", "leaky"], depth=np.array([1, 2]), probe={"every": 0},
        seed=range(2), **SMALL
    )  # fmt: skip
    assert "4 of 8 runs are finished already" in capsys.readouterr().out
    runs = bpexp.load_runs(study)
    found = [*zip(runs["activation"], runs["depth"], runs["seed"], strict=True)]
    assert sorted(found) == sorted(
        (a, d, s) for a in ("tanh", "leaky") for d in (1, 2) for s in (0, 1)
    )
    assert (runs["status"] == "FINISHED").all()
    assert len(bpexp.load_layers(study)["run"].unique()) == 8
    assert len(bpexp.load_tables(study).runs) == 8


def test_a_study_is_the_runs_that_were_asked_for(tmp_path):
    bpexp.sweep(root=tmp_path, depth=[1, 2], **SMALL)
    study = bpexp.sweep(root=tmp_path, depth=[2, 3], **SMALL)
    assert bpexp.load_runs(study)["depth"].tolist() == [2, 3]
    assert bpexp.load_curves(study)["depth"].unique().tolist() == [2, 3]
    assert len(bpexp.load_runs("bpexp", root=tmp_path)) == 3
    folder = os.path.relpath(tmp_path / "runs" / "bpexp")
    assert repr(study) == f"<Study 'bpexp': 2 finished runs in {folder}>"
    table = study._repr_html_()
    assert "<th>run</th><th>depth</th><th>accuracy</th><th>verdict</th>" in table
    assert table.count("<tr>") == 3
    assert not list(tmp_path.glob("runs/bpexp/sweeps/*/figures")), "they were not asked for"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"dpth": 2}, "key: 'dpth' is unknown; did you mean 'depth'?"),
        ({"depth": []}, "depth: no values"),
        ({"depth": "3"}, "depth: '3' is not an integer of at least 0 and at most 10000"),
        ({"lr": True}, "lr: True is not a number above 0 and at most 1e+30"),
        ({"jobs": [1, 2]}, "jobs: does not change a run's numbers; give one value"),
        ({"probe": {"evry": 1}}, "key: 'probe.evry' is unknown; did you mean 'probe.every'?"),
        ({"probe__every": 1, "probe": {"every": 2}}, "probe.every: given twice"),
        (
            {"activation": "relu", "activation__negative_slope": 0.1},
            "activation.negative_slope: activation relu takes no parameters",
        ),
        ({"seed": count()}, "seed: makes a sweep of more than 100000 runs"),
        ({"seed": range(10**9), "depth": [1, 2]}, "seed: makes a sweep of more than 100000 runs"),
        ({"seed": range(50_001), "depth": [1, 2]}, "seed: makes a sweep of more than 100000 runs"),
        ({"norm": None}, "norm: None is not a name, a Choice or a mapping"),
        ({"activation": [np.tanh]}, "activation: a ufunc is not a name, a Choice or a mapping"),
        (
            {"data": bpexp.dataset([[0.0]] * 20, [0, 1] * 10), "data.limit": 5},
            "data: a Dataset is not a name, a Choice or a mapping; bpexp.train trains on it",
        ),
        ({"depth": [1, 2], "frozen": 3}, "frozen: 3 is not an integer of at most depth + 1 = 2"),
    ],
)
def test_refusals_come_before_anything_is_trained(keys, line, tmp_path):
    with pytest.raises(ConfigError) as refusal:
        bpexp.sweep(root=tmp_path, **keys)
    assert str(refusal.value) == line
    assert not [*tmp_path.iterdir()]


def test_keys_take_values_in_many_spellings():
    values = grid(
        {
            "activation": ["relu", bpexp.Choice("leaky", {"negative_slope": 0.2})],
            "lr": np.array([0.1, 0.2]),
            "measure": ["weight_norm"],
            "draw": ["q"],
            "probe": {"every": [0, None]},
            "data__limit": np.int64(96),
        }
    )
    found = configs(values)
    assert len(found) == 8
    assert [c.activation.name for c in found] == ["relu"] * 4 + ["leaky"] * 4
    assert found[-1].activation.parameters == {"negative_slope": 0.2}
    assert [c.probe.every for c in found[:2]] == [0, None]
    assert {c.data.parameters["limit"] for c in found} == {96}
    assert found[0].measure == ["weight_norm"]
    assert configs(grid({"data": {"limit": 5}})) == configs(grid({"data__limit": 5}))


def test_a_study_of_experiments_is_its_grid_and_settings(tmp_path, monkeypatch):
    asked = []

    def run_sweep(configs, **_):
        asked.extend(configs)
        raise InterruptedError

    monkeypatch.setattr("bpexp.sweeping.driver.run_sweep", run_sweep)
    with pytest.raises(InterruptedError):
        bpexp.sweep(experiment="vanishing", root=tmp_path, seed=3, tracking="mlflow")
    assert len(asked) == 45
    assert {c.study for c in asked} == {"vanishing"}
    assert {c.activation.name for c in asked} == {"sigmoid", "relu", "leaky"}
    assert {c.tracking.name for c in asked} == {"mlflow"}
    with pytest.raises(ConfigError, match="did you mean 'vanishing'"):
        bpexp.sweep(experiment="vanish", root=tmp_path)


@pytest.fixture
def interruptible():
    """Handle SIGINT, which background processes of a shell ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_stops_at_the_end_of_an_epoch_and_raises(tmp_path):
    def interrupt():
        journals = "runs/bpexp/*/journal.jsonl"
        while sum(path.read_bytes().count(b"\n") for path in tmp_path.glob(journals)) < 5:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        bpexp.sweep(root=tmp_path, **{**SMALL, "epochs": 10**6})
    assert signal.getsignal(signal.SIGINT) == before
    (journal,) = tmp_path.glob("runs/bpexp/*/journal.jsonl")
    assert ends(journal.parent)[1]["status"] == "KILLED"
    assert (journal.parent / "checkpoint.npz").exists()


SCRIPT = """
import threading
import bpexp

waiting = threading.Event()
thread = threading.Thread(target=waiting.wait)
thread.start()  # so that workers are new interpreters, which would import this file again
print("begun")
study = bpexp.sweep(
    depth=[1, 2, 3], width=8, epochs=2, data__limit=96, progress=False, jobs=2
)
print(len(bpexp.load_runs(study)), study)
waiting.set()
"""


def test_a_script_without_a_guard_trains_in_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "begun"
    assert done.stdout.count("begun") == 1
    assert "3 <Study 'bpexp': 3 finished runs" in done.stdout
    assert done.stderr == ""
