"""Figures: functions from tidy frames to a Figure, and the tables of those that sweeps get.

A new figure is one function and one row of `catalogue.FIGURES`, or of `catalogue.OCCASIONAL`.
"""

from bpexp.figures.catalogue import FIGURES, OCCASIONAL
from bpexp.figures.drawing import Drawing
from bpexp.figures.files import draw_all, save
from bpexp.figures.forecast_map import forecast_map
from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer, gradient_heatmap
from bpexp.figures.instruments import (
    before_and_after,
    number_through_training,
    of_instrument,
    through_training,
)
from bpexp.figures.layers import (
    dead_by_rate,
    dying,
    range_by_layer,
    score_by_frozen,
    twins_by_layer,
)
from bpexp.figures.maps import phase_diagram, trainability_map
from bpexp.figures.outcomes import (
    learning_curves,
    paired_by_depth,
    score_by_depth,
    score_by_setting,
    verdict_map,
)
from bpexp.figures.scales import (
    decay_rate_by_depth,
    decay_rates,
    jacobian_moments,
    jacobian_spectrum,
    moments,
)

__all__ = [
    "FIGURES",
    "OCCASIONAL",
    "Drawing",
    "before_and_after",
    "dead_by_rate",
    "decay_rate_by_depth",
    "decay_rates",
    "draw_all",
    "dying",
    "first_layer_by_depth",
    "forecast_map",
    "gradient_by_layer",
    "gradient_heatmap",
    "jacobian_moments",
    "jacobian_spectrum",
    "learning_curves",
    "moments",
    "number_through_training",
    "of_instrument",
    "paired_by_depth",
    "phase_diagram",
    "range_by_layer",
    "save",
    "score_by_depth",
    "score_by_frozen",
    "score_by_setting",
    "through_training",
    "trainability_map",
    "twins_by_layer",
    "verdict_map",
]
