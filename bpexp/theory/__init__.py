"""Theory: what the equations predict before any training."""

from bpexp.theory.forecast import Forecast, Score, forecast, score, trained
from bpexp.theory.mean_field import MeanField, critical_sigma_w2
from bpexp.theory.prediction import Prediction, predict

__all__ = [
    "Forecast",
    "MeanField",
    "Prediction",
    "Score",
    "critical_sigma_w2",
    "forecast",
    "predict",
    "score",
    "trained",
]
