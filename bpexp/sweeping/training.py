"""The training of a sweep: what is not finished, by an executor, with its progress shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bpexp.config import Config
from bpexp.console import say
from bpexp.executors import EXECUTORS, Session
from bpexp.progress import begin
from bpexp.sweeping.draws import assign_draws, train_and_draw
from bpexp.sweeping.ended import EndedRuns
from bpexp.sweeping.plan import Plan, cores
from bpexp.sweeping.signals import Signals
from bpexp.sweeping.stacks import fail
from bpexp.sweeping.terminal import result
from bpexp.tracking.process import MirrorProcess


def train_plan(
    plan: Plan,
    harness: Config,
    signals: Signals,
    mirror: MirrorProcess | None,
    meanwhile: Callable[[], None],
) -> dict[str, str]:
    """Train what is not finished, showing how far it is, and return the statuses by identity.

    Args:
        plan: the runs and their stacks.
        harness: a configuration of the sweep, for its runtime keys.
        signals: what interrupts training.
        mirror: the mirror process, or None; a failure of it is told once.
        meanwhile: work for this process while others train.
    """
    waiting = [member for stack in plan.stacks for member in stack]
    finished = len(plan.members) - len(waiting)
    if finished:
        say(f"{finished} of {len(plan.members)} runs are finished already; force=true trains anew")
    if not waiting:
        return {}
    epochs = sum(member.config.epochs - member.epoch for member in waiting)
    label, ended = f"training {len(waiting)} runs", EndedRuns(waiting)
    troubled = False

    def report(done: int) -> None:
        nonlocal troubled
        for run in ended.poll():
            name, score, verdict = result(run)
            progress.result(name, score, verdict, good=verdict == "healthy")
        progress.advance(done)
        for message in mirror.poll() if mirror else []:
            if message.get("error") and not troubled:
                troubled = True
                line = f"tracking: {message['error']}; training goes on, journals are complete"
                progress.note(line)

    with (
        begin(label, epochs, "epoch", shown=harness.progress) as progress,
        signals.telling(progress.note),
    ):
        session = Session(
            train=partial(train_and_draw, assign_draws(plan)),
            fail=fail,
            report=report,
            interrupt=signals.interrupt,
            warn=progress.note,
            jobs=harness.jobs or cores(),
            fail_fast=harness.fail_fast,
            meanwhile=meanwhile,
        )
        return harness.executor.build(EXECUTORS).run(plan.stacks, session)
