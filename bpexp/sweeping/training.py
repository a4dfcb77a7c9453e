"""The training of a sweep: what is not finished, by an executor, with its progress shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bpexp.config import Config
from bpexp.console import say
from bpexp.errors import ConfigError
from bpexp.executors import EXECUTORS, Session
from bpexp.progress import begin
from bpexp.register import Registered
from bpexp.sweeping.draws import assign_draws, train_and_draw
from bpexp.sweeping.ended import EndedRuns
from bpexp.sweeping.plan import Plan, registered_in, workers_for
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
    rows = _registered(plan, harness)
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
            note=progress.note,
            # Of what a notebook registers no other process has the functions.
            jobs=workers_for(harness) if all(row.importable for row in rows) else 1,
            imports=[*dict.fromkeys(row.function.__module__ for row in rows)],
            fail_fast=harness.fail_fast,
            meanwhile=meanwhile,
        )
        return harness.executor.build(EXECUTORS).run(plan.stacks, session)


def _registered(plan: Plan, harness: Config) -> list[Registered]:
    """Return what the runs use of what programs registered.

    Raises:
        ConfigError: an executor of other machines would train what a script registered.
    """
    rows = [row for member in plan.members for row in registered_in(member.config)]
    for row in rows:
        name = row.function.__name__
        if harness.executor.name != "local" and not row.package:
            raise ConfigError(
                f"{row.group}: {name} is registered by this program, which executor="
                f"{harness.executor.name} does not start; register it in a package, by an entry "
                "point of the group bpexp.plugins"
            )
    return rows
