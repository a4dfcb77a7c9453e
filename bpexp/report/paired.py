"""Paired differences of test scores at each depth, between runs with the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bpexp.analysis.paired import paired_differences
from bpexp.analysis.scores import with_score
from bpexp.errors import BpexpError
from bpexp.figures.parts.factors import compared_factor, levels, panel_factors, split, varies
from bpexp.report.estimates import Estimate

SCORE = "score/test"


@dataclass(frozen=True)
class Difference:
    """The mean difference between a level and the base level, at one setting and depth.

    Attributes:
        title: the setting that is compared.
        base: the level that is subtracted.
        depth: hidden layers.
        estimate: the mean difference over seeds.
    """

    title: str
    base: str
    depth: int
    estimate: Estimate

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.estimate.has_interval and self.estimate.low * self.estimate.high > 0


def differences(runs: pd.DataFrame) -> list[Difference]:
    """Return the differences from the first level of the activation, or init if those vary.

    There are none if only one level was run, or if runs have several partners.

    Args:
        runs: as `bpexp.load_runs` returns them.
    """
    factor = compared_factor(runs)
    if not varies(runs, factor):
        return []
    base = levels(runs, factor)[0]
    try:
        rows = paired_differences(with_score(runs, "test"), factor, SCORE, base=base)
    except BpexpError:
        return []
    factors = [factor, *panel_factors(rows, [factor, "depth"])]
    return [
        Difference(title, str(base), int(str(depth)), Estimate.of(own["difference"]))
        for title, part in split(rows, factors)
        for depth, own in part.groupby("depth")
    ]
