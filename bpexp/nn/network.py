"""One network, for use by hand: predict, look at gradients, save and load."""

from __future__ import annotations

import json
import os
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bpexp.nn.activations import Array, Scratch
from bpexp.nn.choices import Choice, as_choice
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Architecture, Stack, initial_theta, with_constant_unit
from bpexp.nn.tape import call_now
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import find_task


class Network:
    """A multi-layer perceptron.

    >>> net = Network.create([2, 3, 2], activation="tanh", seed=1)
    >>> net.outputs([[0.0, 1.0]]).shape
    (1, 2)

    Attributes:
        architecture: sizes, activation, cost and task.
        theta: all parameters, (P,), float32 or float64; the memory that `layers` views.
        layers: theta^(l), (n_{l-1} + 1, n_l), row 0 the biases, l = 1 .. L at index l - 1.
    """

    def __init__(self, architecture: Architecture, theta: Array) -> None:
        """Wrap parameters (P,); they are not copied.

        Raises:
            ValueError: theta has not P entries.
        """
        if theta.shape != (architecture.n_parameters,):
            raise ValueError(
                f"theta: shape {theta.shape} is not ({architecture.n_parameters},), "
                f"as sizes {architecture.sizes} ask"
            )
        self.architecture = architecture
        self.theta = theta
        self.layers = architecture.layers(theta)

    @classmethod
    def create(
        cls,
        sizes: tuple[int, ...] | list[int],
        *,
        activation: str | Choice = "relu",
        init: str | Choice = "he_normal",
        cost: str | Choice | None = None,
        task: str = "classification",
        seed: int = 0,
        dtype: DTypeLike = "float32",
        batch: Array | None = None,
    ) -> Network:
        """Draw a new network.

        Args:
            sizes: units a layer, inputs first: (n_0, ..., n_L).
            activation: of the hidden layers, a name or a Choice with parameters.
            init: the initialization.
            cost: the cost, which brings the output layer's activation; by default the task's own:
                cross_entropy, or squared_error with output=identity for regression.
            task: what the outputs stand for: classification or regression.
            seed: decides the draw.
            dtype: float32 or float64.
            batch: inputs (B, n_0), for init="lsuv" only.

        Raises:
            ValueError: a name that is in no table, a parameter out of range, or a cost that does
                not fit the task.
        """
        chosen = find_task(task).cost if cost is None else as_choice(cost)
        architecture = Architecture(tuple(sizes), as_choice(activation), chosen, task)
        theta = initial_theta(architecture, as_choice(init), seed, batch)
        return cls(architecture, theta.astype(dtype))

    def outputs(self, x: ArrayLike) -> Array:
        """Return the outputs (N, K) for inputs (N, n_0).

        They are probabilities after softmax or sigmoid, and the predicted numbers in regression.
        """
        passes = self._forward(x, lowest=None)
        z = passes.z[-1][0]
        a = np.empty_like(z)
        passes.stack.cost.output(call_now, z, a, Scratch.like(z))
        return np.asarray(a.T)

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """Return the prediction for inputs (N, n_0).

        Returns:
            The class (N,) int64 of the largest output, or in regression the outputs (N, K).
        """
        outputs = self.outputs(x)
        if not find_task(self.architecture.task).labels:
            return outputs
        return np.asarray(np.argmax(outputs, axis=1), dtype=np.int64)

    def loss(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the mean cost over examples.

        Args:
            x: inputs (N, n_0).
            y: targets (N, K); in classification also labels (N,), integers from 0, and in
                regression with one output also targets (N,).

        Raises:
            ValueError: y has another shape, or labels that are no integers.
        """
        passes = self._forward(x, lowest=None)
        return float(passes.stack.cost.value(passes.z[-1][0], self._targets(y)).mean())

    def gradients(self, x: ArrayLike, y: ArrayLike) -> list[Array]:
        """Return dC/dtheta^(l) of the mean cost, each (n_{l-1} + 1, n_l), by backpropagation.

        Args:
            x: inputs (N, n_0).
            y: labels (N,) or targets (N, K), as `loss` takes them.

        Raises:
            ValueError: see `loss`.
        """
        passes = self._forward(x, lowest=1)
        np.copyto(passes.targets, self._targets(y))
        passes.backward()
        return [gradient[0] for gradient in passes.gradients]

    def save(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write an npz file without pickles: `architecture` (JSON), theta_001, theta_002, ..."""
        arrays: dict[str, Any] = {f"theta_{i:03d}": t for i, t in enumerate(self.layers, start=1)}
        np.savez(file, architecture=np.array(to_json(self.architecture)), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a file that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or its arrays do not fit the architecture.
        """
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                architecture = from_json(str(file["architecture"]))
                layers = [file[f"theta_{i:03d}"] for i in range(1, len(architecture.sizes))]
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile, zlib and numpy.lib.format raise a dozen kinds
            raise ValueError(f"{path}: not a network that was saved: {error}") from None
        return cls(architecture, np.concatenate([layer.ravel() for layer in layers]))

    def _forward(self, x: ArrayLike, lowest: int | None) -> Propagation:
        """Propagate inputs (N, n_0); gradients can be had from layer `lowest` on, None: not."""
        rows = with_constant_unit(np.atleast_2d(np.asarray(x)), self.theta.dtype)
        passes = Propagation(Stack(self.architecture, self.theta[None]), rows, lowest=lowest)
        with np.errstate(over="ignore", under="ignore"):
            passes.forward()
        return passes

    def _targets(self, y: ArrayLike) -> Array:
        labels, n_outputs = find_task(self.architecture.task).labels, self.architecture.sizes[-1]
        return Targets.of(np.asarray(y), n_outputs, self.theta.dtype, labels).columns


def to_json(architecture: Architecture) -> str:
    """Write an architecture as JSON."""
    activation, cost = architecture.activation, architecture.cost
    return json.dumps(
        {
            "sizes": architecture.sizes,
            "activation": {"name": activation.name, **activation.parameters},
            "cost": {"name": cost.name, **cost.parameters},
            "task": architecture.task,
        }
    )


def from_json(text: str) -> Architecture:
    """Read what `to_json` wrote."""
    fields = json.loads(text)
    activation, cost = fields["activation"], fields["cost"]
    return Architecture(
        tuple(fields["sizes"]),
        Choice(activation.pop("name"), activation),
        Choice(cost.pop("name"), cost),
        fields.get("task", "classification"),  # files of version 0.1 have none
    )
