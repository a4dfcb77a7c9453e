"""Print the runs and stacks of a plan, and an estimate of the time to train them: plan=only."""

from __future__ import annotations

import time

from threadpoolctl import threadpool_limits

from bpexp.config import Config
from bpexp.console import say
from bpexp.executors import cores
from bpexp.progress.state import clock
from bpexp.sweeping.grouping import workers_for
from bpexp.sweeping.member import Member, dataset
from bpexp.sweeping.plan import Plan
from bpexp.sweeping.stacks import make_trainer

SECONDS = 0.3  # duration of the timed steps of a stack
TIMED = 3  # largest number of timed stacks


def print_plan(plan: Plan, runtime: Config) -> None:
    """Print the runs to train, their stacks and the estimated time. Nothing is written.

    The estimate scales the time of some steps of a few stacks, whose results are discarded, by the
    number of operations. Probes, figures and the mirror are not included.

    Args:
        plan: the plan.
        runtime: a configuration of the sweep, for its runtime keys.
    """
    waiting = [member for stack in plan.stacks for member in stack]
    resumed = sum(member.epoch > 0 for member in waiting)
    say(
        f"plan:   {_count(len(plan.members), 'run')}: {len(plan.members) - len(waiting)} finished, "
        f"{resumed} to resume from a checkpoint, {len(waiting) - resumed} to begin"
    )
    if not waiting:
        return
    workers = min(workers_for(runtime), len(plan.stacks))
    largest = max(map(len, plan.stacks))
    say(
        f"stacks: {len(plan.stacks)} of up to {_count(largest, 'run')}, {workers} at once "
        f"(executor={runtime.executor.name})"
    )
    left = sum(member.operations for member in waiting)
    seconds = left / _operations_a_second(plan.stacks) / workers
    say(f"time:   about {clock(max(seconds, 1))} (min:s) to train, at the speed of a core here")
    if runtime.executor.name == "local" and workers > cores():
        say(f"        with {workers} cores; this machine has {cores()}")


def _operations_a_second(stacks: tuple[tuple[Member, ...], ...]) -> float:
    """Return the operations per second of the longest, a middle and the shortest stack."""
    chosen = {0, len(stacks) // 2, len(stacks) - 1}
    done = spent = 0.0
    for place in sorted(chosen)[:TIMED]:
        operations, seconds = _timed(stacks[place])
        done += operations
        spent += seconds
    return done / spent


def _timed(stack: tuple[Member, ...]) -> tuple[float, float]:
    """Train some steps of a stack; return their operations and seconds."""
    config = stack[0].config
    left = config.epochs - stack[0].epoch
    operations = sum(member.operations for member in stack) / left
    steps_an_epoch = -(-len(dataset(config).x_train) // config.batch_size)
    with threadpool_limits(config.threads, user_api="blas"):
        trainer = make_trainer(stack)
        steps = trainer.advance(every=1)
        next(steps, None)  # the first step allocates
        begun, taken = time.perf_counter(), 0
        for _ in steps:
            taken += 1
            if time.perf_counter() - begun > SECONDS:
                break
        seconds = time.perf_counter() - begun
    if not taken:  # an epoch has one or two steps, so a whole one is timed
        begun = time.perf_counter()
        for _ in trainer.advance():
            pass
        return operations, time.perf_counter() - begun
    return operations * taken / steps_an_epoch, seconds


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
