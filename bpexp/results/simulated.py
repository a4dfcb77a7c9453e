"""What one draw of a network is expected to measure at step 0, by drawing many of them.

The predictions of `bpexp.theory.predict_batch` hold in the limit of width. The norm of a batch's
mean gradient is the sum over pairs of examples

    ||dC/dW^(l)||^2 = mean_ij (delta_i . delta_j) (a_i . a_j)

and most pairs cancel: examples of different classes pull the outputs in different directions. In a
network of width n each product deviates from its limit by a share of order depth / n, since the
same weights carry signals forward and backward. That is little of a product, and much of the sum,
which is small. At depth 6 and width 64 (ReLU, digits, root mean squares over draws) delta_norm is
within 6 % of its limit, and ||dC/dW^(1)||^2 is 2.7 times its limit; at width 256 it is 1.4 times.
A correction to first order in 1 / n would have to hold for all pairs of pairs of examples, and none
is derived here: the draws are simulated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bpexp.config import Config
from bpexp.data import Dataset
from bpexp.nn import Architecture, Choice
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import Measurer
from bpexp.probes.measurer import Measured
from bpexp.record.metrics import Columns

DRAWS = 200
QUANTILES = 0.05, 0.95
AT_ONCE = 25  # networks in memory
FIRST_SEED = 2**62  # of the draws: far from the seeds of runs
MOST_EXAMPLES = 512
MOST_WORK = 8e9  # draws * examples * parameters of a network: 1 to 2 s
FEWEST_EXAMPLES = 256  # fewer would change the pairs that cancel
ARITHMETIC = {"q", "correlation"}  # are means themselves; of the others the root mean square is


@dataclass(frozen=True)
class Simulated:
    """A network to draw: all that its measurements at step 0 depend on but the seed.

    Attributes:
        shape: the network.
        init: the initialization.
        dtype: of weights and passes.
        data: its data set.
        batch: examples of the probe batch.
    """

    shape: Architecture
    init: Choice
    dtype: str
    data: Dataset
    batch: int

    @classmethod
    def of(cls, config: Config, data: Dataset) -> Simulated:
        """Return the network of a run."""
        batch = min(config.probe.examples, len(data.x_train))
        return cls(config.architecture(data), config.init, config.dtype, data, batch)

    @property
    def examples(self) -> int:
        """Examples of the probe batch that represent it, evenly spaced; 0 if too few would."""
        affordable = int(MOST_WORK / DRAWS / self.shape.n_parameters)
        examples = min(self.batch, MOST_EXAMPLES, affordable)
        return examples if examples >= min(self.batch, FEWEST_EXAMPLES) else 0

    @property
    def work(self) -> int:
        """Draws * examples * parameters, to which the time is about proportional."""
        return DRAWS * self.examples * self.shape.n_parameters


@lru_cache(maxsize=64)
def simulate(network: Simulated, names: tuple[str, ...]) -> Columns:
    """Measure DRAWS random networks on the probe batch, before any training.

    Args:
        network: the network; it has `examples`.
        names: instruments of one number a layer.

    Returns:
        For each name three arrays (L,): NAME_simulated, the root mean square over draws (of q and
        correlation the mean); NAME_lower and NAME_upper, the 5 % and 95 % quantiles over draws. A
        draw that is not finite makes them NaN.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    for name, values in _measure(network, names).items():
        average = np.mean if name in ARITHMETIC else _root_mean_square
        lower, upper = np.quantile(values, QUANTILES, axis=0)
        columns[f"{name}_simulated"] = average(values, axis=0)
        columns |= {f"{name}_lower": lower, f"{name}_upper": upper}
    return columns


def _measure(network: Simulated, names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return the instruments' values, (DRAWS, L) each."""
    data, shape = network.data, network.shape
    batch = data.x_train[: network.batch]  # lsuv looks at all of it
    chosen = np.linspace(0, network.batch - 1, network.examples).round().astype(int)
    rows = with_constant_unit(batch[chosen], network.dtype)
    targets = data.targets(data.y_train[chosen], network.dtype).columns
    parts: list[Measured] = []
    measurer = None
    for first in range(0, DRAWS, AT_ONCE):
        seeds = range(FIRST_SEED + first, FIRST_SEED + min(first + AT_ONCE, DRAWS))
        thetas = [initial_theta(shape, network.init, seed, batch) for seed in seeds]
        stack = Stack.of(shape, thetas, network.dtype)
        measurer = measurer or Measurer(stack, rows, targets)
        parts.append(measurer(stack, None, np.ones(len(stack), bool)))
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _root_mean_square(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the root mean square, right where squares would leave the range of float64."""
    largest = values.max(axis=axis)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(scale * np.sqrt(np.mean(np.square(values / scale), axis=axis)))
