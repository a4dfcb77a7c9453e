"""The verdict: what became of a run's gradients, in one word, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.analysis.summaries import decay
from bpexp.nn.tasks import Task

VERDICTS = ("healthy", "vanishing", "exploding", "saturated", "dead", "diverged")

# A verdict compares ratios only, never a norm with a fixed number.
END_TO_END = 10.0  # first layer's signal ten times weaker (or stronger) than the last layer's
SATURATED = 0.9  # share of (example, unit) pairs of a layer that sit on an asymptote
MOVED = 0.1  # path of the first trained layer, in units of its own norm
FELL = 0.1  # share of the initial cost that training removed
GAINED = 0.1  # share of the way from guessing to perfection that the training score has come


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        diverged_at: the optimizer step of the first non-finite cost, or None.
        factor_first: ||delta^(1)|| / ||delta^(L)|| at step 0; NaN where not defined.
        factor_last: the same at the last probe.
        zero_gradient: the first layer's weight gradient is exactly zero, at either probe.
        dead: largest share of dead units of a hidden layer at the last probe.
        saturation: largest share of saturated (example, unit) pairs of a hidden layer there.
        moved: path of the first trained layer: its update ratios, summed over the probes.
        cost_first: training cost at step 0.
        cost_last: training cost over the last epoch.
        metric: the task's primary metric.
        gained: its share of the way from guessing to perfection, on the training split over the
            last epoch; see `bpexp.nn.tasks.Task.gain`.
    """

    diverged_at: int | None
    factor_first: float
    factor_last: float
    zero_gradient: bool
    dead: float
    saturation: float
    moved: float
    cost_first: float
    cost_last: float
    metric: str
    gained: float

    @classmethod
    def of(
        cls,
        probes: Sequence[Mapping[str, NDArray[np.float64]]],
        metrics: Sequence[Mapping[str, float]],
        *,
        task: Task,
        chance: float,
        frozen: int = 0,
        diverged_at: int | None = None,
    ) -> Evidence:
        """Gather it from a run's probes, (L,) a name, and its epochs' metrics, both in time.

        Args:
            probes: of the steps that were probed.
            metrics: of the epochs, step 0 included.
            task: what is learnt.
            chance: the task's primary metric on the training split, of the best constant guess.
            frozen: layers that keep their weights.
            diverged_at: the optimizer step of the first non-finite cost, or None.
        """
        first, last = probes[0], probes[-1]
        trained = min(frozen, len(first["delta_norm"]) - 1)
        return cls(
            diverged_at=diverged_at,
            factor_first=_factor(first),
            factor_last=_factor(last),
            zero_gradient=any(probe["zero_share"][0] == 1 for probe in (first, last)),
            dead=_largest(last["dead"]),
            saturation=_largest(last["saturation"]),
            moved=sum(float(probe["update_ratio"][trained]) for probe in probes[1:]),
            cost_first=metrics[0]["loss/train"],
            cost_last=metrics[-1]["loss/train"],
            metric=task.metric,
            gained=task.gain(metrics[-1][f"{task.metric}/train"], chance),
        )


def verdict(evidence: Evidence) -> tuple[str, str]:
    """Name what became of a run's gradients, the first that holds, and say why in words.

    diverged: the cost became infinite or NaN. dead: a hidden layer's units all have g' = 0 on the
    whole probe batch, or the first layer's gradient is exactly zero. saturated: in a hidden layer
    nearly all pairs of example and unit sit on an asymptote. vanishing, exploding: the signal that
    reaches the first layer is ten times weaker, or stronger, than the one that leaves the last, at
    step 0 or (where it was not so at step 0) at the end, and training did not overcome it. It is
    overcome when the network learnt: the cost fell by a tenth and the training score came a tenth
    of the way from guessing to perfection; and, where the signal vanishes, the first trained
    layer took part: it moved by a tenth. healthy: else.

    All comparisons are ratios within the run, so that a scale of the cost, the data or the weights
    changes no verdict. The rates alone would mislead: sigmoid layers shrink the signal by the same
    1.2 nats each at depth 2, where they learn, as at depth 8, where they do not.
    """
    e = evidence
    if e.diverged_at is not None:
        return "diverged", f"cost not finite at step {e.diverged_at}"
    if not (np.isfinite(e.cost_first) and np.isfinite(e.cost_last)):
        return "diverged", "cost not finite before training"
    if e.dead >= 1:
        return "dead", "a hidden layer has g' = 0 for every unit on the whole probe batch"
    if e.zero_gradient:
        return "dead", "the first layer's gradient is exactly zero"
    if e.saturation > SATURATED:
        return "saturated", f"{e.saturation:.0%} of a hidden layer's activities on an asymptote"
    fall = 1 - e.cost_last / e.cost_first if e.cost_first else 0.0
    path = (
        f"first_to_last {e.factor_first:.2g} at step 0, {e.factor_last:.2g} at the end; "
        f"first layer moved {e.moved:.2g} of its norm; cost fell by {fall:.0%}; "
        f"{e.metric} came {e.gained:.0%} of the way from guessing"
    )
    learnt = fall >= FELL and e.gained >= GAINED
    for factor in (e.factor_first, e.factor_last):
        if factor < 1 / END_TO_END and not (learnt and e.moved >= MOVED):
            return "vanishing", path
        if factor > END_TO_END and not learnt:
            return "exploding", path
    return "healthy", path


def _factor(probe: Mapping[str, NDArray[np.float64]]) -> float:
    return decay(probe["delta_norm"]).get("gradient/first_to_last", float("nan"))


def _largest(values: NDArray[np.float64]) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.max()) if defined.size else 0.0
