"""The verdict on a run: what the gradient did, what training did, and one word for both.

The gradient is classified at step 0 and at the end, by its size in the first trained layer.
Training is classified by the task's score after each epoch. Nothing else of a run is used, so the
verdict does not depend on how often the run is measured. All comparisons are ratios within the run,
so rescaling the cost, the data or the weights does not change the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpexp.analysis.signal import END_TO_END, GRADIENT, Signal
from bpexp.nn.tasks import Task

# Scores of a network that only guesses vary by less than a tenth of the way to a perfect score.
GAINED = 0.1
# Twice GAINED, so that a score that varies about GAINED does not count as having fallen.
FELL_FROM = 0.2
# Batches make the cost vary by less than this factor at the end, or this one in any epoch.
ROSE_AT_LAST, ROSE_EVER = 1.1, 2.0
# Layers of wide networks learn while they move by a few hundredths of their norm.
STOOD_STILL = 0.01

TRAINING = {
    "learnt": f"the score came at least {GAINED:.0%} of the way from guessing, or from step 0 if "
    "that is better, to perfection",
    "stalled": "none of the other rules holds",
    "wrecked": f"the cost is above {ROSE_AT_LAST:g} times its value at step 0 at the end, or was "
    f"above {ROSE_EVER:g} times it; or the score came {FELL_FROM:.0%} of the way and fell back; or "
    f"the gradient, preserved at step 0, is at the end dead, saturated or {END_TO_END:g} times "
    "larger or smaller",
    "diverged": "the cost became infinite or NaN",
}
"""What training did, by the task's primary metric on the training split."""

# In order of severity.
VERDICTS = {
    "healthy": "training learnt, and the rule of vanishing does not hold",
    "preserved": "a network that was not trained, and whose gradient is preserved",
    "stalled": "training stalled with a gradient that is preserved at step 0; or with one that "
    f"vanishes or explodes, and no layer moved by {STOOD_STILL:.0%} of its norm",
    "vanishing": "training stalled with a gradient that vanishes at step 0; or it learnt with one "
    f"that vanishes, and the first trained layer moved by less than {STOOD_STILL:.0%} of its norm",
    "exploding": "training stalled or was wrecked, with a gradient that explodes at step 0",
    "saturated": "training stalled with a gradient that is saturated at step 0",
    "dead": "training stalled with a gradient that is dead at step 0 or at the end",
    "wrecked": "training was wrecked, and the gradient does not explode at step 0",
    "diverged": "training diverged",
}
"""The headline: one word for gradient and training; without training the gradient's word."""

AXES: dict[str, Mapping[str, str]] = {
    "verdict/gradient_start": GRADIENT,
    "verdict/gradient_end": GRADIENT,
    "verdict/training": TRAINING,
}


SHORT_AXES = ("verdict/gradient_start", "verdict/training")
"""The axes in tables with few columns."""


def gradient_words(start: str, end: str, arrow: str) -> str:
    """Return the words for the gradient at step 0 and at the end, one word if they are equal.

    >>> gradient_words("preserved", "dead", " -> "), gradient_words("dead", "dead", " -> ")
    ('preserved -> dead', 'dead')

    Args:
        start: the word at step 0; empty if it is not known.
        end: the word at the end; empty if it is not known.
        arrow: the text between them.
    """
    return arrow.join(word for word in dict.fromkeys((start, end)) if word)


@dataclass(frozen=True)
class Evidence:
    """The measurements that a verdict is computed from.

    Attributes:
        start, end: the gradient at step 0 and at the end.
        diverged_at: the optimizer step of the first non-finite cost, or None.
        metric: the task's primary metric.
        origin: the score that gains are counted from: "guessing", or "step 0" if that is better.
        gains: (score - origin) / (perfect score - origin) on the training split, for each epoch.
        costs: loss/train at step 0 and after each epoch.
        distance_first, distance_last: how far the first trained layer and the last layer moved, see
            `bpexp.training.distances`.
    """

    start: Signal
    end: Signal
    diverged_at: int | None
    metric: str
    origin: str
    gains: tuple[float, ...]
    costs: tuple[float, ...]
    distance_first: float
    distance_last: float

    @classmethod
    def of(
        cls,
        probes: Sequence[Mapping[str, Any]],
        metrics: Sequence[Mapping[str, float]],
        *,
        task: Task,
        chance: float,
        frozen: int = 0,
        diverged_at: int | None = None,
    ) -> Evidence:
        """Collect the evidence from a run's observations, in the order of their steps.

        Args:
            probes: values of instruments by name, at step 0, at the end, and at any steps between.
            metrics: the metrics at step 0 and after each epoch.
            task: the run's task.
            chance: the primary metric of the best constant guess on the training split.
            frozen: the number of layers that keep their weights.
            diverged_at: the optimizer step of the first non-finite cost, or None.
        """
        initial, *scores = (seen[f"{task.metric}/train"] for seen in metrics)
        is_better = task.gain(initial, chance) > 0
        base = initial if is_better else chance
        gains = tuple(task.gain(score, base) for score in scores)
        k = min(frozen, len(probes[0]["delta_norm"]) - 1)
        wrong = not (gains and gains[-1] >= GAINED)
        return cls(
            start=Signal.of(probes[0], first=k, start=True, wrong=not is_better),
            end=Signal.of(probes[-1], first=k, start=not scores, wrong=wrong),
            diverged_at=diverged_at,
            metric=task.metric,
            origin="step 0" if is_better else "guessing",
            gains=gains,
            costs=tuple(seen["loss/train"] for seen in metrics),
            distance_first=metrics[-1]["distance/first"],
            distance_last=metrics[-1]["distance/last"],
        )


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run.

    Attributes:
        word: the headline, one of VERDICTS.
        gradient_start, gradient_end: what the gradient did, each one of GRADIENT.
        training: what training did, one of TRAINING; None if there was none.
        evidence: the reason, as a sentence.
    """

    word: str
    gradient_start: str
    gradient_end: str
    training: str | None
    evidence: str

    def fields(self) -> dict[str, str]:
        """Return the verdict under its names in journals, frames and MLflow's tags."""
        axes = (self.gradient_start, self.gradient_end, self.training)
        named = {name: word for name, word in zip(AXES, axes, strict=True) if word is not None}
        return {"verdict": self.word, **named, "evidence": self.evidence}


