"""Trainers of small networks on the digits, and what they measure until the end."""

from __future__ import annotations

import tracemalloc

import numpy as np

from bpexp.nn import Choice
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta
from bpexp.training import STOPS, Trainer, run


def stack_of(architecture, seeds=(0,), dtype="float32"):
    """A stack of one network for each seed, initialized by he_normal."""
    init = Choice("he_normal")
    return Stack.of(architecture, [initial_theta(architecture, init, s) for s in seeds], dtype)


def make_trainer(
    architecture, data, seeds, rates, dtype="float32", optimizer="momentum", epochs=4, **options
):
    """A trainer of networks that differ in seed and learning rate."""
    return Trainer(
        stack_of(architecture, seeds, dtype),
        data,
        learning_rates=rates,
        seeds=seeds,
        optimizer=Choice(optimizer, {"weight_decay": 0.01}),
        batch_size=32,
        epochs=epochs,
        **options,
    )


def bits(array):
    """The bytes of an array; all NaN are equal, of which a run that diverged has many."""
    return np.where(np.isnan(array), np.nan, array).tobytes()


def train_fully(trainer, epochs, stop=None, probe_every=None):
    """Train to the end: {row: (metrics and layers of every record, final theta, final state)}."""
    seen, ends = {}, {}
    for record in run(
        trainer, epochs=epochs, stop=stop or STOPS["none"](), probe_every=probe_every
    ):
        for r, row in enumerate(record.rows.tolist()):
            observation = record.of(r)
            seen.setdefault(row, []).append((observation.metrics, observation.layers))
            if record.ended[r]:
                ends[row] = bits(trainer.stack.theta[r]), bits(trainer.stack.state[r])
    return {row: (repr(seen[row]), *ends[row]) for row in seen}


def check_a_step_allocates_little(architecture):
    """A step of a network with layers of 256 units, whose z has 256 KiB, allocates less."""
    passes = Propagation(stack_of(architecture), np.ones((1, 256, 401), np.float32), trains=True)
    passes.targets[...] = 0.1
    passes.forward()
    passes.backward()
    tracemalloc.start()
    passes.forward()
    passes.backward()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024
    assert held < 16 * 1024
