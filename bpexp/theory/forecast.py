"""The forecast: which networks theory expects to train, and how it fared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bpexp.nn import Architecture
from bpexp.nn.layers import Dense
from bpexp.theory.known import knows
from bpexp.theory.layerwise import field_of, predict
from bpexp.theory.mean_field import MeanField

DEPTH_SCALES = 6.0  # Schoenholz et al. 2017 find networks trainable up to 6 xi_c
LARGEST_FACTOR = 1e3  # of the signal between last and first layer, either way


@dataclass(frozen=True)
class Forecast:
    """What theory expects of one network.

    Attributes:
        trains: its training score will come more than half way from guessing to perfection.
        reason: why, or why not.
        sigma_w2: n_in Var W of the hidden layers after the first.
        sigma_b2: Var b of them.
        chi_1: factor of E||delta||^2 a layer at the fixed point.
        max_trainable_depth: 6 xi_c, hidden layers.
        first_to_last: predicted ||delta^(1)|| / ||delta^(L)|| at step 0.
    """

    trains: bool
    reason: str
    sigma_w2: float
    sigma_b2: float
    chi_1: float
    max_trainable_depth: float
    first_to_last: float


@knows(Dense)
def forecast(
    architecture: Architecture, variances: Sequence[tuple[float, float]], input_moment: float
) -> Forecast:
    """Forecast one network: it trains if its depth is at most 6 xi_c and its gradient passes.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.

    Raises:
        UnknownLayerError: a layer is not dense.
    """
    depth = len(architecture.sizes) - 2
    factor = predict(architecture, variances, input_moment).first_to_last
    field = field_of(architecture, variances)
    chi_1, scale = _scales(field)
    max_trainable_depth = DEPTH_SCALES * scale
    if depth > 1 and depth > max_trainable_depth:
        trains, reason = False, f"deeper than 6 xi_c = {max_trainable_depth:.3g}"
    elif not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        word = "vanishes" if factor < 1 else "explodes"
        trains, reason = False, f"the signal {word} by {factor:.2g}"
    else:
        trains, reason = True, "signal and gradient pass"
    return Forecast(
        trains, reason, field.sigma_w2, field.sigma_b2, chi_1, max_trainable_depth, factor
    )


@lru_cache(maxsize=1024)
def _scales(field: MeanField) -> tuple[float, float]:
    return field.chi_1(), field.correlation_scale()


@dataclass(frozen=True)
class Score:
    """A confusion matrix of forecasts against outcomes.

    Attributes:
        hits: forecast to train, and did.
        false_alarms: forecast to train, and did not.
        misses: forecast not to train, and did.
        rejections: forecast not to train, and did not.
    """

    hits: int
    false_alarms: int
    misses: int
    rejections: int

    @property
    def accuracy(self) -> float:
        """Share of right forecasts."""
        right, wrong = self.hits + self.rejections, self.false_alarms + self.misses
        return right / (right + wrong) if right + wrong else float("nan")


def score(forecasts: Iterable[bool], outcomes: Iterable[bool]) -> Score:
    """Count forecasts against outcomes."""
    pairs = list(zip(forecasts, outcomes, strict=True))
    return Score(
        hits=pairs.count((True, True)),
        false_alarms=pairs.count((True, False)),
        misses=pairs.count((False, True)),
        rejections=pairs.count((False, False)),
    )


def trained(score: float, guess: float, perfect: float = 1.0) -> bool:
    """Return whether a run trained: its score is more than half way from guessing to perfection.

    Args:
        score: the task's primary metric on the training split, a number or an array; NaN has not
            trained.
        guess: that of the best constant guess.
        perfect: the best there is, above or below `guess`.
    """
    return (score - (perfect + guess) / 2) * (perfect - guess) > 0
