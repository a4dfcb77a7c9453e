"""Lines that coincide, drawn side by side so that none is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

NEAR = 0.012  # of the panel's height: about a line's width


def separate(panel: Axes, lines: Sequence[Line2D]) -> None:
    """Shift lines that coincide at two neighbouring points, up or down, by their widths.

    Of n such lines the shifts are from -(n - 1) / 2 to (n - 1) / 2 widths. The data of the lines
    stay as they are. Limits of the panel's y axis must be close to their last values.
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
                lines[i].set_transform(panel.transData + shift)


def _heights(panel: Axes, line: Line2D) -> dict[float, float]:
    """Return the height of each point of a line by its abscissa, as a share of the panel's."""
    points: NDArray[np.float64] = np.asarray(line.get_xydata(), float)
    shares = panel.transLimits.transform(panel.transScale.transform(points))[:, 1]
    return dict(zip(points[:, 0].tolist(), shares.tolist(), strict=True))


def _coincide(one: dict[float, float], other: dict[float, float]) -> bool:
    """Return whether lines are near at two neighbouring points, or at the only one."""
    shared = [x for x in one if x in other]
    near = [abs(one[x] - other[x]) < NEAR for x in shared]
    if len(near) == 1:
        return near[0]
    return any(a and b for a, b in pairwise(near))
