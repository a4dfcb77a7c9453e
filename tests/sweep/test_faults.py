"""Stop a sweep anywhere, in any way; run the same command again; nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from bpexp.journal import FILE, WEIGHTS, read
from bpexp.results import load_layers

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other

KILLS = int(os.environ.get("BPEXP_KILLS", "6"))
WORDS = [
    "-m", "activation=sigmoid,relu", "depth=2,4", "seed=0,1", "width=32",
    "checkpoint.every=1", "jobs=2", "log_model=none",
]  # fmt: skip


def start(folder, *words):
    log = (folder / "log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "bpexp", *words], cwd=folder, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def contents(folder):
    """All that must repeat: journals without times, Parquet tables, weights, MLflow's content."""
    journals = {}
    for path in sorted(folder.glob(f"runs/bpexp/*/{FILE}")):
        history = read(path.parent)
        steps = [
            json.dumps({k: v for k, v in line.items() if k != "time"})
            for line in history.observations
        ]
        end = {k: v for k, v in history.end.items() if k not in ("time", "seconds")}
        weights = (path.parent / WEIGHTS).read_bytes()
        journals[path.parent.name] = (steps, end, weights)
    layers = load_layers("bpexp", root=folder).sort_values(["run", "step", "layer"])
    return journals, layers.reset_index(drop=True), store(folder)


def store(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    found = {}
    for run in client.search_runs([experiment], "tags.kind = 'run'"):
        points = {
            name: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        path = Path(client.download_artifacts(run.info.run_id, "layers.parquet"))
        identity = run.data.tags["identity"]
        assert identity not in found, "a run is there twice"
        found[identity] = (
            run.info.status,
            run.data.params,
            run.data.tags["verdict"],
            points,
            path.read_bytes(),
        )
    return found


@pytest.mark.faults
def test_a_sweep_killed_again_and_again_is_the_undisturbed_one(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    assert start(whole, *WORDS, "epochs=60").wait(timeout=300) == 0
    moments = random.Random(20)
    codes = []
    for kill in range(KILLS):
        process = start(torn, *WORDS, "epochs=60")
        time.sleep(moments.uniform(0.4, 1.6))
        number = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT][kill % 3]
        if process.poll() is None:
            os.kill(process.pid, number)
        codes.append(process.wait(timeout=60))
    # before our handlers stand, while Python imports, a signal's own default ends the process
    assert set(codes) <= {-signal.SIGKILL, 143, 130, 0, -signal.SIGTERM, -signal.SIGINT}
    assert start(torn, *WORDS, "epochs=60").wait(timeout=300) == 0, (torn / "log").read_text()[
        -2000:
    ]
    (journals, layers, kept), (again, table, mirrored) = contents(whole), contents(torn)
    assert journals == again
    pd.testing.assert_frame_equal(layers, table, check_exact=True)
    assert kept == mirrored


def test_ctrl_c_stops_soon_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, *WORDS, "tracking=off", "epochs=5000")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(list(tmp_path.glob(f"runs/bpexp/*/{FILE}"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert process.wait(timeout=20) == 130
    assert "the same command goes on from here" in (tmp_path / "log").read_text()
    statuses = [read(path.parent).status for path in tmp_path.glob(f"runs/bpexp/*/{FILE}")]
    assert set(statuses) == {"KILLED"}


def test_a_second_signal_stops_at_once(tmp_path):
    slow = ["data=gaussian", "data.examples=200000", "width=256", "depth=8", "epochs=3"]
    process = start(tmp_path, *slow, "tracking=off")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not list(tmp_path.glob(f"runs/bpexp/*/{FILE}")):
        time.sleep(0.05)
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None  # an epoch takes many seconds
    process.terminate()
    assert process.wait(timeout=5) == 143


def test_several_sweeps_on_one_fresh_store_lose_nothing(tmp_path):
    small = ["-m", "seed=range(5)", "epochs=2", "width=8", "data.limit=96", "log_model=none"]
    processes = [
        start(tmp_path, *small, f"lr={0.01 * (i + 1)}", f"study=s{i % 2}") for i in range(4)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * 4, (
        tmp_path / "log"
    ).read_text()[-3000:]
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for study in ("s0", "s1"):
        experiment = client.get_experiment_by_name(study).experiment_id
        runs = client.search_runs([experiment], "tags.kind = 'run'")
        assert len({run.data.tags["identity"] for run in runs}) == len(runs) == 10
        for run in runs:
            assert run.info.status == "FINISHED"
            points = client.get_metric_history(run.info.run_id, "loss/test")
            assert [point.step for point in points] == [0, 6, 12]
