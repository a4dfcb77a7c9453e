"""The properties of a recorded run, from the start lines of each version."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bpexp.record.run import Run


@pytest.mark.parametrize(
    ("start", "chance", "test", "guess"),
    [
        ({"chance": 0.1, "chance/test": 0.07}, 0.1, 0.07, 0.07),
        ({"chance": 0.07, "train_chance": 0.1}, 0.1, 0.07, 0.07),  # version 0.1
        ({"chance": 0.1}, 0.1, math.nan, 0.1),
        ({"chance": 0.1, "chance/test": math.nan}, 0.1, math.nan, 0.1),
    ],
)
def test_the_score_of_guessing_on_each_split(start, chance, test, guess):
    run = Run(Path("r"), start, None)
    assert run.chance == chance
    assert run.chance_test == pytest.approx(test, nan_ok=True)
    assert (run.guess("train"), run.guess("test")) == (chance, guess)
