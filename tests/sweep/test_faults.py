"""Stop a sweep anywhere, in any way; run the same command again; nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
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


def store(folder, uri=None):
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{folder}/mlflow.db")
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
    small = ["-m", "seed=range(10)", "epochs=2", "width=8", "data.limit=96", "log_model=none"]
    processes = [
        start(tmp_path, *small, f"lr={0.01 * (i + 1)}", f"study=s{i % 2}") for i in range(8)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * 8, (
        tmp_path / "log"
    ).read_text()[-3000:]
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for study in ("s0", "s1"):
        experiment = client.get_experiment_by_name(study).experiment_id
        runs = client.search_runs([experiment], "tags.kind = 'run'")
        assert len({run.data.tags["identity"] for run in runs}) == len(runs) == 40
        for run in runs:
            assert run.info.status == "FINISHED"
            points = client.get_metric_history(run.info.run_id, "loss/test")
            assert [point.step for point in points] == [0, 6, 12]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 KiB; mounting one takes root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_told_and_the_runs_go_on_when_there_is_room(small_disk, tmp_path, jobs):
    words = ["-m", "seed=0,1", "depth=2,4", "width=32", "epochs=60", f"jobs={jobs}"]
    words += ["checkpoint.every=5", "tracking=off", "progress=false"]
    whole = tmp_path / "whole"
    whole.mkdir()
    assert start(whole, *words).wait(timeout=120) == 0
    command = [sys.executable, "-m", "bpexp", *words]
    done = subprocess.run(command, cwd=small_disk, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    for path in small_disk.glob(f"runs/bpexp/*/{FILE}"):
        read(path.parent)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert subprocess.run(command, cwd=small_disk, capture_output=True, check=False).returncode == 0
    for path in whole.glob(f"runs/bpexp/*/{WEIGHTS}"):
        assert path.read_bytes() == (small_disk / path.relative_to(whole)).read_bytes()


@pytest.fixture
def silent_server():
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


SMALL = ["-m", "seed=0,1", "epochs=3", "width=8", "data.limit=96", "log_model=none"]


def test_a_server_that_never_answers_delays_no_training(silent_server, tmp_path):
    begun = time.time()
    process = subprocess.run(
        [sys.executable, "-m", "bpexp", *SMALL, f"tracking.uri={silent_server}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "not mirrored; later: python -m bpexp.sync bpexp" in process.stderr
    ends = [read(path.parent).end for path in tmp_path.glob(f"runs/bpexp/*/{FILE}")]
    assert [end["status"] for end in ends] == ["FINISHED"] * 2
    # the mirror alone waits 3 seconds for its first answer; training was over before
    assert max(end["time"] for end in ends) < begun + 3


class Server:
    """A real MLflow server on this machine, in a process group of its own."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        words = ["server", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            cwd=self.folder,
            env={
                **os.environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
                return
            except OSError:
                time.sleep(0.3)
        pytest.fail("the MLflow server did not start")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def test_a_server_killed_in_mid_sweep_costs_nothing(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    words = [*WORDS, "epochs=40"]
    assert start(whole, *words).wait(timeout=300) == 0
    server = Server(tmp_path)
    server.start()
    try:
        process = start(torn, *words, f"tracking.uri={server.uri}")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not list(torn.glob("runs/bpexp/*/mirror.lock")):
            time.sleep(0.05)  # until the first run is being mirrored
        server.kill()
        assert process.wait(timeout=120) == 0
        server.start()
        sync = [sys.executable, "-m", "bpexp.sync", "bpexp", "--tracking-uri", server.uri]
        subprocess.run(sync, cwd=torn, check=True, capture_output=True, timeout=120)
        assert store(whole) == store(torn, server.uri)
    finally:
        server.kill()
