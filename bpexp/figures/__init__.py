"""Figures: functions from tidy frames to a Figure, and the catalogue of those a sweep gets.

Every function takes the keywords of `Look`: width, title, palette and legend. A notebook shows the
figure that a cell returns.

Each subject has a file. `parts/` holds code that several of them share.
"""

from bpexp.figures.catalogue import FIGURES
from bpexp.figures.confusion import confusion
from bpexp.figures.counterfactuals import remedies
from bpexp.figures.dead_units import dead_by_rate
from bpexp.figures.decay_rates import decay_rate_by_depth, decay_rates
from bpexp.figures.files import draw_all, save
from bpexp.figures.floating_point import precision_by_layer, range_by_layer
from bpexp.figures.forecasts import forecast_map
from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer
from bpexp.figures.heat_map import gradient_heatmap
from bpexp.figures.instruments import (
    before_and_after,
    number_through_training,
    of_instrument,
    through_training,
)
from bpexp.figures.jacobians import jacobian_moments, jacobian_spectrum
from bpexp.figures.learning_curves import learning_curves
from bpexp.figures.learning_rates import best_rate_map
from bpexp.figures.maps import phase_diagram, trainability_map
from bpexp.figures.paired import paired_by_depth
from bpexp.figures.parts.look import Look
from bpexp.figures.profiles import layer_profiles
from bpexp.figures.scores import score_by_depth, score_by_frozen, score_by_setting
from bpexp.figures.spec import FigureSpec
from bpexp.figures.streams import signal_propagation, variants_by_depth
from bpexp.figures.verdicts import verdict_map

__all__ = [
    "FIGURES",
    "FigureSpec",
    "Look",
    "before_and_after",
    "best_rate_map",
    "confusion",
    "dead_by_rate",
    "decay_rate_by_depth",
    "decay_rates",
    "draw_all",
    "first_layer_by_depth",
    "forecast_map",
    "gradient_by_layer",
    "gradient_heatmap",
    "jacobian_moments",
    "jacobian_spectrum",
    "layer_profiles",
    "learning_curves",
    "number_through_training",
    "of_instrument",
    "paired_by_depth",
    "phase_diagram",
    "precision_by_layer",
    "range_by_layer",
    "remedies",
    "save",
    "score_by_depth",
    "score_by_frozen",
    "score_by_setting",
    "signal_propagation",
    "through_training",
    "trainability_map",
    "variants_by_depth",
    "verdict_map",
]
