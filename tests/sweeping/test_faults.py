"""No result is lost if a sweep is killed or interrupted, a disk is full, or a server fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from bpexp.record.history import read
from bpexp.record.layout import JOURNAL, TRACEBACK, WEIGHTS
from bpexp.results import load_layers

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="finds the children of a process in /proc"
)

RUN = "runs/bpexp/*"
SMALL = ["width=8", "data.limit=96", "log_model=none"]
FOUR_RUNS = ["-m", "activation=sigmoid,relu", "depth=2", "seed=0,1", "width=32", "jobs=2"]
EIGHT_RUNS = ["-m", "activation=sigmoid,relu", "depth=2,4", "seed=0,1", "width=32", "jobs=2"]


def start(folder, *words):
    log = (folder / "log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "bpexp", *words], cwd=folder, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def contents(folder):
    """Return what must be reproduced: journals without times, tables, weights, rows of MLflow."""
    journals = {}
    for path in sorted(folder.glob(f"{RUN}/{JOURNAL}")):
        history = read(path.parent)
        steps = [without(line, "time") for line in history.observations]
        assert len({line["step"] for line in steps}) == len(steps), "a step is recorded twice"
        weights = (path.parent / WEIGHTS).read_bytes()
        journals[path.parent.name] = (
            json.dumps([without(history.start, "time"), steps]),  # as text: NaN equals NaN
            without(history.end, "time", "seconds"),
            weights,
        )
    layers = load_layers("bpexp", root=folder).sort_values(["run", "step", "layer"])
    return journals, layers.reset_index(drop=True), store(folder)


def without(mapping, *keys):
    return {key: value for key, value in mapping.items() if key not in keys}


# tags that depend on the folder, the time, or the command line
OWN = {"run": ("seconds", "folder", "mirrored"), "sweep": ("command", "mlflow.note.content")}


def store(folder, uri=None):
    """Return the contents of a tracking store for the study, without ids, times and paths."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    models = Counter(model.source_run_id for model in client.search_logged_models([experiment]))
    found = {}
    for run in client.search_runs([experiment]):
        run_id = run.info.run_id
        tags = {name: text.replace(run_id, "ID") for name, text in run.data.tags.items()}
        key = tags.get("identity", "sweep")
        assert key not in found, "a run is stored twice"
        points = {}
        for name in run.data.metrics:
            points[name] = [(p.step, p.value) for p in client.get_metric_history(run_id, name)]
            if key == "sweep":  # its numbers change with its runs; the last one counts
                points[name] = [(0, run.data.metrics[name])]
            assert len({step for step, _ in points[name]}) == len(points[name]), (
                "a point is stored twice"
            )
        if key == "sweep":
            points = {name: last for name, last in points.items() if last[0][1]}
        files = {file.path for file in client.list_artifacts(run_id)}
        tables = [name for name in ("layers.parquet", WEIGHTS) if name in files]
        found[key] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "params": run.data.params,
            "tags": without(tags, *OWN[tags["kind"]], "mlflow.loggedModels"),
            "points": points,
            "data": [(d.dataset.name, d.dataset.digest) for d in run.inputs.dataset_inputs],
            "files": files - {"mirror.log", TRACEBACK},
            "bytes": [Path(client.download_artifacts(run_id, n)).read_bytes() for n in tables],
            "models": models[run_id],
        }
    return found


def children(pid):
    """Return the process ids of a process's workers and of its mirror."""
    found = {"worker": [], "mirror": []}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                mirror = b"bpexp.sync" in (path / "cmdline").read_bytes()
                found["mirror" if mirror else "worker"].append(int(path.name))
    return found


def left_over(folder):
    """Return the processes that have this current folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "cwd").readlink() == folder:
                found.append((path / "cmdline").read_bytes())
    return found


def strike(victim, process):
    """Send a signal to a sweep, to its whole process group, or to one of its children."""
    with contextlib.suppress(ProcessLookupError):
        if isinstance(victim, str):
            for pid in children(process.pid)[victim][:1]:
                os.kill(pid, signal.SIGKILL)
        elif victim < 0:
            os.killpg(process.pid, -victim)
        else:
            os.kill(process.pid, victim)


def wait_for(condition, process, seconds=120):
    """Wait until a condition holds; return False if the process ends before."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if condition():
            return True
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.001)
    return False


def journal_lines(folder):
    return sum(path.read_bytes().count(b"\n") for path in folder.glob(f"{RUN}/{JOURNAL}"))


def writes_a_checkpoint(folder):
    return any(folder.glob(f"{RUN}/*.npz.tmp"))


def store_state(folder):
    """Return sizes and times of the store's files; SQLite creates and removes some meanwhile.

    A write may leave the size as it was: SQLite writes over the log that a killed process left.
    """
    state = {}
    for path in folder.glob("mlflow.db*"):
        with contextlib.suppress(FileNotFoundError):
            state[path.name] = path.stat().st_size, path.stat().st_mtime_ns
    return state


