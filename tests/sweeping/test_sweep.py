"""Sweeps: plans, stacks, workers, failures, interruptions."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT, make_config
from helpers import train_plan as go

from bpexp.errors import DataError, StorageError
from bpexp.executors import EXECUTORS, Interrupt, worker
from bpexp.executors.pool import Pool
from bpexp.record.history import read
from bpexp.record.journal import Journal
from bpexp.record.layout import TRACEBACK, WEIGHTS
from bpexp.sweeping import member as member_module
from bpexp.sweeping import stacks
from bpexp.sweeping.driver import run_sweep
from bpexp.sweeping.grouping import stack_size
from bpexp.sweeping.plan import make_plan, name_runs
from bpexp.sweeping.stacks import train_stack


@pytest.fixture
def forked(monkeypatch):
    """Fork workers, as a sweep does that is not one of several threads: the test's own
    functions then need no import."""
    monkeypatch.setattr(worker, "_start_method", lambda: "fork")


def grid(n=4, **changes):
    return [make_config(seed=seed, **changes) for seed in range(n)]


def outcome(folder):
    """Return all of a run that must be reproduced: observations without times, and weights."""
    lines = [{k: v for k, v in line.items() if k != "time"} for line in read(folder).observations]
    return json.dumps(lines), (folder / WEIGHTS).read_bytes()


def test_like_shaped_runs_are_stacked_and_others_apart(tmp_path):
    configs = [*grid(3), *grid(2, depth=1), make_config(lr=0.2), make_config(init="orthogonal")]
    plan = make_plan(configs, tmp_path)
    sizes = sorted(len(stack) for stack in plan.stacks)
    assert sizes == [2, 5]
    assert len(plan.members) == 7


@pytest.mark.parametrize("text", ['{"id": 3', "[]", "{}", ""])
def test_a_damaged_record_of_a_sweep_is_written_again(tmp_path, text):
    def sweep():
        return run_sweep(grid(2), root=tmp_path, multirun=True, presented=False)

    sweep()
    (path,) = tmp_path.glob("runs/*/sweeps/*/sweep.json")
    members = json.loads(path.read_text())["members"]
    path.write_text(text)
    assert sweep().code == 0
    record = json.loads(path.read_text())
    assert record["members"] == members
    assert record["begun"] == record["time"]


def test_a_folder_in_the_place_of_a_sweeps_record_is_refused(tmp_path):
    run_sweep(grid(1), root=tmp_path, multirun=True, presented=False)
    (path,) = tmp_path.glob("runs/*/sweeps/*/sweep.json")
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=r"sweep\.json: a folder is in the place of a file$"):
        run_sweep(grid(1), root=tmp_path, multirun=True, presented=False)


def test_a_run_that_has_not_begun_is_planned_without_reading_its_folder(tmp_path, monkeypatch):
    configs = grid(4)
    begun = make_plan(configs, tmp_path).members[2]
    begun.folder.mkdir(parents=True)
    read_at = []
    monkeypatch.setattr(member_module, "is_finished", lambda folder: read_at.append(folder))
    make_plan(configs, tmp_path)
    assert read_at == [begun.folder]


def test_the_latest_attempt_is_planned(tmp_path):
    (config,) = grid(1)
    (first,) = make_plan([config], tmp_path).members
    for suffix in ("", "-2", "-3", "-5"):  # -4 is missing, so -5 is not an attempt
        (first.folder.parent / f"{first.identity}{suffix}").mkdir(parents=True)
    (latest,) = make_plan([config], tmp_path).members
    assert (latest.attempt, latest.folder.name) == (3, f"{first.identity}-3")


def test_two_spellings_of_a_run_are_one(tmp_path):
    spelled = make_config(activation={"name": "leaky", "negative_slope": 0.01})
    plan = make_plan([make_config(activation="leaky"), spelled], tmp_path)
    assert len(plan.members) == 1


def test_large_networks_are_not_stacked():
    data = stacks.dataset(make_config())
    configs = [make_config(width=w, depth=6) for w in (8, 80, 95, 512)]
    sizes = [stack_size(c, c.architecture(data), len(data.x_train)) for c in configs]
    assert sizes == [16, 3, 1, 1], "two of the third would fit into the cache, and gain nothing"


def test_work_is_shared_among_workers(tmp_path):
    plan = make_plan(grid(8, jobs=2), tmp_path)
    assert [len(stack) for stack in plan.stacks] == [4, 4]
    plan = make_plan(grid(100, jobs=2), tmp_path)
    assert [len(stack) for stack in plan.stacks] == [13] * 4 + [12] * 4
    many = [config for depth in range(8) for config in grid(3, depth=depth, jobs=2)]
    assert [len(stack) for stack in make_plan(many, tmp_path).stacks] == [3] * 8


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_executor_gives_the_same_bits(tmp_path, jobs):
    configs = [*grid(3), *grid(2, depth=1)]
    alone = [make_plan([config], tmp_path / "alone") for config in configs]
    for plan in alone:
        assert set(go(plan).values()) == {"FINISHED"}
    plan = make_plan([replace(c, jobs=jobs) for c in configs], tmp_path)
    assert set(go(plan, jobs).values()) == {"FINISHED"}
    for one, member in zip(alone, plan.members, strict=True):
        assert outcome(one.members[0].folder) == outcome(member.folder)


def test_names_say_what_was_swept():
    assert name_runs([make_config()]) == ["relu-d2"]
    swept = [
        make_config(activation=a, lr=r, seed=s)
        for a in ("relu", "tanh")
        for r in (0.1, 1)
        for s in (0, 1)
    ]
    assert name_runs(swept)[:3] == ["relu-d2-lr0.1-s0", "relu-d2-lr0.1-s1", "relu-d2-lr1-s0"]
    leaks = [make_config(activation={"name": "leaky", "negative_slope": s}) for s in (0.1, 0.2)]
    assert name_runs(leaks) == ["leaky-d2-negative_slope0.1", "leaky-d2-negative_slope0.2"]


def test_the_same_sweep_again_trains_nothing_and_a_wider_one_only_the_new(tmp_path):
    go(make_plan(grid(2), tmp_path))
    assert make_plan(grid(2), tmp_path).stacks == ()
    plan = make_plan(grid(4), tmp_path)
    assert [m.config.seed for stack in plan.stacks for m in stack] == [2, 3]


def test_force_keeps_the_old_attempt(tmp_path):
    go(make_plan(grid(1), tmp_path))
    plan = make_plan(grid(1, force=True), tmp_path)
    assert plan.members[0].attempt == 2
    go(plan)
    assert make_plan(grid(1), tmp_path).members[0].attempt == 2
    first = make_plan(grid(1), tmp_path).members[0].folder.with_name(plan.members[0].identity)
    assert outcome(first) == outcome(plan.members[0].folder)


@pytest.mark.parametrize("n", [1, 3])
def test_an_interrupted_stack_goes_on_bit_for_bit(tmp_path, n):
    whole = make_plan(grid(n, epochs=5), tmp_path / "whole")
    go(whole)
    plan = make_plan(grid(n, epochs=5), tmp_path)
    interrupt, epochs = Interrupt(), []

    def report(done):
        epochs.append(done)
        if len(epochs) == 2:
            interrupt.signal = signal.SIGINT

    assert train_stack(plan.stacks[0], report, interrupt) == ["KILLED"] * n
    assert {read(m.folder).status for m in plan.members} == {"KILLED"}
    again = make_plan(grid(n, epochs=5), tmp_path)
    assert {m.epoch for m in again.members} == {2}
    assert set(go(again).values()) == {"FINISHED"}
    for one, other in zip(whole.members, again.members, strict=True):
        assert outcome(one.folder) == outcome(other.folder)
        assert read(one.folder).end["verdict"] == read(other.folder).end["verdict"]
        assert not (other.folder / "checkpoint.npz").exists()


def test_a_run_that_raises_fails_alone_and_is_tried_again(tmp_path, monkeypatch):
    plan = make_plan(grid(3), tmp_path)
    real = stacks.verdict

    def flawed(evidence):
        if evidence.costs[0] == guilty:
            raise ArithmeticError("no verdict")
        return real(evidence)

    probe = make_plan(grid(3), tmp_path / "probe")
    go(probe)
    costs = [read(m.folder).observations[0]["metrics"]["loss/train"] for m in probe.members]
    guilty = costs[1]
    monkeypatch.setattr(stacks, "verdict", flawed)
    statuses = go(plan)
    assert [statuses[m.identity] for m in plan.members] == ["FINISHED", "FAILED", "FINISHED"]
    failed = plan.members[1].folder
    assert "ArithmeticError: no verdict" in (failed / TRACEBACK).read_text()
    assert read(failed).end["error"] == "ArithmeticError: no verdict"
    monkeypatch.setattr(stacks, "verdict", real)
    again = make_plan(grid(3), tmp_path)
    assert [len(stack) for stack in again.stacks] == [1]
    go(again)
    for one, other in zip(probe.members, again.members, strict=True):
        assert outcome(one.folder) == outcome(other.folder)


def test_fail_fast_begins_nothing_after_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(stacks, "verdict", lambda evidence: 1 / 0)
    plan = make_plan([*grid(1), *grid(1, depth=1), *grid(1, depth=0)], tmp_path)
    assert list(go(plan, fail_fast=True).values()) == ["FAILED"]
    assert sorted(go(plan).values()) == ["FAILED"] * 3


def test_a_worker_that_dies_costs_its_runs_one_retry(tmp_path, forked):
    whole = make_plan(grid(4), tmp_path / "whole")
    go(whole)
    flag = tmp_path / "died"

    def deadly(stack, report, interrupt):
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return train_stack(stack, report, interrupt)

    plan = make_plan(grid(4, jobs=2), tmp_path)
    statuses = go(plan, jobs=2, train=deadly)
    assert set(statuses.values()) == {"FINISHED"}
    assert len(statuses) == 4
    for one, other in zip(whole.members, plan.members, strict=True):
        assert outcome(one.folder) == outcome(other.folder)


def test_a_run_whose_worker_dies_twice_is_failed(tmp_path, forked):
    def deadly(stack, report, interrupt):
        if any(member.config.seed == 1 for member in stack):
            os.kill(os.getpid(), signal.SIGKILL)
        return train_stack(stack, report, interrupt)

    plan = make_plan(grid(4, jobs=2), tmp_path)
    statuses = go(plan, jobs=2, train=deadly)
    assert [statuses[m.identity] for m in plan.members] == [
        "FINISHED", "FAILED", "FINISHED", "FINISHED",
    ]  # fmt: skip
    assert "died twice" in read(plan.members[1].folder).end["error"]


class Backwards:
    """An executor that trains in this process, the last stack first."""

    least_operations = 0.0

    def workers(self):
        return 1

    def run(self, stacks, session):
        statuses = {}
        for stack in reversed(stacks):
            outcome = session.train(stack, session.report, session.interrupt)
            statuses |= {run.identity: s for run, s in zip(stack, outcome, strict=True)}
        return statuses


def test_an_executor_is_one_row(tmp_path, monkeypatch):
    monkeypatch.setitem(EXECUTORS, "backwards", Backwards)
    configs = [make_config(executor="backwards", depth=depth) for depth in (1, 2, 0)]
    plan, begun = make_plan(configs, tmp_path), []

    def train(stack, report, interrupt):
        begun.append(stack)
        return train_stack(stack, report, interrupt)

    monkeypatch.setattr("bpexp.sweeping.draws.train_stack", train)
    assert run_sweep(configs, root=tmp_path, multirun=False).code == 0
    assert begun == [*reversed(plan.stacks)]
    assert all(member.refreshed().finished for member in plan.members)


def test_no_worker_is_forked_while_another_thread_runs(tmp_path):
    code = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
def check():
    assert threading.active_count() == 1, threading.enumerate()
    print("forked")
os.register_at_fork(before=check)
from bpexp.sweeping.driver import run_sweep
from helpers import ROOT, make_config
configs = [make_config(seed=s, jobs=2, progress=True) for s in range(4)]
run_sweep(configs, root=Path(), multirun=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "tests")],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("forked") >= 2


def test_workers_are_not_forked_from_a_process_of_several_threads():
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        assert worker._start_method() == "spawn"
    finally:
        release.set()
        other.join()


def test_a_worker_that_dies_idle_costs_nothing(tmp_path, monkeypatch):
    plan = make_plan([*grid(2, jobs=2), *grid(2, jobs=2, depth=1)], tmp_path)
    real, killed = Pool._assign, []

    def assign(pool, worker):
        if not killed:
            killed.append(worker._process.kill())
            worker.join()
        real(pool, worker)

    monkeypatch.setattr(Pool, "_assign", assign)
    assert set(go(plan, jobs=2).values()) == {"FINISHED"}


def test_a_run_that_fails_before_its_first_step_is_on_record(tmp_path, monkeypatch):
    monkeypatch.setattr(stacks, "initial_theta", lambda *arguments: 1 / 0)
    plan = make_plan(grid(1), tmp_path)
    assert list(go(plan).values()) == ["FAILED"]
    history = read(plan.members[0].folder)
    assert history.start["name"] == "relu-d2"
    assert history.status == "FAILED"
    monkeypatch.undo()
    assert list(go(make_plan(grid(1), tmp_path)).values()) == ["FINISHED"]
    assert not (plan.members[0].folder / TRACEBACK).exists()


def _train_slowly(plan, begun):
    def report(epochs):
        begun.set()
        time.sleep(0.4)

    train_stack(plan.stacks[0], report, Interrupt())


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("ends", ["by itself", "killed"])
def test_runs_that_another_process_trains_are_waited_for(tmp_path, capfd, jobs, ends):
    """The same command runs in two terminals: each run is trained by one of them, or resumed."""
    plan = make_plan([*grid(2, jobs=jobs), *grid(2, depth=1, jobs=jobs)], tmp_path)
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    other = context.Process(target=_train_slowly, args=(plan, begun))
    other.start()
    begun.wait(10)
    if ends == "killed":
        threading.Timer(0.2, other.kill).start()
    statuses = go(plan, jobs)
    other.join()
    assert set(statuses.values()) == {"FINISHED"}
    assert len(statuses) == 4
    for member in plan.members:
        lines = (member.folder / "journal.jsonl").read_text().splitlines()
        assert [json.loads(line)["kind"] for line in lines].count("end") == 1
    if ends == "by itself":
        assert capfd.readouterr().err.startswith("another process trains")


def test_ctrl_c_does_not_wait_for_runs_of_another_process(tmp_path):
    plan = make_plan(grid(1), tmp_path)
    with Journal(plan.members[0].folder):
        interrupt = Interrupt()
        threading.Timer(0.3, setattr, (interrupt, "signal", signal.SIGINT)).start()
        assert go(plan, interrupt=interrupt) == {}


def test_nothing_is_begun_when_a_data_set_is_bad(tmp_path):
    np.savez(tmp_path / "bad.npz", x=np.zeros((20, 2)), y=np.zeros(20))
    bad = {"name": "npz", "path": str(tmp_path / "bad.npz")}
    with pytest.raises(DataError, match="all labels are 0: there is nothing to learn"):
        run_sweep([make_config(), make_config(data=bad)], root=tmp_path, multirun=True)
    assert not (tmp_path / "runs").exists()


def test_workers_import_neither_mlflow_nor_what_draws(tmp_path, monkeypatch):
    """A forked worker has the imports of its parent, so the parent must be a new process."""
    import subprocess
    import sys

    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from helpers import make_config, train_plan
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack
def spying(*arguments):
    result = train_stack(*arguments)
    Path(f"{arguments[0][0].name}.modules").write_text("\\n".join(sys.modules))
    return result
plan = make_plan([make_config(seed=s, jobs=2) for s in range(4)], Path())
train_plan(plan, jobs=2, train=spying)
"""
    from helpers import ROOT

    subprocess.run([sys.executable, "-c", code, str(ROOT / "tests")], cwd=tmp_path, check=True)
    seen = list(tmp_path.glob("*.modules"))
    assert seen
    for path in seen:
        modules = set(path.read_text().split())
        assert not modules & {"mlflow", "pandas", "seaborn", "matplotlib", "sklearn", "hydra"}
