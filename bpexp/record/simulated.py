"""The distribution over draws of a network's measurements at step 0, by simulation.

The predictions of `bpexp.theory.predict_batch` hold in the limit of width. The norm of a batch's
mean gradient is the sum over pairs of examples

    ||dC/dW^(l)||^2 = mean_ij (delta_i . delta_j) (a_i . a_j)

and most pairs cancel, since examples of different classes change the outputs in different
directions. In a network of width n each product deviates from its limit by a relative error of
order depth / n, because the same weights carry signals forward and backward. This is small relative
to a product and large relative to the sum. At depth 6 and width 64 (ReLU, digits, root mean squares
over draws) delta_norm is within 6 % of its limit, and ||dC/dW^(1)||^2 is 2.4 times its limit; at
width 256 it is 1.3 times its limit. A correction to first order in 1 / n would need the covariances
of all pairs of pairs of examples. Draws are simulated instead.

The results depend only on the network and its data. They are kept in the study's folder and
computed again when ALGORITHM is raised.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bpexp.config import ALGORITHM, Config
from bpexp.data import Dataset
from bpexp.errors import StorageError
from bpexp.nn import Architecture, Choice
from bpexp.nn.examples import evenly_spaced
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import Measurer
from bpexp.probes.measurer import Measured
from bpexp.record.files import make_folder, replacing
from bpexp.record.layout import SIMULATED
from bpexp.record.metrics import Columns

DRAWS = 200
QUANTILES = 0.05, 0.95
AT_ONCE = 25  # networks in memory
FIRST_SEED = 2**62  # first seed of the draws, far from the seeds of runs
MOST_EXAMPLES = 512
# With fewer examples fewer pairs cancel. Root mean squares of gradient norms over 256 examples are
# 1 to 5 % above those over 512 (bias gradients of deep tanh networks 17 %), over 128 up to 18 % (40
# %).
FEWEST_EXAMPLES = 256
MOST_WORK = 8e9  # draws * examples * parameters of a network: 1 to 2 s
MOST_WORK_IN_ALL = 2.4e10  # the same for all networks of a frame or sweep: 4 to 6 s
# Instruments that are averaged arithmetically; the others by root mean square.
ARITHMETIC = {
    "q",
    "correlation",
    "stream_mean",
    "stream_mean_square",
    "stream_squared_mean",
    "stream_variance",
    "branch_variance",
}


@dataclass(frozen=True)
class Simulated:
    """A network to draw: everything that determines its measurements at step 0, except the seed.

    Attributes:
        shape: the architecture.
        init: the initialization.
        dtype: dtype of weights and passes.
        data: the data set.
        batch: number of examples of the probe batch.
    """

    shape: Architecture
    init: Choice
    dtype: str
    data: Dataset
    batch: int

    @classmethod
    def of(cls, config: Config, data: Dataset) -> Self:
        """Return the network of a run."""
        batch = min(config.probe.examples, len(data.x_train))
        return cls(config.architecture(data), config.init, config.dtype, data, batch)

    @property
    def examples(self) -> int:
        """The number of evenly spaced examples to measure; 0 if the affordable ones are too few."""
        affordable = int(MOST_WORK / DRAWS / self.shape.n_parameters)
        examples = min(self.batch, MOST_EXAMPLES, affordable)
        return examples if examples >= min(self.batch, FEWEST_EXAMPLES) else 0

    @property
    def work(self) -> int:
        """Draws * examples * parameters, to which the time is approximately proportional."""
        return DRAWS * self.examples * self.shape.n_parameters

    def file(self, study: Path, names: tuple[str, ...]) -> Path:
        """Return the path, in a study's folder, of the columns of these instruments."""
        network = [json.loads(self.shape.to_json()), asdict(self.init), self.dtype]
        batch = [self.data.digest, self.batch, self.examples]
        draws = [DRAWS, FIRST_SEED, QUANTILES, ALGORITHM, sorted(ARITHMETIC), names]
        text = json.dumps([network, batch, draws], sort_keys=True)
        return study / SIMULATED / f"{sha256(text.encode()).hexdigest()[:16]}.npz"


def affordable(
    networks: Iterable[Simulated], names: tuple[str, ...], study: Path | None
) -> set[Simulated]:
    """Return the networks to simulate: all that are small enough, or none if they take too long.

    Args:
        networks: the networks of a frame or a sweep.
        names: instruments of one number per layer.
        study: the study's folder. Networks whose results it has take no time.
    """
    small = {network for network in networks if network.work}
    missing = [n for n in small if study is None or not n.file(study, names).exists()]
    return small if sum(network.work for network in missing) <= MOST_WORK_IN_ALL else set()


def simulated(network: Simulated, names: tuple[str, ...], study: Path | None) -> Columns:
    """Return the result of `simulate`, read from the study's folder, or else computed and saved.

    Args:
        network: the network; its `examples` is above 0.
        names: instruments of one number per layer.
        study: the study's folder, or None.
    """
    if study is None:
        return simulate(network, names)
    file = network.file(study, names)
    with suppress(Exception):  # missing; or damaged, for which there are many exception types
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(stored)
    columns = simulate(network, names)
    with suppress(StorageError):  # the folder may be read-only
        make_folder(file.parent)
        with replacing(file, durable=False) as stream:
            np.savez(stream, allow_pickle=False, **columns)
    return columns


@lru_cache(maxsize=64)
def simulate(network: Simulated, names: tuple[str, ...]) -> Columns:
    """Measure DRAWS random networks on the probe batch, before any training.

    Args:
        network: the network; its `examples` is above 0.
        names: instruments of one number per layer.

    Returns:
        For each name three arrays (L,): NAME_simulated, the root mean square over draws (the mean
        for q, correlation and moments of the stream); NAME_lower and NAME_upper, the 5 % and 95 %
        quantiles over draws. They are NaN if a draw is not finite.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    # With several BLAS threads this takes minutes if other processes use the cores.
    with threadpool_limits(1, "blas"):
        measured = _measure(network, names)
    for name, values in measured.items():
        average = np.mean if name in ARITHMETIC else _root_mean_square
        lower, upper = np.quantile(values, QUANTILES, axis=0)
        columns[f"{name}_simulated"] = average(values, axis=0)
        columns |= {f"{name}_lower": lower, f"{name}_upper": upper}
    return columns


def _measure(network: Simulated, names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return the values, (DRAWS, L) each, of the instruments that are defined for the network."""
    data, shape = network.data, network.shape
    batch = data.x_train[: network.batch]  # lsuv uses the whole batch
    chosen = evenly_spaced(network.batch, network.examples)
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
    own = [name for name in names if not _is_missing(parts[0][name])]
    return {name: np.concatenate([part[name] for part in parts]) for name in own}


def _is_missing(values: Sequence[object] | NDArray[np.float64]) -> bool:
    """Return whether an instrument is not defined for the networks: its values are then None."""
    return values[0] is None


def _root_mean_square(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the root mean square, scaled so that squares do not overflow or underflow."""
    largest = values.max(axis=axis)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(scale * np.sqrt(np.mean(np.square(values / scale), axis=axis)))
