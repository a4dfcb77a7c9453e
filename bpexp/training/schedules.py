"""Schedules: the factor by which the learning rate is multiplied in each optimizer step.

Steps t = 1 .. T are optimizer steps, T = epochs * ceil(N / B) for N training examples in batches of
B. A stop rule that ends a run early does not change T. Every schedule takes `warmup`, a number w of
steps: step t <= w has the rate lr t / w, which is lr / w in the first step and lr in step w. The
schedule itself then covers the S = T - w steps that remain, s = t - w = 1 .. S.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bpexp.nn.choices import require

Decay = Callable[[int, int], float]
"""Returns the factor of the learning rate for (s, S)."""


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule.

    Attributes:
        decay: the factor after the warmup, at most 1; None if it is 1 in every step.
        warmup: w, the number of steps in which the rate rises to lr.
    """

    decay: Decay | None
    warmup: int

    def __post_init__(self) -> None:
        """Refuse a negative warmup.

        Raises:
            ValueError: warmup is below 0.
        """
        require("warmup", self.warmup, "an integer of at least 0", self.warmup >= 0)

    @property
    def varies(self) -> bool:
        """Whether the learning rate is not the same in every step."""
        return self.decay is not None or self.warmup > 0

    def factor(self, step: int, steps: int) -> float:
        """Return the factor of the learning rate, at most 1.

        Args:
            step: t, from 1.
            steps: T. Later steps have the factor of step T + 1.
        """
        step = min(step, steps + 1)
        if step <= self.warmup:
            return step / self.warmup
        if self.decay is None:
            return 1.0
        return self.decay(step - self.warmup, steps - self.warmup)


def constant(*, warmup: int = 0) -> Schedule:
    """Keep the learning rate at lr."""
    return Schedule(None, warmup)


def step(*, factor: float = 0.1, every: int = 1000, warmup: int = 0) -> Schedule:
    """Multiply the rate by `factor` every `every` steps: lr factor^floor((s - 1) / every)."""
    require("factor", factor, "a number above 0 and at most 1", 0 < factor <= 1)
    require("every", every, "an integer of at least 1", every >= 1)
    return Schedule(lambda s, steps: factor ** ((s - 1) // every), warmup)


def cosine(*, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Lower the rate from lr to final lr along half a cosine (Loshchilov & Hutter 2017, eq. 5).

    lr (final + (1 - final) (1 + cos(pi (s - 1) / S)) / 2): step s = 1 has lr, and step S + 1, which
    is not taken, would have final lr.
    """
    require("final", final, "a number in [0, 1]", 0 <= final <= 1)

    def decay(s: int, steps: int) -> float:
        return final + (1 - final) * (1 + math.cos(math.pi * (s - 1) / steps)) / 2

    return Schedule(decay, warmup)


def linear(*, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Lower the rate from lr to final lr along a straight line.

    lr (1 - (1 - final) (s - 1) / S): step s = 1 has lr, and step S + 1, which is not taken, would
    have final lr.
    """
    require("final", final, "a number in [0, 1]", 0 <= final <= 1)
    return Schedule(lambda s, steps: 1 - (1 - final) * (s - 1) / steps, warmup)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    schedule.__name__: schedule for schedule in (constant, step, cosine, linear)
}
