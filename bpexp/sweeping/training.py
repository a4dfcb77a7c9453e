"""Train the unfinished runs of a sweep by an executor, and show the progress."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bpexp.config import Config
from bpexp.console import count_of, say
from bpexp.errors import ConfigError
from bpexp.executors import EXECUTORS, Session
from bpexp.progress import begin
from bpexp.register import Registered
from bpexp.sweeping.draws import assign_draws, train_and_draw
from bpexp.sweeping.ended import EndedRuns
from bpexp.sweeping.grouping import workers_for
from bpexp.sweeping.member import registered_in
from bpexp.sweeping.plan import Plan
from bpexp.sweeping.signals import Signals
from bpexp.sweeping.stacks import fail
from bpexp.sweeping.terminal import result
from bpexp.tracking.process import MirrorProcess


def train_plan(
    plan: Plan,
    runtime: Config,
    signals: Signals,
    mirror: MirrorProcess | None,
    meanwhile: Callable[[], None],
) -> dict[str, str]:
    """Train the runs that are not finished, show progress, and return the statuses by identity.

    Args:
        plan: the runs and their stacks.
        runtime: a configuration of the sweep, for its runtime keys.
        signals: the handling of signals.
        mirror: the mirror process, or None; its first error is reported.
        meanwhile: called in this process while other processes train.
    """
    waiting = [member for stack in plan.stacks for member in stack]
    finished = len(plan.members) - len(waiting)
    if finished:
        verb = "is" if finished == 1 else "are"
        count = f"{finished} of {len(plan.members)} runs"
        say(f"{count} {verb} finished already; force=true trains anew")
    if not waiting:
        return {}
    epochs = sum(member.config.epochs - member.epoch for member in waiting)
    label, ended = f"training {count_of(len(waiting), 'run')}", EndedRuns(waiting)
    rows = _registered(plan, runtime)
    has_warned = False

    def report(done: int) -> None:
        nonlocal has_warned
        for run in ended.poll():
            name, score, verdict = result(run)
            progress.result(name, score, verdict, good=verdict == "healthy")
        progress.advance(done)
        for message in mirror.poll() if mirror else []:
            if message.get("error") and not has_warned:
                has_warned = True
                line = f"tracking: {message['error']}; training continues, journals are complete"
                progress.note(line)

    with (
        begin(label, epochs, "epoch", shown=runtime.progress) as progress,
        signals.shown_by(progress.note),
    ):
        session = Session(
            train=partial(train_and_draw, assign_draws(plan)),
            fail=fail,
            report=report,
            interrupt=signals.interrupt,
            note=progress.note,
            # Other processes do not have the functions that a notebook registers.
            jobs=workers_for(runtime) if all(row.importable for row in rows) else 1,
            imports=[*dict.fromkeys(row.function.__module__ for row in rows)],
            fail_fast=runtime.fail_fast,
            meanwhile=meanwhile,
        )
        return runtime.executor.build(EXECUTORS).run(plan.stacks, session)


def _registered(plan: Plan, runtime: Config) -> list[Registered]:
    """Return the registered rows that the runs use.

    Raises:
        ConfigError: the executor trains in other programs, which lack functions that this script
            registered.
    """
    rows = [row for member in plan.members for row in registered_in(member.config)]
    for row in rows:
        name = row.function.__name__
        if runtime.executor.name != "local" and not row.package:
            raise ConfigError(
                f"{row.group}: {name} is registered by this program, which executor="
                f"{runtime.executor.name} does not run; register it in a package with an entry "
                "point in the group bpexp.plugins"
            )
    return rows
