"""The step and the probes: epochs against the products alone and against the peers."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import prod

import harness
import numpy as np
import pytest
import training
from harness import row
from training import SHAPES, Shape

from bpexp.sweeping.grouping import stack_size

pytestmark = pytest.mark.usefixtures("one_core")

SECONDS = 0.1  # what one timing takes at least, in epochs
RATIOS: dict[str, list[float]] = {"bare": [], "torch": [], "scikit-learn": [], "jax": []}
LIMITS: dict[str, list[float]] = {name: [] for name in RATIOS}  # of the bare products alone
BARE_TARGETS = {"784-256x8-10 B=256": "<= 1.3", "784-64x8-10 B=128": "<= 1.5"}


def repeated(epoch: training.Epoch, times: int) -> training.Epoch:
    def epochs() -> None:
        for _ in range(times):
            epoch()

    return epochs


def times_of(epoch: training.Epoch) -> int:
    """How many epochs one timing takes; one more before warms up."""
    epoch()
    start = time.perf_counter()
    epoch()
    return max(1, round(SECONDS / (time.perf_counter() - start)))


def peers(shape: Shape, times: int) -> dict[str, training.Epoch]:
    """The peers that are installed; the others are named in the table."""
    made: dict[str, training.Epoch] = {"bare": repeated(training.products(shape), times)}
    factories: dict[str, Callable[[], training.Epoch]] = {
        "torch": lambda: repeated(training.torch_eager(shape), times),
        "scikit-learn": lambda: training.scikit_learn(shape, times),
        "jax": lambda: repeated(training.jax_scan(shape), times),
    }
    for name, factory in factories.items():
        try:
            made[name] = factory()
        except ImportError:
            row(f"time against {name}", str(shape), "not installed")
    return made


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_alone(benchmark, shape):
    micro = 1e6 / training.steps_of(shape)
    epoch = training.ours(shape)
    times = times_of(epoch)
    medians = harness.interleaved(benchmark, repeated(epoch, times), peers(shape, times), rounds=5)
    for name, seconds in medians.items():
        if name == "ours":
            continue
        ratio = medians["ours"] / seconds
        RATIOS[name].append(ratio)
        LIMITS[name].append(medians["bare"] / seconds)
        target = BARE_TARGETS.get(str(shape), "") if name == "bare" else ""
        absolute = (
            f"{medians['ours'] / times * micro:.0f} / {seconds / times * micro:.0f} us a step"
        )
        row(f"time against {name}", str(shape), ratio, target, absolute)


def test_geometric_means():
    for name, target in (("torch", ">= 3"), ("scikit-learn", ">= 3"), ("jax", "<= 1.0")):
        if len(RATIOS.get(name, ())) < len(SHAPES):
            row(f"geometric mean against {name}", "seven shapes", "not measured", target)
            continue
        mean, limit = (prod(found[name]) ** (1 / len(SHAPES)) for found in (RATIOS, LIMITS))
        what, value, least = f"time against {name}", mean, limit
        if name != "jax":
            what, value, least = f"times faster than {name}", 1 / mean, 1 / limit
        detail = f"the bare products alone: {least:.2f}"
        row(what, "geometric mean of the seven", value, target, detail)


def chosen_size(shape: Shape) -> int:
    from helpers import make_config

    data = training.data(shape.inputs)
    config = make_config(width=shape.width, depth=shape.depth, batch_size=shape.batch)
    return stack_size(config, config.architecture(data), len(data.x_train))


STACKED = [
    (Shape(64, 32, 2, 32), "<= 1.6", ">= 8"),
    (Shape(64, 64, 8, 32), "<= 1.4", ""),
    (Shape(784, 30, 2, 32), "", ""),
    (Shape(784, 32, 1, 256), "", ""),
    (Shape(784, 64, 8, 128), "", ""),
]


@pytest.mark.parametrize(("shape", "bare", "faster"), STACKED, ids=str)
def test_stacks(benchmark, shape, bare, faster):
    """Whole epochs of a stack as large as the program makes it, by network."""
    size = chosen_size(shape)
    if size == 1:
        row("stacks: time against alone", str(shape), "alone is chosen", "<= 1.0")
        benchmark.pedantic(lambda: None)  # its fixture warns where nothing is timed
        return
    sides: dict[str, tuple[int, training.Epoch]] = {
        "ours": (size, training.ours(shape, size)),
        "bare": (size, training.products(shape, size)),
        "bare of one": (1, training.products(shape)),
        "alone": (1, training.ours(shape)),
    }
    for name, copies, factory in (
        ("torch", 1, lambda: training.torch_eager(shape)),
        ("jax vmap 16", 16, lambda: training.jax_scan(shape, 16)),
    ):
        try:
            sides[name] = (copies, factory())
        except ImportError:
            row(f"stacks against {name}", str(shape), "not installed")
    times = {name: times_of(epoch) for name, (_, epoch) in sides.items()}
    epochs = {name: repeated(epoch, times[name]) for name, (_, epoch) in sides.items()}
    medians = harness.interleaved(benchmark, epochs.pop("ours"), epochs, rounds=5)
    each = {
        name: 1e6 * medians[name] / times[name] / copies / training.steps_of(shape)
        for name, (copies, _) in sides.items()
    }
    own = each.pop("ours")
    what = f"{shape}, {size} in a stack"
    targets = {"bare": bare, "bare of one": "", "alone": "<= 1.0", "jax vmap 16": ""}
    for name, target in targets.items():
        if name in each:
            absolute = f"{own:.1f} / {each[name]:.1f} us a network and step"
            row(f"stacks: time against {name}", what, own / each[name], target, absolute)
    if "torch" in each:
        absolute = f"{own:.1f} / {each['torch']:.0f} us"
        row("stacks: times faster than torch", what, each["torch"] / own, faster, absolute)


@pytest.mark.parametrize(
    ("what", "shape", "target"),
    [
        ("MNIST", Shape(784, 64, 8, 128), "<= 0.03"),
        ("digits, as by default", Shape(64, 64, 4, 16), "<= 0.15"),
        ("digits, small", Shape(64, 32, 2, 32), "<= 0.15"),
    ],
)
def test_probes(benchmark, what, shape, target):
    """A probe at every epoch, as a share of the epoch without probes and tests."""
    trainer = training.trainer(shape, test=10000 if shape.inputs == 784 else 360)

    def epoch() -> None:
        for _ in trainer.advance():
            pass

    epoch()  # there must be one to be scored
    batch = Shape(shape.inputs, shape.width, shape.depth, 512)
    products = training.products(batch, steps=1)
    peers = {
        "probe": lambda: trainer.measure(np.array([True])),
        "bare": products,
        "close": trainer.close_epoch,
    }
    medians = harness.interleaved(benchmark, epoch, peers, rounds=9)
    row(
        "layer probes, share of the epoch",
        f"{what}, {shape}",
        medians["probe"] / medians["ours"],
        target,
        f"{medians['probe'] * 1e3:.2f} ms of {medians['ours'] * 1e3:.1f} ms; "
        f"its bare products {medians['bare'] * 1e3:.2f} ms; "
        f"scores with the test set {medians['close'] * 1e3:.2f} ms",
    )
