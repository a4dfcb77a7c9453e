"""The catalogue: every figure of a sweep by the name of its files.

A new figure is a function in a file of its own and a row of FIGURES.
"""

from __future__ import annotations

from bpexp.analysis.verdict import AXES
from bpexp.figures.dead_units import dead_after_training, dead_by_rate
from bpexp.figures.decay_rates import ERROR, INCREMENTS, RATE, decay_rate_by_depth, decay_rates
from bpexp.figures.floating_point import (
    both_precisions,
    out_of_range,
    precision_by_layer,
    range_by_layer,
)
from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer
from bpexp.figures.heat_map import gradient_heatmap
from bpexp.figures.jacobians import jacobian_moments, jacobian_spectrum, moments
from bpexp.figures.learning_curves import learning_curves
from bpexp.figures.learning_rates import best_rate_map, runs_at_best_rate
from bpexp.figures.maps import (
    phase_diagram,
    points_of_phase_diagram,
    runs_over_depths,
    trainability_map,
)
from bpexp.figures.paired import paired_by_depth, paired_scores
from bpexp.figures.parts.selection import at_start, first_layer, measured, over_depths, several
from bpexp.figures.scores import (
    runs_by_depth,
    runs_by_frozen,
    runs_by_setting,
    score_by_depth,
    score_by_frozen,
    score_by_setting,
)
from bpexp.figures.spec import FigureSpec
from bpexp.figures.streams import (
    MOMENTS,
    layers_of_streams,
    signal_propagation,
    variants,
    variants_by_depth,
)
from bpexp.figures.verdicts import verdict_map

TEST = "score/test"
SCORED = (TEST, "chance", "chance/test", "diverged_at")
SIGMAS = ("theory/sigma_w2", "theory/sigma_b2")
AT = ("step", "layer", "source")
GRADIENT = ("grad_norm", "grad_norm_lower", "grad_norm_upper", *AT)

# In a file's name "score" becomes the primary metric (accuracy_by_depth.png).
# The fields are documented in `FigureSpec`.
FIGURES: dict[str, FigureSpec] = {
    "gradient_norm_by_layer": FigureSpec(gradient_by_layer, "layers", GRADIENT, at_start),
    "first_layer_by_depth": FigureSpec(
        first_layer_by_depth, "layers", GRADIENT, lambda rows: over_depths(first_layer(rows))
    ),
    "decay_rate_by_depth": FigureSpec(
        decay_rate_by_depth,
        "layers",
        (RATE, ERROR, INCREMENTS, "source"),
        lambda rows: over_depths(decay_rates(rows)),
    ),
    "score_by_depth": FigureSpec(score_by_depth, "runs", SCORED, runs_by_depth),
    "gradient_norm_by_epoch": FigureSpec(
        gradient_heatmap, "layers", ("grad_norm", "epoch", "layer", "source"), measured
    ),
    "learning_curves": FigureSpec(learning_curves, "curves", ("loss/test", TEST, "epoch", "cost")),
    "verdicts": FigureSpec(verdict_map, "runs", ("verdict", *AXES, *SCORED), several),
    "score_by_setting": FigureSpec(score_by_setting, "runs", SCORED, runs_by_setting),
    "score_at_best_rate": FigureSpec(
        best_rate_map,
        "runs",
        (*SCORED, "lr", "trains_from", "trains_to", "rates"),
        runs_at_best_rate,
    ),
    "trainability": FigureSpec(
        trainability_map,
        "trainability",
        ("score/train", "skip", "chance", "diverged_at", "theory/deepest", "source"),
        runs_over_depths,
    ),
    "phase_diagram": FigureSpec(
        phase_diagram,
        "plane",
        (*SIGMAS, "score/train", "chance", "diverged_at", "source"),
        points_of_phase_diagram,
    ),
    "paired_score": FigureSpec(
        paired_by_depth, "runs", ("difference", "factor", "base", TEST), paired_scores
    ),
    "jacobian_spectrum": FigureSpec(
        jacobian_spectrum, "spectra", ("singular_value", "step", "example", "rank")
    ),
    "jacobian_moments": FigureSpec(
        jacobian_moments, "runs", ("value", "moment", "source"), moments
    ),
    "score_by_frozen": FigureSpec(score_by_frozen, "runs", (*SCORED, "frozen"), runs_by_frozen),
    "dead_by_rate": FigureSpec(
        dead_by_rate, "layers", ("dead", "delta_norm", *AT), dead_after_training
    ),
    "range_by_layer": FigureSpec(
        range_by_layer,
        "layers",
        ("subnormal_share", "zero_share", "q", "delta_norm", *AT),
        out_of_range,
    ),
    "precision_by_layer": FigureSpec(
        precision_by_layer,
        "layers",
        ("grad_norm", "step", "epoch", "layer", "source"),
        both_precisions,
    ),
    "signal_propagation": FigureSpec(
        signal_propagation, "layers", (*MOMENTS, *AT), layers_of_streams
    ),
    "variants_by_depth": FigureSpec(variants_by_depth, "layers", GRADIENT, variants),
}
