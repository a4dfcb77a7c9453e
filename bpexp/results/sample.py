"""The runs of a large study that its figures and its report are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpexp.config.identity import decides
from bpexp.record.run import Run

MOST = 2000
"""Runs of a figure and a report. Beyond this a report is slow to open and too large to send."""


@dataclass(frozen=True)
class Sample:
    """Runs, all or some of them, in the order given.

    Attributes:
        runs: the runs.
        total: the number of runs that they were taken from.
        how: which were taken, as the end of a sentence; empty for all.
    """

    runs: Sequence[Run]
    total: int
    how: str = ""

    @property
    def note(self) -> str:
        """A sentence about what was taken; empty for all."""
        return f"{len(self.runs)} of {self.total} runs: {self.how}" if self.how else ""


def sampled(runs: Sequence[Run], most: int = MOST) -> Sample:
    """Take at most `most` runs, without regard to their results.

    Of each configuration the runs of the first seeds are taken, the same number of each. If there
    are more than `most` configurations, the first run of `most` of them is taken, which are drawn
    at random, always the same ones.

    Args:
        runs: the runs, in the order of their sweeps.
        most: the number of runs to take; all are taken if there are no more.
    """
    if len(runs) <= most:
        return Sample(runs, len(runs))
    seeds: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        seeds.setdefault(_without_seed(run), []).append(index)
    groups, each = [*seeds.values()], max(1, most // len(seeds))
    taken = "the first seed" if each == 1 else f"the first {each} seeds"
    if len(groups) > most:
        # Places at equal distances would all have the same value of a key that changes fast.
        places = np.random.default_rng(0).choice(len(groups), most, replace=False)
        how = f"{taken} of {most} of the {len(groups)} configurations, drawn at random"
        groups = [groups[place] for place in places]
    else:
        how = f"{taken} of each configuration"
    indices = sorted(index for group in groups for index in group[:each])
    return Sample([runs[index] for index in indices], len(runs), how)


def _without_seed(run: Run) -> str:
    """Return a text that is equal for runs whose numbers differ by their seeds alone."""
    config = run.start["config"]
    decisive = {key: config[key] for key in config if decides(key) and key != "seed"}
    return json.dumps([decisive, run.start.get("digest")], sort_keys=True)
