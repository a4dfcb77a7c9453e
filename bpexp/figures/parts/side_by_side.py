"""Draw lines that coincide side by side, so that none is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

NEAR = 0.012  # share of the panel's height, about the width of a line


def separate(panel: Axes, lines: Sequence[Line2D]) -> None:
    """Shift lines that coincide at two neighbouring points up or down by their widths.

    The shifts of n such lines are from -(n - 1) / 2 to (n - 1) / 2 widths. The data of the lines do
    not change. The limits of the panel's y axis must be close to their final values.
    """
    heights = [_heights(panel, line) for line in lines]
    groups: list[list[int]] = []
    for i, own in enumerate(heights):
        near = [group for group in groups if any(_coincide(own, heights[j]) for j in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*chain.from_iterable(near), i])
    for group in groups:
        for place, i in enumerate(sorted(group)):
            points = ((len(group) - 1) / 2 - place) * float(lines[i].get_linewidth())
            if points:
                shift = ScaledTranslation(0, points / 72, panel.figure.dpi_scale_trans)
                lines[i].set_transform(lines[i].get_transform() + shift)


def _heights(panel: Axes, line: Line2D) -> dict[float, float]:
    """Return the height of each point of a line, relative to the panel's, by its abscissa."""
    points: NDArray[np.float64] = np.asarray(line.get_xydata(), float)
    shares = panel.transLimits.transform(panel.transScale.transform(points))[:, 1]
    return dict(zip(points[:, 0].tolist(), shares.tolist(), strict=True))


def _coincide(one: dict[float, float], other: dict[float, float]) -> bool:
    """Return whether lines are near at two neighbouring points, or at their only common point."""
    shared = [x for x in one if x in other]
    near = [abs(one[x] - other[x]) < NEAR for x in shared]
    if len(near) == 1:
        return near[0]
    return any(a and b for a, b in pairwise(near))
