"""The observations of one training, as `bpexp.train` returns them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from bpexp.training.records import Observation

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 4  # metrics in a repr


class History(Sequence[Observation]):
    """The observations of a training, in the order of their steps; a slice is also a History.

    >>> History([Observation(0, 0.0, {"loss/test": 2.3}), Observation(90, 1.0, {"loss/test": 0.7})])
    <History of 2 observations to step 90, epoch 1: loss/test 2.3 -> 0.7>
    """

    def __init__(self, observations: Iterable[Observation]) -> None:
        """Store the observations.

        Args:
            observations: in the order of their steps.
        """
        self._observations = tuple(observations)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Observation | History:
        """Return an observation, or those of a slice."""
        if isinstance(index, slice):
            return History(self._observations[index])
        return self._observations[index]

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self._observations)

    def __repr__(self) -> str:
        """Return the number of observations, the last step, and how the metrics changed."""
        if not self:
            return "<History of 0 observations>"
        epochs = [seen.metrics for seen in self if seen.metrics]
        first, last = (epochs[0], epochs[-1]) if epochs else ({}, {})
        changes = [
            f"{name} {first[name]:.4g} -> {last[name]:.4g}" for name in last if name in first
        ]
        more = f", and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        metrics = f": {', '.join(changes[:SHOWN])}{more}" if changes else ""
        at = f"step {self[-1].step}, epoch {self[-1].epoch:.4g}"
        return f"<History of {len(self)} observation{'s' * (len(self) > 1)} to {at}{metrics}>"

    def frame(self, table: Literal["curves", "layers"] = "curves") -> pd.DataFrame:
        """Return a tidy frame, like those of `load_curves` and `load_layers`.

        Args:
            table: "curves": a row for step 0 and for each epoch, with columns step, epoch, the
                metrics, and the instruments of one number. "layers": a row for each measured step
                and layer, with columns step, epoch, layer (from 1), and the instruments of one
                number a layer.

        Raises:
            ValueError: there is no such table.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        if table == "curves":
            rows = [_place(seen) | seen.metrics | _scalars(seen) for seen in self if seen.metrics]
        elif table == "layers":
            for seen in self:
                n_layers = max(map(len, seen.layers.values()), default=0)
                rows += [
                    _place(seen) | {"layer": i + 1} | {n: v[i] for n, v in seen.layers.items()}
                    for i in range(n_layers)
                ]
        else:
            raise ValueError(f"table: {table!r} is not one of curves, layers")
        return pd.DataFrame(rows)


def _place(seen: Observation) -> dict[str, Any]:
    return {"step": seen.step, "epoch": seen.epoch}


def _scalars(seen: Observation) -> dict[str, float]:
    """Return the values of the instruments of one number."""
    return {n: float(v) for n, v in seen.arrays.items() if isinstance(v, float | np.floating)}
