"""Stop rules: they end training before the last epoch, by metrics of the training split only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpexp.nn.choices import Choice, require
from bpexp.nn.tasks import TASKS, find_task

Rule = Callable[[Sequence[float], Sequence[float]], bool]
"""Returns whether training ends, from the lists of loss/train and of the primary metric on the
training split of every epoch so far."""


def none() -> Rule:
    """Train all epochs."""
    return lambda costs, scores: False


def cost(*, target: float = 0.01) -> Rule:
    """Stop when loss/train has fallen to `target`."""
    require("target", target, "a number above 0", 0 < target)
    return lambda costs, scores: costs[-1] <= target


def accuracy(*, target: float = 0.99) -> Rule:
    """Stop when accuracy/train has risen to `target`."""
    require("target", target, "a number in (0, 1]", 0 < target <= 1)
    return lambda costs, scores: scores[-1] >= target


def patience(*, epochs: int = 10, min_delta: float = 0.0) -> Rule:
    """Stop when loss/train has not fallen by more than `min_delta` for `epochs` epochs."""
    require("epochs", epochs, "an integer of at least 1", epochs >= 1)
    require("min_delta", min_delta, "a number of at least 0", min_delta >= 0)

    def reached(costs: Sequence[float], scores: Sequence[float]) -> bool:
        if len(costs) <= epochs:
            return False
        return min(costs[-epochs:]) >= min(costs[:-epochs]) - min_delta

    return reached


def r2(*, target: float = 0.9) -> Rule:
    """Stop when r2/train has risen to `target`."""
    require("target", target, "a number in (0, 1]", 0 < target <= 1)
    return lambda costs, scores: scores[-1] >= target


STOPS: dict[str, Callable[..., Rule]] = {
    rule.__name__: rule for rule in (none, cost, accuracy, patience, r2)
}


def check_stop(task: str, stop: Choice) -> None:
    """Refuse a rule whose metric is not the task's.

    Raises:
        ValueError: the rule does not fit; the message names one that does.
    """
    metric = find_task(task).metric
    if stop.name != metric and stop.name in {other.metric for other in TASKS.values()}:
        fitting = metric if metric in STOPS else "cost"
        raise ValueError(f"stop: {stop.name} does not fit a {task} task; use stop={fitting}")
