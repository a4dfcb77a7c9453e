"""What a figure shows, read back from its artists."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.colors import to_hex


def lines(axes, *, theory=False, marks=False):
    """Return the lines of measurements, of theory, or the rows of crosses."""
    kind = "crosses" if marks else "theory" if theory else "measured"
    kinds = {"--": "theory", "-": "measured", "None": "crosses"}
    return [line for line in axes.lines if kinds.get(line.get_linestyle()) == kind]


def with_markers(axes):
    """Return the lines that have markers, without those of one point of theory."""
    return [line for line in axes.lines if line.get_marker() not in ("None", "", "_")]


def cells(axes):
    """Return the colours of a map's cells, row by row: of a divided cell its first colour."""
    corners = {}
    for patch in axes.patches:
        place = int(patch.get_y()), int(patch.get_x())
        corners.setdefault(place, to_hex(patch.get_facecolor()))
    return [corners[place] for place in sorted(corners)]


def titles(figure):
    """Return the full title of each panel, which its axes carry as their label."""
    return [panel.get_label() for panel in figure.axes if panel.get_label() != "<colorbar>"]


def titled(figure, title):
    (panel,) = [panel for panel in figure.axes if panel.get_label() == title]
    return panel


def assert_line(line, x, y):
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y, rtol=1e-12, atol=0)


def assert_same_lines(figure, other):
    assert titles(figure) == titles(other)
    for panel, twin in zip(figure.axes, other.axes, strict=True):
        for line, same in zip(panel.lines, twin.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())


def colour_by_level(figure):
    legend = legend_of(figure)
    handles = zip(legend.get_texts(), legend.legend_handles, strict=True)
    return {text.get_text(): to_hex(handle.get_color()) for text, handle in handles}


def legend_of(figure):
    """Return the legend, which is the figure's or that of one of its axes."""
    inside = [panel.get_legend() for panel in figure.axes if panel.get_legend()]
    (legend,) = [*figure.legends, *inside]
    return legend


def labels_of(figure):
    """Return the labels of the axes: x and y, of the figure or of its only panel."""
    panels = [panel for panel in figure.axes if panel.get_label() != "<colorbar>"]
    x = [figure.get_supxlabel(), *(panel.get_xlabel() for panel in panels)]
    y = [figure.get_supylabel(), *(panel.get_ylabel() for panel in panels)]
    return tuple([text.replace("\n", " ") for text in found if text] for found in (x, y))


def overlapping(figure):
    """Return the pairs of texts that overlap by more than a pixel's edge, once it is laid out."""
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts(figure)]
    pairs = itertools.combinations(boxes, 2)
    return [(one, other) for (one, box), (other, place) in pairs if box.overlaps(place)]


def cut(figure):
    """Return the texts that are not wholly inside of the figure, once it is laid out."""
    inside = figure.bbox.count_contains
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts(figure)]
    return [text for text, box in boxes if inside(box.corners()) < 4]


def texts(figure):
    found = [*figure.texts]
    legends = [*figure.legends, *filter(None, (panel.get_legend() for panel in figure.axes))]
    for legend in legends:
        found += [*legend.get_texts(), legend.get_title()]
    for panel in figure.axes:
        found += [panel.title, panel.xaxis.label, panel.yaxis.label, *panel.texts]
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            inside = [tick for tick in ticks if low <= tick.get_loc() <= high]
            found += [label for tick in inside for label in (tick.label1, tick.label2)]
    return [text for text in found if text.get_visible() and text.get_text().strip()]
