"""One epoch of the same training, ours and the peers': functions that take it when called.

Every epoch shuffles the examples, gathers the batches, takes the steps of plain SGD with softmax
cross-entropy in float32, and knows the mean cost of the epoch at its end; none looks at a test set.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from bpexp.data.dataset import Dataset, make_dataset
from bpexp.nn import Architecture, Choice
from bpexp.nn.stack import Stack, initial_theta
from bpexp.training import Trainer

Epoch = Callable[[], object]
RATE = 0.01
CLASSES = 10


@dataclass(frozen=True)
class Shape:
    """A network and a batch: inputs, hidden width, hidden layers, B."""

    inputs: int
    width: int
    depth: int
    batch: int

    def __str__(self) -> str:
        hidden = f"{self.width}x{self.depth}" if self.depth > 1 else f"{self.width}"
        return f"{self.inputs}-{hidden}-{CLASSES} B={self.batch}"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *[self.width] * self.depth, CLASSES)


SHAPES = [
    Shape(64, 32, 2, 32),
    Shape(64, 64, 8, 32),
    Shape(64, 64, 8, 128),
    Shape(784, 32, 1, 256),
    Shape(784, 64, 8, 128),
    Shape(784, 128, 8, 128),
    Shape(784, 256, 8, 256),
]
EXAMPLES = {64: 1408, 784: 59904}  # digits' and MNIST's, rounded to whole batches of 256 or 128


@lru_cache(maxsize=1)
def data(inputs: int, test: int = CLASSES) -> Dataset:
    """Random examples of digits' or MNIST's size."""
    rng = np.random.default_rng(0)

    def split(n: int):
        x = rng.random((n, inputs), dtype=np.float32)
        return x, np.arange(n) % CLASSES

    return make_dataset("random", "random", split(EXAMPLES[inputs]), split(test))


def steps_of(shape: Shape) -> int:
    """Steps of an epoch."""
    return EXAMPLES[shape.inputs] // shape.batch


def trainer(shape: Shape, copies: int = 1, test: int = CLASSES) -> Trainer:
    """A stack of `copies` networks, ready to train."""
    architecture = Architecture.dense(shape.sizes, Choice("relu"), Choice("cross_entropy"))
    rows = [initial_theta(architecture, Choice("he_normal"), seed) for seed in range(copies)]
    return Trainer(
        Stack.of(architecture, rows, "float32"),
        data(shape.inputs, test),
        learning_rates=[RATE] * copies,
        seeds=range(copies),
        optimizer=Choice("sgd"),
        batch_size=shape.batch,
        epochs=1,
    )


def ours(shape: Shape, copies: int = 1) -> Epoch:
    """The product's trainer."""
    trained = trainer(shape, copies)

    def epoch() -> object:
        for _ in trained.advance():
            pass
        return trained.score_epoch()

    return epoch


def products(shape: Shape, copies: int = 1, steps: int | None = None) -> Epoch:
    """The matrix products alone of an epoch or of so many steps, on arrays of their own."""
    times = steps_of(shape) if steps is None else steps
    dtype = np.float32
    rng = np.random.default_rng(0)

    def random(*sizes: int):
        return rng.random(sizes, dtype=dtype)

    layers = [
        (
            random(copies, m, n + 1),
            random(copies, n + 1, shape.batch),
            np.empty((copies, m, shape.batch), dtype),
            random(copies, shape.batch, m),
            np.empty((copies, n + 1, m), dtype),
            random(copies, n, m),
            random(copies, m, shape.batch),
            np.empty((copies, n, shape.batch), dtype),
        )
        for n, m in pairwise(shape.sizes)
    ]

    def epoch() -> None:
        for _ in range(times):
            for number, (weights, a, z, delta, gradient, back, above, signal) in enumerate(layers):
                np.matmul(weights, a, out=z)
                np.matmul(a, delta, out=gradient)
                if number:
                    np.matmul(back, above, out=signal)

    return epoch


def torch_eager(shape: Shape) -> Epoch:
    """PyTorch, eager, torch.optim.SGD."""
    import torch

    torch.set_num_threads(1)
    x, y = torch.tensor(data(shape.inputs).x_train), torch.tensor(data(shape.inputs).y_train)
    modules: list[torch.nn.Module] = []
    for n, m in pairwise(shape.sizes):
        modules += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    cost = torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        total = torch.zeros(())
        for index in torch.randperm(len(x)).split(shape.batch):
            optimizer.zero_grad()
            loss = cost(network(x[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total)

    return epoch


def scikit_learn(shape: Shape, epochs: int = 1) -> Epoch:
    """scikit-learn's MLPClassifier with solver='sgd', `epochs` at a call."""
    from sklearn.neural_network import MLPClassifier

    x, y = data(shape.inputs).x_train, data(shape.inputs).y_train
    network = MLPClassifier(
        shape.sizes[1:-1],
        solver="sgd",
        alpha=0,
        momentum=0,
        nesterovs_momentum=False,
        learning_rate_init=RATE,
        batch_size=shape.batch,
        max_iter=epochs,
        n_iter_no_change=10**6,
        warm_start=True,
    )

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it has not converged
            network.fit(x, y)

    return fit


def jax_scan(shape: Shape, copies: int = 1) -> Epoch:
    """JAX, a jitted scan over the epoch's batches; copies by vmap."""
    import jax
    import jax.numpy as jnp

    x, y = jnp.asarray(data(shape.inputs).x_train), jnp.asarray(data(shape.inputs).y_train)
    rng = np.random.default_rng(0)

    def initial():
        return [
            (
                jnp.asarray(rng.standard_normal((copies, n, m), np.float32) * np.sqrt(2 / n)),
                jnp.zeros((copies, m)),
            )
            for n, m in pairwise(shape.sizes)
        ]

    def cost(parameters, x, y):
        for weights, bias in parameters[:-1]:
            x = jax.nn.relu(x @ weights + bias)
        weights, bias = parameters[-1]
        log_p = jax.nn.log_softmax(x @ weights + bias)
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def step(parameters, index):
        value, slopes = jax.value_and_grad(cost)(parameters, x[index], y[index])
        moved = jax.tree.map(lambda p, g: p - jnp.float32(RATE) * g, parameters, slopes)
        return moved, value

    def scan(parameters, batches):
        parameters, costs = jax.lax.scan(step, parameters, batches)
        return parameters, costs.mean()

    take = jax.jit(jax.vmap(scan), donate_argnums=0)
    state = initial()

    def epoch() -> object:
        nonlocal state
        orders = np.stack([rng.permutation(len(x)) for _ in range(copies)])
        state, value = take(state, orders.reshape(copies, steps_of(shape), shape.batch))
        return value.block_until_ready()

    return epoch
