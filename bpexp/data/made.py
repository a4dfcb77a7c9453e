"""Data sets that are computed: parity, random labels, and a teacher network."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset, make_dataset
from bpexp.data.preparation import standardised
from bpexp.errors import ConfigError, one_of, out_of_range
from bpexp.nn import ACTIVATIONS

LARGEST = 2**27  # elements of the inputs, or of a teacher's layer: 1 GiB
LEAST_SPREAD = 1e-6  # least standard deviation of a teacher's outputs / largest absolute output


def parity(*, bits: int = 10, limit: int | None = None) -> Dataset:
    """Numbers of n bits labelled even (1) or odd (0), the first 700 of 1024 for training.

    The data set of 'Neural Networks: The Backward Pass' (Tashfeen). The training split has the
    smallest 700 / 1024 of the 2^n numbers. Inputs are bits, the most significant first.

    Args:
        bits: n, from 3 to 20.
        limit: keep the first examples of the training split only.
    """
    if not 3 <= bits <= 20:
        raise ConfigError(out_of_range("data.bits", bits, "an integer from 3 to 20"))
    numbers = np.arange(2**bits)
    x = (numbers[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.float64)
    y = (numbers % 2 == 0).astype(np.int64)
    cut = round(2**bits * 700 / 1024)
    return make_dataset(
        "parity", f"{bits}-bit numbers", (x[:cut], y[:cut]), (x[cut:], y[cut:]), limit=limit
    )


def gaussian(
    *,
    features: int = 64,
    examples: int = 1024,
    test: int = 256,
    classes: int = 10,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Standard normal inputs with random labels.

    Args:
        features: n.
        examples: N, the size of the training split.
        test: M, the size of the test split.
        classes: K.
        seed: the seed of inputs and labels.
        limit: keep the first examples of the training split only.
    """
    if not 2 <= classes <= 10**7:
        raise ConfigError(out_of_range("data.classes", classes, "an integer from 2 to 10000000"))
    _check_sizes(seed, examples + test, features=features, examples=examples, test=test)
    rng = default_rng(seed)
    x = rng.standard_normal((examples + test, features))
    y = rng.integers(0, classes, examples + test)
    return make_dataset(
        "gaussian",
        "standard normal inputs, random labels",
        (x[:examples], y[:examples]),
        (x[examples:], y[examples:]),
        n_classes=classes,
        limit=limit,
    )


def teacher(
    *,
    features: int = 16,
    outputs: int = 1,
    depth: int = 2,
    width: int = 32,
    activation: str = "tanh",
    noise: float = 0.0,
    examples: int = 2048,
    test: int = 512,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Standard normal inputs with targets from a fixed random network: a regression.

    The teacher has hidden layers a = g(W a), W ~ N(0, 2 / n_in), no biases, and linear outputs,
    which are shifted and scaled to mean 0 and variance 1 over the training split. Noise is added to
    the targets of both splits: the best R2 is then about 1 / (1 + noise^2). Targets are rounded to
    float32, so that the digest does not depend on the processor's rounding errors.

    Args:
        features: n.
        outputs: K.
        depth: the number of the teacher's hidden layers.
        width: the number of units of each hidden layer.
        activation: the hidden layers' activation g.
        noise: standard deviation of the noise; that of the teacher's outputs is 1.
        examples: N, the size of the training split.
        test: M, the size of the test split.
        seed: the seed of inputs, teacher and noise, each with a random stream of its own.
        limit: keep the first examples of the training split only.
    """
    if activation not in ACTIVATIONS:
        raise ConfigError(one_of("data.activation", activation, ACTIVATIONS))
    if not 0 <= depth <= 1000:
        raise ConfigError(out_of_range("data.depth", depth, "an integer from 0 to 1000"))
    if not 0 <= noise <= 1e6:
        raise ConfigError(out_of_range("data.noise", noise, "a number from 0 to 1e+06"))
    n = examples + test
    sizes = {"features": features, "examples": examples, "test": test}
    _check_sizes(seed, max(n, width), **sizes, width=width, outputs=outputs)
    inputs, weights, noises = map(default_rng, SeedSequence(seed).spawn(3))
    x = inputs.standard_normal((n, features))
    y = _taught(x, [features, *[width] * depth, outputs], activation, weights)
    if not (y.std(axis=0) > LEAST_SPREAD * np.abs(y).max(axis=0)).all():
        allowed = f"a depth at which outputs of a random {activation} network differ"
        raise ConfigError(out_of_range("data.depth", depth, allowed))
    clean = np.concatenate(standardised(y[:examples], y[examples:]))
    noisy = clean + noise * noises.standard_normal(clean.shape)
    y = noisy.astype(np.float32).astype(np.float64)
    return make_dataset(
        "teacher",
        f"standard normal inputs, targets from a random network, {activation}, depth {depth}",
        (x[:examples], y[:examples]),
        (x[examples:], y[examples:]),
        task="regression",
        limit=limit,
    )


def _taught(
    x: NDArray[np.float64], sizes: list[int], activation: str, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the outputs (N, K) of a random network with these layer sizes."""
    g, z = ACTIVATIONS[activation](), x
    for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
        a = g(z)[0] if layer else x
        z = a @ (rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in))
    return z


def _check_sizes(seed: int, rows: int, **sizes: int) -> None:
    """Refuse a negative seed, sizes below 1, and sizes whose arrays (rows, size) exceed 1 GiB.

    Raises:
        ConfigError: the seed or a size is refused.
    """
    if seed < 0:
        raise ConfigError(out_of_range("data.seed", seed, "an integer of at least 0"))
    for name, size in sizes.items():
        array = size if name in ("examples", "test") else size * rows
        if size < 1 or array > LARGEST:
            allowed = "an integer of at least 1 whose arrays fit in 1 GiB"
            raise ConfigError(out_of_range(f"data.{name}", size, allowed))
