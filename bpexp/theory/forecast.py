"""The forecast of which networks train, and its score.

A network trains if a signal passes through it (Schoenholz et al. 2017) and gradient descent on it
learns within the steps that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bpexp.nn import Architecture, Choice
from bpexp.nn.tasks import find_task
from bpexp.theory.known import WIDE, UnknownLayerError, knows
from bpexp.theory.layerwise import field_of, predict
from bpexp.theory.linearised import Learning
from bpexp.theory.mean_field import MeanField, normalised_field
from bpexp.theory.residual import stream_depth

DEPTH_SCALES = 6.0  # Schoenholz et al. 2017 find networks trainable up to 6 xi_c
LARGEST_FACTOR = 1e3  # largest ratio of the signal in the last and the first layer, or its inverse
# eta lambda_max / B * depth / width, the order of a step's relative change of the tangent kernel
# (Hanin & Nica 2020, arXiv 1909.05989). This limit is the only fitted number of the forecast: on
# 144 networks (six activations, depth 2 to 64, digits) values from 5.3 to 8.9 give the most right
# forecasts.
LARGEST_CHANGE = 7.0


@dataclass(frozen=True)
class Forecast:
    """The forecast for one network, from averages over draws of the weights.

    Attributes:
        trains: whether its training score will be more than half way from guessing to perfection.
        reason: the reason, in words.
        sigma_w2: n_in Var W of the hidden layers after the first.
        sigma_b2: Var b of them.
        chi_1: factor of E||delta||^2 a layer at the fixed point; in a residual network the mean
            factor of the stream's gradient.
        max_trainable_depth: 6 xi_c, in hidden layers; in a residual network the largest depth at
            which its stream's gradient changes less than 1000-fold, infinity if it exceeds 512.
        first_to_last: predicted ||delta^(1)|| / ||delta^(L)|| at step 0; of the stream's gradient
            in a residual network.
        linearised_score: the primary metric that the linearised network reaches; NaN if it was not
            trained.
    """

    trains: bool
    reason: str
    sigma_w2: float
    sigma_b2: float
    chi_1: float
    max_trainable_depth: float
    first_to_last: float
    linearised_score: float


@knows(*WIDE)
def forecast(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    input_moment: float,
    learning: Callable[[], Learning] | None = None,
    guess: float = 0.0,
    input_product: float = 0.0,
) -> Forecast:
    """Forecast whether a network trains: the signal must pass, and the descent must learn in time.

    The signal passes if the depth is at most 6 xi_c and the gradient changes by less than a factor
    of 1000 from the last to the first layer. In a residual network differences between signals do
    not fall exponentially with depth, and only the gradient is checked. The descent learns if the
    linearised network trains in the run's steps (`bpexp.theory.linearised`), its cost does not
    rise, and a step does not change the tangent kernel by several times its own size. With batch
    normalisation this kernel is not known, and only the signal is checked.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.
        learning: trains the linearised network; called only if the signal passes. None for other
            optimizers than gradient descent, for which only the signal is checked.
        guess: the primary metric of the best constant guess on the training split.
        input_product: mean of x_i x_j over pairs of examples and features.

    Raises:
        UnknownLayerError: theory does not know a layer.
    """
    factor = predict(architecture, variances, input_moment, input_product).first_to_last
    field = field_of(architecture, variances, input_moment)
    depth = len(architecture.sizes) - 2
    most = max_trainable_depth(architecture, variances, input_moment, input_product)
    if architecture.skip.name == "none":
        chi_1 = _scales(field, architecture.norm)[0]
        reason = _loss_of_signal(depth, most, factor)
    else:
        chi_1 = factor ** (2 / max(depth - 1, 1))
        reason = _loss_of_signal(depth, np.inf, factor)
    learnt: Learning | None = None
    passes = "signal and gradient pass"
    if reason is None and learning is not None:
        try:
            learnt = learning()
        except UnknownLayerError:
            passes += "; the time that learning takes is not known"
        else:
            reason, passes = _failure_to_learn(architecture, learnt, guess), f"{passes}, in time"
    return Forecast(
        trains=reason is None,
        reason=reason or passes,
        sigma_w2=field.sigma_w2,
        sigma_b2=field.sigma_b2,
        chi_1=chi_1,
        max_trainable_depth=most,
        first_to_last=factor,
        linearised_score=learnt.score if learnt else float("nan"),
    )


@knows(*WIDE)
def max_trainable_depth(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    input_moment: float,
    input_product: float = 0.0,
) -> float:
    """Return the depth up to which the signal passes; see `Forecast`.

    Args:
        architecture: the network, of at least two hidden layers.
        variances: (Var W, Var b) of each layer.
        input_moment: mean of x^2 over examples and features.
        input_product: mean of x_i x_j over pairs of examples and features.
    """
    if architecture.skip.name == "none":
        field = field_of(architecture, variances, input_moment)
        return DEPTH_SCALES * _scales(field, architecture.norm)[1]
    return stream_depth(architecture, variances, (input_moment, input_product), LARGEST_FACTOR)


def _loss_of_signal(depth: int, most: float, factor: float) -> str | None:
    """Return the reason why the signal does not pass; None if it passes."""
    if depth > 1 and depth > most:
        return f"deeper than 6 xi_c = {most:.3g}"
    if not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        return f"the signal {'vanishes' if factor < 1 else 'explodes'} by {factor:.2g}"
    return None


def _failure_to_learn(architecture: Architecture, found: Learning, guess: float) -> str | None:
    """Return the reason why gradient descent does not learn; None if it learns."""
    task = find_task(architecture.task)
    if found.rises:
        return "lr too large: the cost of the linearised network rises"
    if not trained(found.score, guess, task.perfect):
        return f"too slow: the linearised network reaches {task.metric} {found.score:.2g}"
    change = found.largest_step * sum(1 / n for n in architecture.sizes[1:-1])
    if change > LARGEST_CHANGE:
        return f"lr too large for the depth: a step changes the kernel {change:.2g}-fold"
    return None


@lru_cache(maxsize=1024)
def _scales(field: MeanField, norm: Choice) -> tuple[float, float]:
    whole = normalised_field(field, norm)
    return whole.chi_1(), whole.correlation_scale()


@dataclass(frozen=True)
class Score:
    """A confusion matrix of forecasts against outcomes.

    Attributes:
        hits: networks forecast to train that trained.
        false_alarms: networks forecast to train that did not train.
        misses: networks forecast not to train that trained.
        rejections: networks forecast not to train that did not train.
    """

    hits: int
    false_alarms: int
    misses: int
    rejections: int

    @property
    def accuracy(self) -> float:
        """The share of right forecasts."""
        right, wrong = self.hits + self.rejections, self.false_alarms + self.misses
        return right / (right + wrong) if right + wrong else float("nan")


def score(forecasts: Iterable[bool], outcomes: Iterable[bool]) -> Score:
    """Return the confusion matrix of forecasts, one for each outcome."""
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
        score: the task's primary metric on the training split, a number or an array. A run whose
            score is NaN has not trained.
        guess: the metric of the best constant guess.
        perfect: the best value of the metric, above or below `guess`.
    """
    return (score - (perfect + guess) / 2) * (perfect - guess) > 0