def assert_same_results(whole, torn):
    """Compare everything that must be reproduced, and require that no process remains."""
    assert "Traceback" not in (torn / "log").read_text()
    (journals, layers, kept), (again, table, mirrored) = contents(whole), contents(torn)
    assert journals == again
    pd.testing.assert_frame_equal(layers, table, check_exact=True)
    assert kept == mirrored
    deadline = time.monotonic() + 30  # a mirror whose sweep was killed may be in a call
    while left_over(torn) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(torn) == []


@pytest.fixture
def folders(tmp_path):
    """Two folders: one for an undisturbed sweep, one for the same sweep with faults."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    return whole, torn


def finish(folder, *words):
    """Run a sweep to its end."""
    assert start(folder, *words).wait(timeout=500) == 0, (folder / "log").read_text()[-2000:]


SLOW = ["batch_size=4", "checkpoint.every=1"]


@linux
def test_a_worker_a_sweep_and_a_mirror_are_killed_and_nothing_is_lost(folders):
    whole, torn = folders
    words = [*FOUR_RUNS, *SLOW, "epochs=24"]
    finish(whole, *words)
    process = start(torn, *words)
    assert wait_for(lambda: journal_lines(torn) > 10, process)
    strike("worker", process)
    killed_at = journal_lines(torn)
    assert wait_for(lambda: journal_lines(torn) > killed_at + 10, process)
    assert wait_for(lambda: writes_a_checkpoint(torn), process)
    strike(-signal.SIGKILL, process)  # the whole process group
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert len([*torn.glob(f"{RUN}/{WEIGHTS}")]) < 4, "the kill came after training"
    process = start(torn, *words)
    assert wait_for(lambda: children(process.pid)["mirror"], process)
    strike("mirror", process)
    assert process.wait(timeout=120) == 0  # training does not need the mirror
    assert (
        "are not mirrored; to mirror them later: python -m bpexp.sync bpexp"
        in (torn / "log").read_text()
    )
    finish(torn, *words)
    assert_same_results(whole, torn)


KILLS = 25
VICTIMS = [  # a signal to the sweep; negative: to its process group, as a terminal sends it
    signal.SIGKILL, signal.SIGTERM, signal.SIGINT, -signal.SIGKILL, "worker", -signal.SIGINT,
    "mirror", -signal.SIGTERM,
]  # fmt: skip
MOMENTS = ["training", "checkpoint", "mirroring", "start", "checkpoint"]


@linux
@pytest.mark.full
def test_a_sweep_killed_25_times_is_the_undisturbed_one(folders):
    """Kill a sweep at its start, and during training, checkpoints and mirroring.

    The moments are chosen by the lines of the journals, and so do not depend on the machine's
    speed.
    """
    whole, torn = folders
    words = [*EIGHT_RUNS, *SLOW, "epochs=1000"]
    finish(whole, *words)
    lines, random = journal_lines(whole), Random(20)
    codes, in_training = [], 0
    for kill in range(KILLS):
        victim, moment = VICTIMS[kill % len(VICTIMS)], MOMENTS[kill % len(MOMENTS)]
        goal = lines * (kill + random.uniform(0, 1)) / (KILLS + 4)
        before, process = store_state(torn), start(torn, *words)
        if moment == "start":
            time.sleep(random.uniform(0.05, 2))
        elif moment == "mirroring":
            assert wait_for(lambda: store_state(torn) != before, process)  # noqa: B023
        else:
            assert wait_for(lambda: journal_lines(torn) >= goal, process)  # noqa: B023
        if moment == "checkpoint":
            assert wait_for(lambda: writes_a_checkpoint(torn), process)
        in_training += len([*torn.glob(f"{RUN}/{WEIGHTS}")]) < 8
        strike(victim, process)
        if isinstance(victim, str):  # the sweep continues: end it a little later
            time.sleep(random.uniform(0, 1))
            strike(signal.SIGKILL, process)
        codes.append(process.wait(timeout=120))
    # until the handlers are installed a signal has its default effect
    assert set(codes) <= {-signal.SIGKILL, 143, 130, 0, -signal.SIGTERM, -signal.SIGINT}
    assert in_training >= KILLS / 2
    finish(torn, *words)
    assert_same_results(whole, torn)


def test_ctrl_c_stops_soon_and_says_how_to_continue(tmp_path):
    process = start(tmp_path, *FOUR_RUNS, "tracking=off", "epochs=5000")
    assert wait_for(lambda: len([*tmp_path.glob(f"{RUN}/{JOURNAL}")]) >= 2, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert process.wait(timeout=20) == 130
    assert "the same command continues" in (tmp_path / "log").read_text()
    statuses = [read(path.parent).status for path in tmp_path.glob(f"{RUN}/{JOURNAL}")]
    assert set(statuses) == {"KILLED"}


def test_a_second_signal_stops_at_once(tmp_path):
    slow = ["data=gaussian", "data.examples=200000", "width=256", "depth=8", "epochs=3"]
    process = start(tmp_path, *slow, "tracking=off")
    assert wait_for(lambda: any(tmp_path.glob(f"{RUN}/{JOURNAL}")), process)
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None  # an epoch takes many seconds
    process.terminate()
    assert process.wait(timeout=5) == 143


@pytest.mark.parametrize(
    ("n_sweeps", "n_studies", "n_runs"),
    [(2, 1, 2), pytest.param(8, 2, 10, marks=pytest.mark.full)],
)
def test_several_sweeps_on_one_fresh_store_lose_nothing(tmp_path, n_sweeps, n_studies, n_runs):
    words = ["-m", f"seed=range({n_runs})", "epochs=2", *SMALL]
    processes = [
        start(tmp_path, *words, f"lr={0.01 * (i + 1)}", f"study=s{i % n_studies}")
        for i in range(n_sweeps)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * n_sweeps, (
        tmp_path / "log"
    ).read_text()[-3000:]
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    for study in range(n_studies):
        expected = n_sweeps // n_studies * n_runs
        experiment = client.get_experiment_by_name(f"s{study}").experiment_id
        runs = client.search_runs([experiment], "tags.kind = 'run'")
        assert len({run.data.tags["identity"] for run in runs}) == len(runs) == expected
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


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.full), 2])
def test_a_full_disk_is_reported_and_the_runs_continue_when_there_is_room(
    small_disk, tmp_path, jobs
):
    words = ["-m", "seed=0,1", "depth=2,4", "width=32", "epochs=60", f"jobs={jobs}"]
    words += ["checkpoint.every=5", "tracking=off", "progress=false"]
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(whole, *words)
    command = [sys.executable, "-m", "bpexp", *words]
    done = subprocess.run(command, cwd=small_disk, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    for path in small_disk.glob(f"{RUN}/{JOURNAL}"):
        read(path.parent)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert subprocess.run(command, cwd=small_disk, capture_output=True, check=False).returncode == 0
    for path in whole.glob(f"{RUN}/{WEIGHTS}"):
        assert path.read_bytes() == (small_disk / path.relative_to(whole)).read_bytes()


def test_a_full_disk_under_the_store_costs_no_result(small_disk, tmp_path):
    words = ["-m", "seed=0,1", "epochs=2", "width=8", f"tracking.uri=sqlite:///{small_disk}/a.db"]
    command = [sys.executable, "-m", "bpexp", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert re.search(
        r"tracking: .*full; 2 runs are not mirrored; to mirror them later: python -m", done.stderr
    )
    assert "Traceback" not in done.stderr
    assert [read(path.parent).status for path in tmp_path.glob(f"{RUN}/{JOURNAL}")] == [
        "FINISHED"
    ] * 2


def test_a_server_that_never_answers_delays_no_training(tmp_path):
    """Training ends while the mirror waits for the server. The mirror exits if the server exits."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts and never answers
        words = ["-m", "seed=0,1", "epochs=3", *SMALL]
        process = subprocess.Popen(
            [sys.executable, "-m", "bpexp", *words,
             f"tracking.uri=http://127.0.0.1:{server.getsockname()[1]}"],
            cwd=tmp_path,
            env={
                **os.environ,
                "MLFLOW_HTTP_REQUEST_TIMEOUT": "300",
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            },
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        connection, _ = server.accept()  # the first request of the mirror

        def finished():
            histories = [read(path.parent) for path in tmp_path.glob(f"{RUN}/{JOURNAL}")]
            return [history.status for history in histories] == ["FINISHED"] * 2

        assert wait_for(finished, process)
        assert process.poll() is None  # it waits for the mirror
    connection.close()
    assert (
        "not mirrored; to mirror them later: python -m bpexp.sync bpexp"
        in process.communicate(timeout=60)[1]
    )
    assert process.returncode == 0


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


@pytest.mark.full
def test_a_server_killed_in_mid_sweep_costs_nothing(folders, tmp_path):
    whole, torn = folders
    words = [*EIGHT_RUNS, "epochs=40", "log_model=none"]
    finish(whole, *words)
    server = Server(tmp_path)
    server.start()
    try:
        process = start(torn, *words, f"tracking.uri={server.uri}")
        assert wait_for(lambda: any(torn.glob(f"{RUN}/mirror.lock")), process)
        server.kill()
        assert process.wait(timeout=120) == 0
        later = f"later: python -m bpexp.sync bpexp --tracking-uri {server.uri}"
        assert later in (torn / "log").read_text()
        server.start()
        sync = [sys.executable, "-m", "bpexp.sync", "bpexp", "--tracking-uri", server.uri]
        subprocess.run(sync, cwd=torn, check=True, capture_output=True, timeout=120)
        assert store(whole) == store(torn, server.uri)
        again = [*words, f"tracking.uri={server.uri}"]  # with the server up all the time
        finish(torn, *again)
        assert f"charts:   {server.uri}" in (torn / "log").read_text()
        subprocess.run(sync, cwd=torn, check=True, capture_output=True, timeout=120)
        assert store(whole) == store(torn, server.uri)
    finally:
        server.kill()
