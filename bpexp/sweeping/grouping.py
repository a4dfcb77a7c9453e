"""Group the runs of a plan into stacks, which are trained together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bpexp.config import Config
from bpexp.executors import EXECUTORS
from bpexp.nn import Architecture
from bpexp.nn.optimizers import OPTIMIZERS
from bpexp.sweeping.member import Member, dataset, shared

# The networks of a stack share the overhead of Python's calls. This saves time if the arrays of a
# step fit into the second-level cache of a core. Measured with SGD and Adam on shapes from 64-30
# to 784-64x8 with a cache of 2 MiB: stacks of this size are within 7 % of the fastest size, and
# none takes more than a few per cent longer than its runs alone. Stacks of two networks, and of
# more than 16, save nothing.
CACHE_BYTES = 2 * 2**20
SMALLEST_STACK, LARGEST_STACK = 3, 16
# With fewer stacks, workers would be idle while the last stack is trained.
STACKS_A_WORKER = 4


def stacks(members: Sequence[Member]) -> tuple[tuple[Member, ...], ...]:
    """Group runs that can be trained together into stacks of the size that `stack_size` returns.

    If there are few groups, each is divided into equal shares, so that every worker has a stack.
    """
    if not members:
        return ()
    groups: dict[str, list[Member]] = {}
    workers = workers_for(members[0].config)
    least = members[0].config.executor.build(EXECUTORS).least_operations
    for member in members:
        groups.setdefault(_shape(member), []).append(member)
    found = []
    for group in groups.values():
        config = group[0].config
        shares = min(workers, len(group), -(-STACKS_A_WORKER * workers // len(groups)))
        if least:
            shares = max(1, min(shares, int(_work(group) / least)))
        data = dataset(config)
        size = stack_size(config, config.architecture(data), len(data.x_train))
        rounds = -(-len(group) // (shares * size))
        bounds = [len(group) * i // (shares * rounds) for i in range(shares * rounds + 1)]
        found += [tuple(group[a:b]) for a, b in pairwise(bounds) if a < b]
    # Long stacks are first, so that all workers end at about the same time.
    return tuple(sorted(found, key=_work, reverse=True))


def _shape(member: Member) -> str:
    """Return a text that is equal for runs that can share a stack."""
    return f"{shared(member.config)}, {member.epoch}"


def stack_size(config: Config, shape: Architecture, examples: int) -> int:
    """Return the number of networks of an architecture to train together.

    A step of one network uses its parameters, their gradient, scratch memory, the update rule's
    state, the activity that each layer declares, and the inputs twice. A stack has the largest
    number of networks for which these fit into the cache.

    Args:
        config: the configuration of one of them.
        shape: their architecture.
        examples: number of examples of the training split.
    """
    width, batch = np.dtype(config.dtype).itemsize, min(config.batch_size, examples)
    activity = batch * (2 * (shape.sizes[0] + 1) + sum(layer.activity for layer in shape.layers))
    parameters = (3 + config.optimizer.build(OPTIMIZERS).slots) * shape.n_parameters
    size = min(LARGEST_STACK, CACHE_BYTES // ((parameters + activity) * width))
    return size if size >= SMALLEST_STACK else 1


def _work(stack: Sequence[Member]) -> float:
    return sum(member.operations for member in stack)


def workers_for(config: Config) -> int:
    """Return the number of stacks that are trained at the same time."""
    return config.jobs or config.executor.build(EXECUTORS).workers()