def verdict(evidence: Evidence) -> Verdict:
    """Return the verdict on a run."""
    e = evidence
    trained = training(e)
    return Verdict(_headline(e, trained), e.start.word, e.end.word, trained, _sentence(e, trained))


def training(e: Evidence) -> str | None:
    """Return what training did by the rules of TRAINING; None if there was none.

    The rules apply in this order: diverged, learnt, wrecked, stalled.
    """
    if e.diverged_at is not None or not np.isfinite([e.costs[0], e.costs[-1]]).all():
        return "diverged"
    if not e.gains:
        return None
    if e.gains[-1] >= GAINED:
        return "learnt"
    rose = e.costs[-1] > ROSE_AT_LAST * e.costs[0] or max(e.costs) > ROSE_EVER * e.costs[0]
    return "wrecked" if rose or max(e.gains) >= FELL_FROM or _lost(e) else "stalled"


def _lost(e: Evidence) -> bool:
    """Return whether the gradient was preserved at step 0 and is not at the end."""
    if e.start.word != "preserved" or math.isnan(e.start.ratio):
        return False
    change = e.end.ratio / e.start.ratio  # NaN if the gradient is dead or saturated at the end
    return e.end.word != "preserved" and not 1 / END_TO_END <= change <= END_TO_END


def _headline(e: Evidence, trained: str | None) -> str:
    """Return the headline by the rules of VERDICTS.

    If a network learns although the gradient vanished and the first trained layer did not move, the
    layers above learnt without it: the headline is vanishing. A vanishing or exploding gradient
    does not explain a stall in which no layer moved: the steps were too small or too few.
    """
    if trained is None:
        return e.start.word
    if trained == "learnt":
        vanished = "vanishing" in (e.start.word, e.end.word)
        return "vanishing" if vanished and e.distance_first < STOOD_STILL else "healthy"
    if trained == "wrecked":
        return "exploding" if e.start.word == "exploding" else "wrecked"
    if trained == "stalled":
        if "dead" in (e.start.word, e.end.word):
            return "dead"
        moved = max(e.distance_first, e.distance_last) >= STOOD_STILL
        is_explained = e.start.word == "saturated" or (e.start.word != "preserved" and moved)
        return e.start.word if is_explained else "stalled"
    return trained


def _sentence(e: Evidence, trained: str | None) -> str:
    """Return the evidence as a sentence."""
    signal = f"The gradient that reaches the first trained layer is {e.start.phrase} at step 0"
    if trained is None:
        return f"{signal}; no step was taken."
    if not np.isfinite(e.costs[0]):
        return f"{signal}; the cost is not finite before training."
    if trained == "diverged":
        return f"{signal}; the cost is not finite at step {e.diverged_at}."
    change = "rose" if e.costs[-1] > e.costs[0] else "fell"
    high = max(e.costs)
    peak = f" after {high:.3g}" if high > ROSE_AT_LAST * max(e.costs[0], e.costs[-1]) else ""
    best = f" after {max(e.gains):.0%}" if max(e.gains) >= FELL_FROM > e.gains[-1] else ""
    parts = (
        f"{e.metric} came {e.gains[-1]:.0%} of the way from {e.origin}{best}",
        f"the cost {change} from {e.costs[0]:.3g} to {e.costs[-1]:.3g}{peak}",
        f"and the first trained layer moved by {e.distance_first:.2g} of its norm.",
    )
    return f"{signal} and {e.end.phrase} at the end; {', '.join(parts)}"
