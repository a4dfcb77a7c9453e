"""Training on a real Dask cluster: a scheduler and two workers, which the tests start and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from cluster.sweeps import compare, grid, run_command
from helpers import ROOT

pytest.importorskip("distributed")
pytestmark = pytest.mark.full


class Cluster:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder):
        self.folder, self.workers = folder, []
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.start_scheduler()

    def start(self, module, *arguments):
        folder = self.folder / f"{module}-{len(os.listdir(self.folder))}"
        folder.mkdir()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + module, *arguments],
                cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start_scheduler(self):
        self.scheduler = self.start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port),
            "--dashboard-address", "127.0.0.1:0",
        )  # fmt: skip

    def start_worker(self):
        self.workers.append(
            self.start(
                "dask_worker",
                self.address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--host",
                "127.0.0.1",
                "--no-dashboard",
            )
        )

    def stop(self):
        for process in (*self.workers, self.scheduler):
            kill(process)


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port():
    import socket

    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "dask"
    folder.mkdir()
    started = Cluster(folder)
    for _ in range(2):
        started.start_worker()
    yield started
    started.stop()


@pytest.mark.parametrize("shared", [True, False])
def test_a_worker_that_is_killed_costs_nothing(tmp_path, cluster, shared):
    words = [
        "executor=dask", f"executor.address={cluster.address}",
        f"executor.shared={str(shared).lower()}",
    ]  # fmt: skip
    process, _ = run_command(tmp_path / "dask-runs", *grid(), *words, wait=False)
    wait_for_journals(tmp_path / "dask-runs")
    kill(cluster.workers[0])
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert "dashboard: http://127.0.0.1" in output
    compare(tmp_path, "dask-runs")


def wait_for_journals(folder, count=3):
    """Wait until some runs have been trained for an epoch."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        found = [
            path for path in folder.glob("runs/*/*/journal.jsonl") if path.stat().st_size > 3000
        ]
        if len(found) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("no run was trained for an epoch")


def test_a_scheduler_that_is_started_again_gets_what_is_left(tmp_path, cluster):
    words = ["executor=dask", f"executor.address={cluster.address}"]
    process, _ = run_command(tmp_path / "dask-runs", *grid(), *words, wait=False)
    wait_for_journals(tmp_path / "dask-runs")
    kill(cluster.scheduler)
    for worker in cluster.workers:
        kill(worker)
    cluster.start_scheduler()
    cluster.start_worker()
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert "waiting for a scheduler" in output
    compare(tmp_path, "dask-runs")


def test_no_scheduler_is_one_line(tmp_path):
    words = ["executor=dask", "executor.address=tcp://127.0.0.1:9"]
    process, output = run_command(tmp_path, *grid(), *words)
    assert process.returncode == 2
    assert "tcp://127.0.0.1:9" in output
    assert "is the scheduler running?" in output
    assert "Traceback" not in output
