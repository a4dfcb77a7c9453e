"""One network, for use by hand: predict, differentiate, save and load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bpexp.nn.activations import Array, Scratch
from bpexp.nn.architecture import Architecture, Arrays
from bpexp.nn.choices import Choice, as_choice
from bpexp.nn.layers import ArraySpec
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.nn.tape import call_now
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import find_task


class Network:
    """A multi-layer perceptron, or another chain of the layers of `bpexp.nn.layers`.

    >>> net = Network.create([2, 3, 2], activation="tanh", seed=1)
    >>> net
    <Network 2-3-2, tanh, cross_entropy, 17 parameters, float32>
    >>> net.outputs([[0.0, 1.0]]).shape
    (1, 2)

    Attributes:
        architecture: layers, activation, cost and task.
        theta: all parameters, (P,), float32 or float64.
        state: all arrays that are kept and not trained, such as running statistics, (S,).
        layers: theta^(l), (n_{l-1} + 1, n_l), row 0 the biases, l = 1 .. L at index l - 1; views of
            `theta`.
        parameters: every parameter array of layer l by name, at index l - 1; views of `theta`.
    """

    def __init__(
        self, architecture: Architecture, theta: Array, state: Array | None = None
    ) -> None:
        """Wrap the arrays of a network; they are not copied.

        Args:
            architecture: layers, activation, cost and task.
            theta: the parameters, (P,), float32 or float64.
            state: the state, (S,), in the same dtype; that of an untrained network if None.

        Raises:
            ValueError: theta has not P entries, or state not S.
        """
        if state is None:
            state = architecture.initial_state().astype(theta.dtype)
        sizes = {"theta": architecture.n_parameters, "state": architecture.n_state}
        for (name, size), array in zip(sizes.items(), (theta, state), strict=True):
            if array.shape != (size,):
                shape = f"{name}: shape {array.shape} is not ({size},)"
                raise ValueError(f"{shape}, as the layers {architecture} have it")
        self.architecture = architecture
        self.theta, self.state = theta, state
        self.parameters = architecture.parameters(theta)
        self.layers = architecture.thetas(theta)

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
        """Draw a new multi-layer perceptron.

        Args:
            sizes: units a layer, inputs first: (n_0, ..., n_L).
            activation: of the hidden layers, a name or a Choice with parameters.
            init: the initialization, a name or a Choice with parameters.
            cost: the cost, which brings the output layer's activation, a name or a Choice with
                parameters; the task's own if None: cross_entropy, or squared_error with
                output=identity for regression.
            task: what the outputs stand for: classification or regression.
            seed: decides the draw.
            dtype: float32 or float64.
            batch: inputs (B, n_0), for init="lsuv" only.

        Raises:
            ValueError: a name that is in no table, a parameter out of range, fewer than two sizes,
                or a cost that does not fit the task.
        """
        architecture = Architecture.dense(sizes, activation, cost, task)
        return cls.draw(architecture, init=init, seed=seed, dtype=dtype, batch=batch)

    @classmethod
    def draw(
        cls,
        architecture: Architecture,
        *,
        init: str | Choice = "he_normal",
        seed: int = 0,
        dtype: DTypeLike = "float32",
        batch: Array | None = None,
    ) -> Network:
        """Draw a new network of any layers.

        Args:
            architecture: layers, activation, cost and task.
            init: the initialization, a name or a Choice with parameters.
            seed: decides the draw.
            dtype: float32 or float64.
            batch: inputs (B, n_0), for init="lsuv" only.

        Raises:
            ValueError: a name that is in no table, or a parameter out of range.
        """
        return cls(
            architecture, initial_theta(architecture, as_choice(init), seed, batch).astype(dtype)
        )

    @classmethod
    def of(cls, stack: Stack, r: int) -> Network:
        """Return network r of a stack; the arrays are not copied."""
        return cls(stack.architecture, stack.theta[r], stack.state[r])

    def outputs(self, x: ArrayLike) -> Array:
        """Return the outputs a^(L), (N, K).

        They are probabilities after softmax or sigmoid, and the predicted numbers in regression.

        Args:
            x: inputs (N, n_0).
        """
        passes = self._forward(x, lowest=None)
        z = passes.buffers.z[-1][0]
        a = np.empty_like(z)
        passes.stack.cost.output(call_now, z, a, Scratch.like(z))
        return np.asarray(a.T)

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """Return the predictions.

        Args:
            x: inputs (N, n_0).

        Returns:
            The class of the largest output, (N,) int64; in regression the outputs, (N, K).
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
        z = passes.buffers.z[-1][0]
        return float(passes.stack.cost.value(z, self._targets(y)).mean())

    def gradients(self, x: ArrayLike, y: ArrayLike) -> list[Array]:
        """Return dC/dtheta^(l) of the mean cost, (n_{l-1} + 1, n_l), l at index l - 1.

        Args:
            x: inputs (N, n_0).
            y: labels (N,) or targets (N, K), as `loss` takes them.

        Raises:
            ValueError: see `loss`.
        """
        return [arrays["theta"] for arrays in self.parameter_gradients(x, y)]

    def parameter_gradients(self, x: ArrayLike, y: ArrayLike) -> list[Arrays]:
        """Return the gradient of the mean cost for every parameter array, as in `parameters`.

        Args:
            x: inputs (N, n_0).
            y: labels (N,) or targets (N, K), as `loss` takes them.

        Raises:
            ValueError: see `loss`.
        """
        passes = self._forward(x, lowest=1)
        np.copyto(passes.targets, self._targets(y))
        passes.backward()
        gradients = passes.buffers.gradients[1:]
        return [{name: array[0] for name, array in layer.items()} for layer in gradients]

    def save(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write an npz file without pickles: `architecture` (JSON), theta_001, theta_002, ...

        Every other array of layer l stands under its own name and the same three digits.

        Args:
            file: a path, or a file that is open for writing.
        """
        states = self.architecture.states(self.state)
        arrays: dict[str, Any] = {
            _key(name, number): array
            for group in (self.parameters, states)
            for number, layer in enumerate(group, start=1)
            for name, array in layer.items()
        }
        np.savez(file, architecture=np.array(self.architecture.to_json()), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a file that `save` wrote, also by an earlier version.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or its arrays do not fit the architecture.
        """
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                architecture = Architecture.from_json(str(file["architecture"]))
                layers = list(enumerate(architecture.layers, start=1))
                theta = [_read(file, n, spec) for n, layer in layers for spec in layer.parameters]
                state = [_read(file, n, spec) for n, layer in layers for spec in layer.state]
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile, zlib and numpy.lib.format raise a dozen kinds
            raise ValueError(f"{path}: not a network that was saved: {error}") from None
        flat = np.concatenate(theta)
        return cls(architecture, flat, np.concatenate([flat[:0], *state]))

    def __repr__(self) -> str:
        """Return layers, activation, cost, number of parameters and dtype."""
        shape, size, dtype = self.architecture, self.theta.size, self.theta.dtype
        return f"<Network {shape}, {shape.activation}, {shape.cost}, {size} parameters, {dtype}>"

    def _forward(self, x: ArrayLike, lowest: int | None) -> Propagation:
        """Propagate inputs (N, n_0); `lowest` is as in `Propagation`."""
        rows = with_constant_unit(np.atleast_2d(np.asarray(x)), self.theta.dtype)
        stack = Stack(self.architecture, self.theta[None], self.state[None])
        passes = Propagation(stack, rows, lowest=lowest)
        with np.errstate(over="ignore", under="ignore"):
            passes.forward()
        return passes

    def _targets(self, y: ArrayLike) -> Array:
        labels, n_outputs = find_task(self.architecture.task).labels, self.architecture.sizes[-1]
        return Targets.of(np.asarray(y), n_outputs, self.theta.dtype, labels).columns


def _read(file: Mapping[str, NDArray[Any]], number: int, spec: ArraySpec) -> NDArray[Any]:
    """Return an array of layer `number` from a saved file, flat."""
    array = file[_key(spec.name, number)]
    if array.shape != spec.shape:
        raise ValueError(f"{_key(spec.name, number)}: shape {array.shape} is not {spec.shape}")
    return array.ravel()


def _key(name: str, number: int) -> str:
    """Return an array's name in a saved file."""
    return f"{name}_{number:03d}"
