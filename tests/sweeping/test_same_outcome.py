"""The results of a run do not depend on probes, stacks, sessions or other processes."""

from __future__ import annotations

import time

import pytest
from helpers import make_config

from bpexp.executors import DEFERRED, Interrupt
from bpexp.record.history import JournalError, read
from bpexp.record.journal import Journal
from bpexp.record.layout import JOURNAL, TRACEBACK
from bpexp.record.run import Run
from bpexp.results.frames import run_row
from bpexp.sweeping import stacks
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import fail, train_stack

LOGISTIC = {"name": "squared_error", "output": "sigmoid"}
RUNS = {
    "learns": {"lr": 0.2},
    "vanishes": {"activation": "sigmoid", "depth": 8},
    "is wrecked": {"depth": 16, "lr": 0.3},
    "diverges": {"activation": "identity", "depth": 4, "lr": 10.0},
    "saturates": {"cost": LOGISTIC, "init": {"name": "normal", "std": 30.0}},
    "stops": {"lr": 0.2, "stop": {"name": "cost", "target": 2.2}},
    "is partly frozen": {"lr": 0.2, "depth": 3, "frozen": 2},
}
# Columns that may differ: the run's folder and name, its time, and how often it was measured.
OWN = ("run", "folder", "seconds", "name", "probe.every")


def config(every, seed=0, **changes):
    probe = {"every": every, "examples": 64, "jacobian": 2}
    small = {"data": {"name": "digits", "limit": 240}, "epochs": 4}
    return make_config(**{**small, **changes}, seed=seed, probe=probe)


def told(member):
    """Return a run's row, and the last number of each final metric."""
    run = Run.at(member.folder)
    assert run.finished
    row = {name: repr(value) for name, value in run_row(run).items() if name not in OWN}
    return row, run.metrics.final, run.end["evidence"]


def trained(configs, root, interrupted=None):
    """Train configurations in one stack, in two sessions if `interrupted` ends the first one.

    Returns:
        The results of the first run.
    """
    plan = make_plan(configs, root)
    (stack,) = plan.stacks
    if interrupted is not None:
        interrupted(stack)
        (stack,) = make_plan(configs, root).stacks
        assert stack[0].epoch == AT[interrupted]
    train_stack(stack, lambda epochs: None, Interrupt())
    return told(plan.members[0])


def stopped(stack):
    """Train one epoch, after which a signal stops training."""
    interrupt = Interrupt()
    train_stack(stack, lambda epochs: setattr(interrupt, "signal", 2), interrupt)


def killed(stack):
    """Train three epochs; leave a journal without an end and a checkpoint of the second epoch."""

    def report(epochs):
        report.calls += 1
        if report.calls == 3:
            raise KeyboardInterrupt

    report.calls = 0
    with pytest.raises(KeyboardInterrupt):
        train_stack(stack, report, Interrupt())
    assert read(stack[0].folder).end is None


AT = {stopped: 1, killed: 2}  # the epoch at which training is resumed


@pytest.mark.parametrize("name", RUNS)
def test_what_is_told_of_a_run_is_the_same_however_it_is_trained_and_measured(tmp_path, name):
    def grid(every, seeds=(0,), **changes):
        return [config(every, seed, **RUNS[name], **changes) for seed in seeds]

    alone = trained(grid(0), tmp_path / "alone")
    for every in (None, 1, 3):
        assert trained(grid(every), tmp_path / f"every{every}") == alone
    assert trained(grid(0, (0, 1, 2)), tmp_path / "stack") == alone
    assert trained(grid(3, (0, 1, 2)), tmp_path / "stack3") == alone
    if name not in ("diverges", "stops"):  # which end in the first epochs
        sessions = {"checkpoint": {"every": 2, "seconds": None}}
        for how in (stopped, killed):
            for every in (0, 3):
                folder = tmp_path / f"{how.__name__}{every}"
                row, *rest = trained(grid(every, **sessions), folder, how)
                expected = {k: v for k, v in alone[0].items() if not k.startswith("checkpoint")}
                assert {k: v for k, v in row.items() if not k.startswith("checkpoint")} == expected
                assert rest == list(alone[1:])


def test_the_seconds_of_a_resumed_run_are_those_of_all_its_sessions(tmp_path):
    configs = [config(0, epochs=6)]
    ends = []
    for sessions in (1, 2, 3):
        (stack,) = make_plan(configs, tmp_path).stacks
        interrupt = Interrupt()

        def report(epochs, interrupt=interrupt, last=sessions == 3):
            time.sleep(0.05)
            interrupt.signal = 0 if last else 2

        train_stack(stack, report, interrupt)
        ends.append(read(stack[0].folder).end)
    assert [end["status"] for end in ends] == ["KILLED", "KILLED", "FINISHED"]
    first, second, third = (end["seconds"] for end in ends)
    assert first >= 0.05
    assert second >= first + 0.05
    assert third >= second + 0.15  # three epochs; the last one is reported after the end


# Failures, while another process waits for the run


def broken(monkeypatch):
    monkeypatch.setattr(stacks, "initial_theta", lambda *arguments: 1 / 0)


def test_a_journal_is_held_until_the_failure_is_written(tmp_path, monkeypatch):
    broken(monkeypatch)
    (stack,) = make_plan([make_config()], tmp_path).stacks
    (member,) = stack
    real, rivals = Journal.close, []

    def close(journal):
        """Close a journal, which another process then opens immediately."""
        real(journal)
        if not rivals:
            rivals.append(Journal(member.folder))

    monkeypatch.setattr(Journal, "close", close)
    assert train_stack(stack, lambda epochs: None, Interrupt()) == ["FAILED"]
    assert read(member.folder).end["error"] == "ZeroDivisionError: division by zero"
    assert (member.folder / TRACEBACK).exists()
    (rival,) = rivals
    assert rival.history.status == "FAILED"
    real(rival)


def test_a_rival_that_takes_a_run_of_a_failed_stack_trains_it(tmp_path, monkeypatch):
    broken(monkeypatch)
    (stack,) = make_plan([make_config(seed=seed) for seed in range(3)], tmp_path).stacks
    real, rivals = train_stack, []

    def with_rival(members, *arguments):
        if not rivals:
            monkeypatch.undo()
            rivals.append(Journal(stack[1].folder))
        return real(members, *arguments)

    monkeypatch.setattr(stacks, "train_stack", with_rival)
    statuses = train_stack(stack, lambda epochs: None, Interrupt())
    assert statuses == ["FINISHED", DEFERRED, "FINISHED"]
    rivals[0].close()


def test_the_failure_of_a_run_that_another_process_trains_is_left_to_it(tmp_path):
    (member,) = make_plan([make_config()], tmp_path).members
    with Journal(member.folder):
        fail(member, "its worker process died twice (-9)")
    assert read(member.folder).lines == 0
    assert not (member.folder / TRACEBACK).exists()


def test_a_damaged_journal_fails_its_run_alone(tmp_path):
    plan = make_plan([make_config(seed=seed) for seed in range(2)], tmp_path)
    (stack,) = plan.stacks
    member = stack[0]
    with Journal(member.folder) as journal:
        stacks._start(member, journal)
    with (member.folder / JOURNAL).open("ab") as file:
        file.write(b'{"kind": "observation"}\n{"kind": "end", "time": 0, "status": "KILLED"}\n')
    with pytest.raises(JournalError):
        read(member.folder)
    statuses = train_stack(stack, lambda epochs: None, Interrupt())
    assert statuses == ["FAILED", "FINISHED"]
    assert "damaged" in (member.folder / TRACEBACK).read_text()
