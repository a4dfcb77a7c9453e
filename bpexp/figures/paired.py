"""Paired differences of test scores between runs that share their draws, against depth."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.paired import paired_differences
from bpexp.analysis.scores import with_score
from bpexp.errors import BpexpError
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor, levels, varies
from bpexp.figures.parts.lines import n_seeds
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.scores import score_name
from bpexp.figures.parts.style import ZERO_LINE

FEWEST = 3  # seeds


def paired_scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences of test scores between activations, or inits if those vary.

    Args:
        runs: as `bpexp.load_runs` returns them; a frame of differences is returned as it is.

    Returns:
        The result of `bpexp.paired_differences`, with the first level in the order of its table as
        the base. It has no rows with fewer than three seeds or if runs have several partners.
    """
    if "difference" in runs:
        return runs
    factor = compared_factor(runs)
    if not (varies(runs, factor) and n_seeds(runs) >= FEWEST):
        return runs.head(0)
    base = levels(runs, factor)[0]  # not the first row's: runs start in any order
    try:
        return paired_differences(with_score(runs, "test"), factor, "score/test", base=base)
    except BpexpError:
        return runs.head(0)


@styled
def paired_by_depth(differences: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw paired differences of test scores against depth, a line for each level compared.

    A difference is between two networks: a run and the run of the base level with the same seed,
    and so the same base draw of weights and the same order of batches. x: hidden layers. y:
    difference of the task's primary metric on the test split. Lines: arithmetic mean over seeds;
    two to five seeds are also drawn one by one, for more seeds the mean's 95 % Student t interval.
    The levels differ if this excludes 0.

    Args:
        differences: as `bpexp.paired_differences` returns them.
        look: see `Look`.
    """
    base, factor = differences["base"].iloc[0], differences["factor"].iloc[0]
    panels = draw_by_setting(differences, "depth", Quantity("difference"), look, factor=factor)
    for panel, _ in panels.parts:
        panel.axhline(0, **ZERO_LINE)
    title = f"Paired differences from {base}, same draws"
    panels.label(
        title,
        x=axis_label("depth"),
        y=f"test {score_name(differences, 'test')} less that of {base}",
    )
    return panels.figure
