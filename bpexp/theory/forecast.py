"""The forecast: which networks theory expects to train, and how it fared.

A network trains if a signal passes through it (Schoenholz et al. 2017) and gradient descent on it
learns within the steps that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bpexp.nn import Architecture
from bpexp.nn.layers import Dense
from bpexp.nn.tasks import find_task
from bpexp.theory.known import knows
from bpexp.theory.layerwise import field_of, predict
from bpexp.theory.linearised import Learning
from bpexp.theory.mean_field import MeanField

DEPTH_SCALES = 6.0  # Schoenholz et al. 2017 find networks trainable up to 6 xi_c
LARGEST_FACTOR = 1e3  # of the signal between last and first layer, either way
# eta lambda_max / B * depth / width, the order in which a step changes the tangent kernel (Hanin &
# Nica 2020, arXiv 1909.05989). The limit is fitted, as no other number here: on 144 networks (six
# activations, depth 2 to 64, digits) any from 5.3 to 8.9 gives the most right forecasts.
LARGEST_CHANGE = 7.0


@dataclass(frozen=True)
class Forecast:
    """What theory expects of one network: averages over draws of the weights.

    Attributes:
        trains: its training score will come more than half way from guessing to perfection.
        reason: why, or why not.
        sigma_w2: n_in Var W of the hidden layers after the first.
        sigma_b2: Var b of them.
        chi_1: factor of E||delta||^2 a layer at the fixed point.
        max_trainable_depth: 6 xi_c, hidden layers.
        first_to_last: predicted ||delta^(1)|| / ||delta^(L)|| at step 0.
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


@knows(Dense)
def forecast(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    input_moment: float,
    learning: Callable[[], Learning] | None = None,
    guess: float = 0.0,
) -> Forecast:
    """Forecast one network: it trains if the signal passes and the descent learns in time.

    The signal passes if the depth is at most 6 xi_c and the gradient changes by less than a factor
    of 1000 on its way back. The descent learns if the linearised network trains in as many steps of
    that size (`bpexp.theory.linearised`), its cost does not rise, and a step does not change the
    tangent kernel by several times its own size.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.
        learning: trains the linearised network; called only if the signal passes. None for an
            optimizer that is no gradient descent, of which the first two conditions are asked.
        guess: the primary metric of the best constant guess on the training split.

    Raises:
        UnknownLayerError: a layer is not dense.
    """
    factor = predict(architecture, variances, input_moment).first_to_last
    field = field_of(architecture, variances)
    chi_1, scale = _scales(field)
    depth = len(architecture.sizes) - 2
    learnt: Learning | None = None
    reason = _loss_of_signal(depth, DEPTH_SCALES * scale, factor)
    if reason is None and learning is not None:
        learnt = learning()
        reason = _failure_to_learn(architecture, learnt, guess)
    return Forecast(
        trains=reason is None,
        reason=reason or ("signal and gradient pass" + ", in time" * (learnt is not None)),
        sigma_w2=field.sigma_w2,
        sigma_b2=field.sigma_b2,
        chi_1=chi_1,
        max_trainable_depth=DEPTH_SCALES * scale,
        first_to_last=factor,
        linearised_score=learnt.score if learnt else float("nan"),
    )


def _loss_of_signal(depth: int, most: float, factor: float) -> str | None:
    """Return why no signal passes, or None if one does."""
    if depth > 1 and depth > most:
        return f"deeper than 6 xi_c = {most:.3g}"
    if not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        return f"the signal {'vanishes' if factor < 1 else 'explodes'} by {factor:.2g}"
    return None


def _failure_to_learn(architecture: Architecture, found: Learning, guess: float) -> str | None:
    """Return why gradient descent fails, or None if it learns."""
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
