"""Select the runs of a large study for its figures and its report."""

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
        total: the number of runs before the selection.
        how: which runs were selected, as the end of a sentence; empty for all.
    """

    runs: Sequence[Run]
    total: int
    how: str = ""

    @property
    def note(self) -> str:
        """A sentence about the selection; empty if all runs are selected."""
        return f"{len(self.runs)} of {self.total} runs: {self.how}" if self.how else ""


def sampled(runs: Sequence[Run], most: int = MOST) -> Sample:
    """Select at most `most` runs, independently of their results.

    The runs of the first seeds of each configuration are selected, with the same number of seeds
    for each. If there are more than `most` configurations, `most` of them are drawn at random, with
    a fixed seed, and the first run of each is selected.

    Args:
        runs: the runs, in the order of their sweeps.
        most: the largest number of runs to select.
    """
    if len(runs) <= most:
        return Sample(runs, len(runs))
    seeds: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        seeds.setdefault(_without_seed(run), []).append(index)
    groups, each = [*seeds.values()], max(1, most // len(seeds))
    taken = "the first seed" if each == 1 else f"the first {each} seeds"
    if len(groups) > most:
        # Positions at equal distances could all have the same value of a key that changes fast.
        places = np.random.default_rng(0).choice(len(groups), most, replace=False)
        how = f"{taken} of {most} of the {len(groups)} configurations, drawn at random"
        groups = [groups[place] for place in places]
    else:
        how = f"{taken} of each configuration"
    indices = sorted(index for group in groups for index in group[:each])
    return Sample([runs[index] for index in indices], len(runs), how)


def _without_seed(run: Run) -> str:
    """Return a text that is equal for runs whose configurations differ only in the seed."""
    config = run.start["config"]
    decisive = {key: config[key] for key in config if decides(key) and key != "seed"}
    return json.dumps([decisive, run.start.get("digest")], sort_keys=True)
