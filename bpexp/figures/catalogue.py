"""The catalogue: which figures a sweep gets, always or if it has something of their kind."""

from __future__ import annotations

import pandas as pd

from bpexp.figures.drawing import Drawing
from bpexp.figures.frames import at_start, first_layer, measured, numeric
from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer, gradient_heatmap
from bpexp.figures.layers import (
    dead_by_rate,
    dying,
    leaving_range,
    prefixed,
    range_by_layer,
    score_by_frozen,
    twinned,
    twins_by_layer,
)
from bpexp.figures.maps import SIGMAS, on_the_plane, phase_diagram, trainability_map
from bpexp.figures.outcomes import (
    learning_curves,
    over_depths,
    over_settings,
    paired_by_depth,
    paired_scores,
    score_by_depth,
    score_by_setting,
    verdict_map,
)
from bpexp.figures.scales import (
    ERROR,
    RATE,
    decay_rate_by_depth,
    decay_rates,
    jacobian_moments,
    jacobian_spectrum,
    moments,
)


def _with_maps(runs: pd.DataFrame) -> pd.DataFrame:
    return runs if numeric(runs) and runs["depth"].nunique() > 1 else runs.head(0)


# In a file's name "score" becomes the primary metric (accuracy_by_depth.png); as a column it stands
# for the primary metrics of the tasks that there are.
FIGURES: dict[str, Drawing] = {
    "gradient_norm_by_layer": Drawing(
        gradient_by_layer, "layers", ("grad_norm", "step", "layer", "source"), at_start
    ),
    "first_layer_by_depth": Drawing(
        first_layer_by_depth, "layers", ("grad_norm", "step", "layer", "source"), first_layer
    ),
    "decay_rate_by_depth": Drawing(
        decay_rate_by_depth, "layers", (RATE, ERROR, "source"), decay_rates
    ),
    "score_by_depth": Drawing(score_by_depth, "runs", ("score/test", "chance"), over_depths),
    "gradient_norm_by_epoch": Drawing(
        gradient_heatmap, "layers", ("grad_norm", "epoch", "layer", "source"), measured
    ),
    "learning_curves": Drawing(
        learning_curves, "curves", ("loss/test", "score/test", "epoch", "cost")
    ),
    "verdicts": Drawing(verdict_map, "runs", ("verdict", "score/test")),
}

# Those that a sweep gets if it has something of their kind: their rows are empty where not.
OCCASIONAL: dict[str, Drawing] = {
    "score_by_setting": Drawing(score_by_setting, "runs", ("score/test", "chance"), over_settings),
    "trainability": Drawing(
        trainability_map, "runs", ("score/train", "theory/deepest"), _with_maps
    ),
    "phase_diagram": Drawing(
        phase_diagram, "plane", (SIGMAS[0], SIGMAS[1], "score/train", "source"), on_the_plane
    ),
    "paired_score": Drawing(
        paired_by_depth, "runs", ("difference", "factor", "base", "score/test"), paired_scores
    ),
    "jacobian_spectrum": Drawing(
        jacobian_spectrum, "spectra", ("singular_value", "step", "example", "rank")
    ),
    "jacobian_moments": Drawing(jacobian_moments, "runs", ("value", "moment", "source"), moments),
    "score_by_frozen": Drawing(
        score_by_frozen, "runs", ("score/test", "chance", "frozen"), prefixed
    ),
    "dead_by_rate": Drawing(
        dead_by_rate, "layers", ("dead", "delta_norm", "step", "layer", "source"), dying
    ),
    "range_by_layer": Drawing(
        range_by_layer,
        "layers",
        ("subnormal_share", "zero_share", "q", "delta_norm", "step", "layer", "source"),
        leaving_range,
    ),
    "twins_by_layer": Drawing(
        twins_by_layer, "layers", ("grad_norm", "step", "epoch", "layer", "source"), twinned
    ),
}
