"""Training on a real Slurm cluster of one node, whose jobs are cancelled and preempted."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from cluster.one_node import OneNode, missing
from cluster.sweeps import compare, grid, run_command

pytest.importorskip("submitit")
pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(missing() != "", reason=missing() or "it can be started"),
]
WORDS = [
    "executor=slurm", "executor.partition=low", "executor.memory=1", "executor.least_seconds=2",
    "checkpoint.every=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    started = OneNode(tmp_path_factory.mktemp("slurm"))
    yield started
    started.stop()


def jobs(slurm, state):
    """Return the numbers of the jobs in a state."""
    lines = slurm.ask("squeue", "--array", "--noheader", "--format=%i %T %j").splitlines()
    found = [line.split() for line in lines]
    return [number for number, of, name in found if of == state and name == "bpexp"]


def wait_for(what, seconds=300):
    """Wait until a function returns something that is true, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come")


def test_jobs_outlive_what_submitted_them(tmp_path, slurm):
    """A job is cancelled, one preempted, the submitting process killed, and all is as here."""
    folder = tmp_path / "slurm-runs"
    process, _ = run_command(folder, *grid(), *WORDS, wait=False, env=slurm.environment)
    wait_for(lambda: jobs(slurm, "RUNNING"))
    assert jobs(slurm, "PENDING"), "more jobs than processors"
    cancelled = jobs(slurm, "PENDING")[-1]
    slurm.ask("scancel", cancelled)

    wait_for(lambda: [*folder.glob("runs/there/*/checkpoint.npz")])
    running = jobs(slurm, "RUNNING")
    high = ["--partition=high", "--cpus-per-task=2", "--output=/dev/null"]
    slurm.ask("sbatch", *high, "--wait", "--wrap=sleep 3")
    shown = [slurm.ask("scontrol", "show", "job", job) for job in running]
    assert any("Restarts=1" in job for job in shown), "\n".join(shown)

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    alive = [*jobs(slurm, "RUNNING"), *jobs(slurm, "PENDING")]
    assert alive
    process, output = run_command(folder, *grid(), *WORDS, env=slurm.environment)
    assert process.returncode == 0, output
    assert re.search(r"slurm: \d+ jobs? of an earlier command continue", output)
    compare(tmp_path, "slurm-runs")


def test_a_signal_leaves_the_jobs_and_the_same_command_waits_for_them(tmp_path, slurm):
    folder = tmp_path / "runs-left"
    words = [*grid(), *WORDS]
    process, _ = run_command(folder, *words, wait=False, env=slurm.environment)
    wait_for(lambda: jobs(slurm, "RUNNING"))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 130, output
    assert "jobs continue; the same command waits for them" in output
    assert jobs(slurm, "RUNNING")
    process, output = run_command(folder, *words, env=slurm.environment)
    assert process.returncode == 0, output
    assert "submitted" not in output


def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_CONF", raising=False)
    process, output = run_command(tmp_path, *grid(), "executor=slurm")
    assert process.returncode == 2
    assert "Slurm's controller does not answer" in output
    assert "Traceback" not in output
