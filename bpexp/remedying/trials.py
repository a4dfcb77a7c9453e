"""Train changed configurations with several seeds, in stacks, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from threadpoolctl import threadpool_limits

from bpexp.analysis.verdict import Evidence, verdict
from bpexp.config import Config
from bpexp.nn.stack import Stack
from bpexp.nn.tasks import find_task
from bpexp.progress import Progress
from bpexp.remedying.changes import Candidate
from bpexp.remedying.subject import Subject
from bpexp.sweeping.grouping import stack_size
from bpexp.sweeping.member import shared
from bpexp.sweeping.stacks import trainer_of
from bpexp.theory import trained
from bpexp.training import STOPS, Observation, run

Job = tuple[str, Config]
"""The name of a candidate, and its configuration with one of the seeds."""


@dataclass(frozen=True)
class Trial:
    """A candidate trained with one seed.

    Attributes:
        seed: the seed.
        train, test: the task's primary metric at the end; if training diverged, that of the best
            constant guess.
        trained: whether `train` is more than half way from guessing to a perfect score.
        verdict: a word of `bpexp.analysis.verdict.VERDICTS`.
    """

    seed: int
    train: float
    test: float
    trained: bool
    verdict: str


def try_all(
    subject: Subject,
    found: Sequence[Candidate],
    seeds: Sequence[int],
    seconds: float,
    progress: Progress,
) -> dict[str, list[Trial]]:
    """Train candidates in their order, all with the first seed and then all with the others.

    Args:
        subject: the training that is changed.
        found: the candidates.
        seeds: the seeds.
        seconds: the time limit. It is checked after each epoch; a stack that exceeds it is
            discarded.
        progress: advanced by 1 for each trial.

    Returns:
        The trials of each candidate by its name; an empty list for candidates not reached.
    """
    deadline = time.perf_counter() + seconds
    done: dict[str, list[Trial]] = {candidate.name: [] for candidate in found}
    for part in (seeds[:1], seeds[1:]):
        jobs = [(c.name, replace(c.config, seed=seed)) for c in found for seed in part]
        for stack in _stacks(subject, jobs):
            trials = _train(subject, [config for _, config in stack], deadline)
            if trials is None:
                return done
            for (name, _), trial in zip(stack, trials, strict=True):
                done[name].append(trial)
            progress.advance(len(stack))
    return done


def _stacks(subject: Subject, jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Yield jobs in their order, with adjacent jobs of one shape as a stack."""
    for _, group in groupby(jobs, key=lambda job: shared(job[1])):
        same = [*group]
        config = same[0][1]
        examples = len(subject.data.x_train)
        size = stack_size(config, subject.architecture(config), examples)
        yield from (same[i : i + size] for i in range(0, len(same), size))


def _train(subject: Subject, configs: Sequence[Config], deadline: float) -> list[Trial] | None:
    """Train a stack; return None if the deadline passes before its end."""
    plain = [_unmeasured(config) for config in configs]
    rows = [subject.theta(config) for config in plain]
    stack = Stack.of(subject.architecture(plain[0]), rows, plain[0].dtype)
    seen: list[list[Observation]] = [[] for _ in plain]
    diverged: list[int | None] = [None for _ in plain]
    with threadpool_limits(plain[0].threads, user_api="blas"):
        trainer = trainer_of(plain, stack, subject.data)
        rule = plain[0].stop.build(STOPS)
        for record in run(trainer, epochs=plain[0].epochs, stop=rule, probe_every=0):
            for r, row in enumerate(record.rows):
                seen[row].append(record.of(r))
                diverged[row] = int(record.diverged_at[r]) or None
            if time.perf_counter() > deadline and not record.ended.all():
                return None
    return [
        _trial(subject, config, own, at)
        for config, own, at in zip(plain, seen, diverged, strict=True)
    ]


def _trial(
    subject: Subject, config: Config, seen: Sequence[Observation], diverged_at: int | None
) -> Trial:
    """Return a trial from its observations."""
    task, chance = find_task(subject.data.task), subject.data.chance
    last = seen[-1].metrics
    train, test = (last[f"{task.metric}/{split}"] for split in ("train", "test"))
    if diverged_at:
        train, test = chance, subject.data.chance_test
    evidence = Evidence.of(
        [{**one.layers, **one.arrays} for one in seen if one.layers],
        [one.metrics for one in seen if one.metrics],
        task=task,
        chance=chance,
        frozen=config.frozen,
        diverged_at=diverged_at,
    )
    has_trained = bool(trained(train, chance, task.perfect))
    return Trial(config.seed, train, test, has_trained, verdict(evidence).word)


def _unmeasured(config: Config) -> Config:
    """Return a configuration without the instruments that no verdict needs."""
    counts = dict.fromkeys(config.probe.counts, 0)
    return replace(config, measure=[], probe=replace(config.probe, counts=counts))
