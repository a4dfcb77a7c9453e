"""Theory: predictions of mean-field equations for untrained networks."""

from bpexp.theory.batch import PREDICTED, BatchPrediction, predict_batch
from bpexp.theory.batch_norm import batch_norm_growth
from bpexp.theory.finite_width import log_norm_std, moment_ratio
from bpexp.theory.forecast import (
    Forecast,
    Score,
    forecast,
    max_trainable_depth,
    score,
    trained,
)
from bpexp.theory.jacobian import jacobian_moments
from bpexp.theory.known import UnknownCostError, UnknownLayerError
from bpexp.theory.layerwise import Prediction, field_of, layer_variances, predict
from bpexp.theory.linearised import Descent, Learning, learn, tangent_kernel
from bpexp.theory.mean_field import (
    MeanField,
    critical_line,
    critical_sigma_w2,
    normalised_field,
)

__all__ = [
    "PREDICTED",
    "BatchPrediction",
    "Descent",
    "Forecast",
    "Learning",
    "MeanField",
    "Prediction",
    "Score",
    "UnknownCostError",
    "UnknownLayerError",
    "batch_norm_growth",
    "critical_line",
    "critical_sigma_w2",
    "field_of",
    "forecast",
    "jacobian_moments",
    "layer_variances",
    "learn",
    "log_norm_std",
    "max_trainable_depth",
    "moment_ratio",
    "normalised_field",
    "predict",
    "predict_batch",
    "score",
    "tangent_kernel",
    "trained",
]
