"""When to stop before the last epoch: rules on the training split, never on the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpexp.nn.choices import require

Rule = Callable[[Sequence[float], Sequence[float]], bool]
"""(costs, accuracies) of the epochs so far, in time, to whether the run has reached its end."""


def none() -> Rule:
    """Train all epochs."""
    return lambda costs, accuracies: False


def cost(*, target: float = 0.01) -> Rule:
    """Stop when loss/train has fallen to `target`."""
    require("target", target, "a number above 0", 0 < target)
    return lambda costs, accuracies: costs[-1] <= target


def accuracy(*, target: float = 0.99) -> Rule:
    """Stop when accuracy/train has risen to `target`."""
    require("target", target, "a number in (0, 1]", 0 < target <= 1)
    return lambda costs, accuracies: accuracies[-1] >= target


def patience(*, epochs: int = 10, min_delta: float = 0.0) -> Rule:
    """Stop when loss/train has not fallen by more than `min_delta` for `epochs` epochs."""
    require("epochs", epochs, "an integer of at least 1", epochs >= 1)
    require("min_delta", min_delta, "a number of at least 0", min_delta >= 0)

    def reached(costs: Sequence[float], accuracies: Sequence[float]) -> bool:
        if len(costs) <= epochs:
            return False
        return min(costs[-epochs:]) >= min(costs[:-epochs]) - min_delta

    return reached


STOPS: dict[str, Callable[..., Rule]] = {
    rule.__name__: rule for rule in (none, cost, accuracy, patience)
}
