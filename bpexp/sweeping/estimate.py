"""What a plan would train, in how many stacks, and about how long that takes: plan=only."""

from __future__ import annotations

import time

from threadpoolctl import threadpool_limits

from bpexp.config import Config
from bpexp.console import say
from bpexp.executors import cores
from bpexp.progress.state import clock
from bpexp.sweeping.plan import Member, Plan, dataset, workers_for
from bpexp.sweeping.stacks import make_trainer

SECONDS = 0.3  # of steps that are timed, of each of a few stacks
TIMED = 3


def print_plan(plan: Plan, harness: Config) -> None:
    """Print what would be trained. Nothing is written.

    The time is that of some steps of a few stacks, which are taken here and thrown away, scaled by
    operations. Probes, figures and the mirror are not in it.

    Args:
        plan: the plan.
        harness: a configuration of the sweep, for its runtime keys.
    """
    waiting = [member for stack in plan.stacks for member in stack]
    resumed = sum(member.epoch > 0 for member in waiting)
    say(
        f"plan:   {_count(len(plan.members), 'run')}: {len(plan.members) - len(waiting)} finished, "
        f"{resumed} to go on from a checkpoint, {len(waiting) - resumed} to begin"
    )
    if not waiting:
        return
    workers = min(workers_for(harness), len(plan.stacks))
    largest = max(map(len, plan.stacks))
    say(
        f"stacks: {len(plan.stacks)} of up to {_count(largest, 'run')}, {workers} at once "
        f"(executor={harness.executor.name})"
    )
    left = sum(member.operations for member in waiting)
    seconds = left / _operations_a_second(plan.stacks) / workers
    say(f"time:   about {clock(max(seconds, 1))} (min:s) to train, at the speed of a core here")
    if harness.executor.name == "local" and workers > cores():
        say(f"        with {workers} cores; this machine has {cores()}")


def _operations_a_second(stacks: tuple[tuple[Member, ...], ...]) -> float:
    """Return how fast stacks train here: of the longest, of one in the middle, of the shortest."""
    chosen = {0, len(stacks) // 2, len(stacks) - 1}
    done = spent = 0.0
    for place in sorted(chosen)[:TIMED]:
        operations, seconds = _timed(stacks[place])
        done += operations
        spent += seconds
    return done / spent


def _timed(stack: tuple[Member, ...]) -> tuple[float, float]:
    """Take some steps of a stack; return their operations and seconds."""
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
    if not taken:  # epochs of one or two steps: time a whole one
        begun = time.perf_counter()
        for _ in trainer.advance():
            pass
        return operations, time.perf_counter() - begun
    return operations * taken / steps_an_epoch, seconds


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
