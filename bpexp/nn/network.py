"""One network: predict, differentiate, save and load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bpexp.nn.activations import Array, Scratch
from bpexp.nn.architecture import Architecture
from bpexp.nn.arrays import Arrays
from bpexp.nn.checks import as_float_dtype, as_inputs, as_targets, require_integer
from bpexp.nn.choices import NONE, Choice, as_choice, require
from bpexp.nn.files import read, write
from bpexp.nn.initializers import INITIALIZERS
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
        state: all arrays that are kept but not trained, such as running statistics, (S,).
        layers: theta^(l), (n_{l-1} + 1, n_l), with the biases in row 0, at index l - 1; views of
            `theta`.
        parameters: the parameter arrays of layer l by name, at index l - 1; views of `theta`.
        classes: the name of each class, if the labels of its data set were not 0 .. K - 1, else
            None.
    """

    def __init__(
        self,
        architecture: Architecture,
        theta: Array,
        state: Array | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Store the arrays of a network without copying them.

        Args:
            architecture: layers, activation, cost and task.
            theta: the parameters, (P,), float32 or float64.
            state: the state, (S,), in the same dtype; None for that of an untrained network.
            classes: the names of the K classes.

        Raises:
            ValueError: theta does not have P entries, state S entries, or classes K names.
        """
        as_float_dtype(theta.dtype)
        if state is None:
            state = architecture.initial_state().astype(theta.dtype)
        sizes = {"theta": architecture.n_parameters, "state": architecture.n_state}
        for (name, size), array in zip(sizes.items(), (theta, state), strict=True):
            if array.shape != (size,):
                shape = f"{name}: shape {array.shape} is not ({size},)"
                raise ValueError(f"{shape}, as the layers {architecture} have it")
        n_outputs = architecture.sizes[-1]
        if classes is not None and len(classes) != n_outputs:
            raise ValueError(f"classes: {len(classes)} names for {n_outputs} outputs")
        self.architecture = architecture
        self.theta, self.state = theta, state
        self.classes = None if classes is None else tuple(map(str, classes))
        self.parameters = architecture.parameters(theta)
        self.layers = architecture.thetas(theta)

    @classmethod
    def create(
        cls,
        sizes: Sequence[int],
        *,
        activation: str | Choice = "relu",
        init: str | Choice = "he_normal",
        cost: str | Choice | None = None,
        task: str = "classification",
        seed: int = 0,
        dtype: DTypeLike = "float32",
        batch: Array | None = None,
        skip: str | Choice = NONE,
        norm: str | Choice = NONE,
    ) -> Network:
        """Draw a new multi-layer perceptron.

        Args:
            sizes: units of each layer, inputs first: (n_0, ..., n_L).
            activation: the hidden layers' activation, a name or a Choice with parameters.
            init: the initialization, a name or a Choice with parameters.
            cost: the cost, which includes the output layer's activation, a name or a Choice with
                parameters; None: the default of the task, cross_entropy, or squared_error with
                output=identity.
            task: the task, classification or regression.
            seed: the seed of the draw.
            dtype: float32 or float64.
            batch: inputs (B, n_0), for init="lsuv" only.
            skip: the skip connections, a name or a Choice with parameters.
            norm: the normalisation before the activations, a name or a Choice with parameters.

        Raises:
            ValueError: a name is in no table, a parameter is out of range, there are fewer than two
                sizes, or a choice does not fit the task or the sizes.
        """
        architecture = Architecture.dense(sizes, activation, cost, task, skip, norm)
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
            seed: the seed of the draw.
            dtype: float32 or float64.
            batch: inputs (B, n_0), for init="lsuv" only.

        Raises:
            ValueError: a name is in no table, or a parameter is out of range.
        """
        require_integer("seed", seed, 0)
        kind = as_float_dtype(dtype)
        if batch is not None:
            batch = as_inputs("batch", batch, architecture.sizes[0], np.float64)
        theta = initial_theta(architecture, as_choice(init, "init", INITIALIZERS), seed, batch)
        return cls(architecture, theta.astype(kind))

    @classmethod
    def of(cls, stack: Stack, r: int, classes: Sequence[str] | None = None) -> Network:
        """Return network r of a stack, without copying the arrays.

        Args:
            stack: the networks.
            r: the index of the network.
            classes: the names of the classes, as in data sets.
        """
        return cls(stack.architecture, stack.theta[r], stack.state[r], classes)

    def outputs(self, x: ArrayLike) -> Array:
        """Return the outputs a^(L), (N, K).

        They are probabilities after softmax or sigmoid, and the predicted numbers in regression.

        Args:
            x: inputs (N, n_0), N >= 1, finite numbers.

        Raises:
            ValueError: x has another shape or is not finite.
        """
        passes = self._forward(x, lowest=None)
        z = passes.buffers.z[-1][0]
        a = np.empty_like(z)
        passes.stack.cost.output(call_now, z, a, Scratch.like(z))
        return np.asarray(a.T)

    def predict(self, x: ArrayLike, *, names: bool = False) -> NDArray[Any]:
        """Return the predictions.

        Args:
            x: inputs (N, n_0), as `outputs` takes them.
            names: whether to return the names of classes instead of their numbers.

        Returns:
            The class of the largest output, (N,) int64, or its name in `classes`, (N,) text; in
            regression the outputs, (N, K).

        Raises:
            ValueError: see `outputs`; or `names` is true and `classes` is None.
        """
        allowed = "False, for a network whose classes have no names"
        require("names", names, allowed, bool(self.classes) or not names)
        outputs = self.outputs(x)
        if not find_task(self.architecture.task).labels:
            return outputs
        found = np.asarray(np.argmax(outputs, axis=1), dtype=np.int64)
        return np.array(self.classes)[found] if names else found

    def loss(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the mean cost over examples.

        Args:
            x: inputs (N, n_0), as `outputs` takes them.
            y: targets (N, K), finite numbers; in classification also labels (N,), 0 .. K - 1, and
                in regression with one output also targets (N,).

        Raises:
            ValueError: x or y has another shape, or is not finite.
        """
        passes = self._forward(x, lowest=None)
        z = passes.buffers.z[-1][0]
        return float(passes.stack.cost.value(z, self._targets(y, z.shape[1])).mean())

    def gradients(self, x: ArrayLike, y: ArrayLike) -> list[Array]:
        """Return dC/dtheta^(l) of the mean cost, (n_{l-1} + 1, n_l), l at index l - 1.

        A batch norm uses the statistics of the examples x, and needs at least two.

        Args:
            x: inputs (N, n_0), as `outputs` takes them.
            y: labels (N,) or targets (N, K), as `loss` takes them.

        Raises:
            ValueError: see `loss`.
        """
        return [arrays["theta"] for arrays in self.parameter_gradients(x, y)]

    def parameter_gradients(self, x: ArrayLike, y: ArrayLike) -> list[Arrays]:
        """Return the gradient of the mean cost for all parameter arrays, by name as `parameters`.

        Args:
            x: inputs (N, n_0), as `outputs` takes them.
            y: labels (N,) or targets (N, K), as `loss` takes them.

        Raises:
            ValueError: see `loss`.
        """
        passes = self._forward(x, lowest=1)
        if self.architecture.couples and passes.rows.shape[-2] == 1:
            raise ValueError("x: 1 example has no variance; norm=batch needs at least two")
        np.copyto(passes.targets, self._targets(y, passes.targets.shape[-1]))
        passes.backward()
        gradients = passes.buffers.gradients[1:]
        return [{name: array[0, ...] for name, array in layer.items()} for layer in gradients]

    def save(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the network to an npz file without pickles (see `bpexp.nn.files`).

        Args:
            file: a path, or a file that is open for writing.
        """
        write(file, self.architecture, self.theta, self.state, self.classes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Return the network of a file that `save` wrote, in this or an earlier version.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or its arrays do not fit the architecture.
        """
        return cls(*read(path))

    def __repr__(self) -> str:
        """Return layers, activation, cost, number of parameters and dtype."""
        shape, size, dtype = self.architecture, self.theta.size, self.theta.dtype
        return f"<Network {shape}, {shape.activation}, {shape.cost}, {size} parameters, {dtype}>"

    def _forward(self, x: ArrayLike, lowest: int | None) -> Propagation:
        """Propagate inputs (N, n_0); `lowest` is as in `Propagation`."""
        dtype = self.theta.dtype
        rows = with_constant_unit(as_inputs("x", x, self.architecture.sizes[0], dtype), dtype)
        stack = Stack(self.architecture, self.theta[None], self.state[None])
        passes = Propagation(stack, rows, lowest=lowest)
        with np.errstate(over="ignore", under="ignore"):
            passes.forward()
        return passes

    def _targets(self, y: ArrayLike, examples: int) -> Array:
        labels, n_outputs = find_task(self.architecture.task).labels, self.architecture.sizes[-1]
        checked = as_targets("y", y, examples, n_outputs, labels, self.theta.dtype)
        return Targets.of(checked, n_outputs, self.theta.dtype, labels).columns
