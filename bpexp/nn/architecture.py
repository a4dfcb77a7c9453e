"""An architecture: a network's layers, its activation and its cost, without any numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.checks import require_integer
from bpexp.nn.choices import Choice, as_choice
from bpexp.nn.layers import LAYERS, ArraySpec, Dense, Layer
from bpexp.nn.tasks import check_cost, find_task

Arrays = dict[str, NDArray[Any]]
"""A layer's arrays by name."""


@dataclass(frozen=True, repr=False)
class Architecture:
    """The layers of a network, and its activation, cost and task by name.

    >>> Architecture.dense((64, 32, 32, 10), "tanh")
    <Architecture 64-32x2-10, tanh, cross_entropy>

    Attributes:
        layers: specifications of the layers 1 .. L (see `bpexp.nn.layers`).
        activation: the hidden layers' activation.
        cost: the cost, which brings the output layer's activation.
        task: what the outputs stand for, a row of `bpexp.nn.tasks.TASKS`.
    """

    layers: tuple[Layer, ...]
    activation: Choice
    cost: Choice
    task: str = "classification"

    def __post_init__(self) -> None:
        """Refuse layers that do not fit each other, and a cost that does not fit the task.

        Raises:
            ValueError: there is no layer, one has no units, two neighbours do not fit, or the cost
                does not fit the task.
        """
        check_cost(self.task, self.cost)
        if not self.layers or any(n < 1 for n in self.sizes):
            raise ValueError(
                f"layers: {self.layers!r} is not one or more layers of at least 1 unit"
            )
        for number, (below, above) in enumerate(pairwise(self.layers), start=2):
            if below.n_out != above.n_in:
                raise ValueError(
                    f"layers: layer {number} has {above.n_in} inputs, and the layer below has "
                    f"{below.n_out} units"
                )

    @classmethod
    def dense(
        cls,
        sizes: Sequence[int],
        activation: str | Choice = "relu",
        cost: str | Choice | None = None,
        task: str = "classification",
    ) -> Architecture:
        """Return the architecture of a multi-layer perceptron.

        Args:
            sizes: units a layer, inputs first: (n_0, ..., n_L).
            activation: of the hidden layers, a name or a Choice with parameters.
            cost: a name or a Choice with parameters; the task's own if None: cross_entropy, or
                squared_error with output=identity for regression.
            task: what the outputs stand for: classification or regression.

        Raises:
            ValueError: there are fewer than two sizes, one is below 1, or the cost does not fit the
                task.
        """
        for n in sizes:
            require_integer("sizes: units of a layer", n, 1)
        if len(sizes) < 2:
            raise ValueError(
                f"sizes: {tuple(sizes)!r} is not two or more layers of at least 1 unit"
            )
        chosen = find_task(task).cost if cost is None else as_choice(cost)
        return _dense(tuple(map(int, sizes)), as_choice(activation), chosen, task)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units a layer, inputs first: (n_0, ..., n_L)."""
        inputs = tuple(layer.n_in for layer in self.layers[:1])
        return inputs + tuple(layer.n_out for layer in self.layers)

    @cached_property
    def n_parameters(self) -> int:
        """P: entries of all parameter arrays."""
        return self.first_parameter(len(self.layers) + 1)

    @property
    def n_state(self) -> int:
        """S: entries of all arrays that are kept and not trained."""
        return sum(spec.size for layer in self.layers for spec in layer.state)

    def first_parameter(self, number: int) -> int:
        """Return where the parameters of layer `number`, from 1, begin in the flat buffer."""
        below = self.layers[: number - 1]
        return sum(spec.size for layer in below for spec in layer.parameters)

    def parameters(self, flat: NDArray[Any]) -> list[Arrays]:
        """Return each layer's parameters as views of a flat buffer (..., P), (..., *shape) each."""
        return _views(flat, [layer.parameters for layer in self.layers])

    def states(self, flat: NDArray[Any]) -> list[Arrays]:
        """Return each layer's state as views of a flat buffer (..., S), (..., *shape) each."""
        return _views(flat, [layer.state for layer in self.layers])

    def thetas(self, flat: NDArray[Any]) -> list[Array]:
        """Return views theta^(1) .. theta^(L) of a flat buffer (..., P), l at index l - 1."""
        return [arrays["theta"] for arrays in self.parameters(flat)]

    def initial_parameters(self) -> NDArray[np.float64]:
        """Return the parameters before they are drawn, (P,)."""
        return _initial([spec for layer in self.layers for spec in layer.parameters])

    def initial_state(self) -> NDArray[np.float64]:
        """Return the state of an untrained network, (S,)."""
        return _initial([spec for layer in self.layers for spec in layer.state])

    def decayed(self) -> NDArray[np.bool_]:
        """Return which parameters weight decay acts on, (P,)."""
        mask = np.zeros(self.n_parameters, bool)
        for layer, arrays in zip(self.layers, self.parameters(mask), strict=True):
            for spec in layer.parameters:
                if spec.decayed_from is not None:
                    arrays[spec.name][spec.decayed_from :] = True
        return mask

    def unknown_layer(self, known: Iterable[type]) -> str | None:
        """Return the number and specification of the first layer of a kind that is not in `known`.

        None if all are known.
        """
        kinds = tuple(known)
        for number, layer in enumerate(self.layers, start=1):
            if type(layer) not in kinds:
                return f"layer {number}, {layer}"
        return None

    def to_json(self) -> str:
        """Return the architecture as JSON: with `sizes` if all layers are dense, else `layers`."""
        shape: dict[str, Any] = {"sizes": self.sizes}
        if self.unknown_layer([Dense]):
            shape = {"layers": [{"kind": layer.kind, **vars(layer)} for layer in self.layers]}
        choices = {"activation": self.activation, "cost": self.cost}
        named = {key: {"name": c.name, **c.parameters} for key, c in choices.items()}
        return json.dumps({**shape, **named, "task": self.task})

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not JSON, a field is missing, or a kind of layer is not in LAYERS.
        """
        try:
            fields = json.loads(text)
            activation, cost = (
                Choice(fields[key].pop("name"), fields[key]) for key in ("activation", "cost")
            )
            task = fields.get("task", "classification")  # files of version 0.1 have none
            if "sizes" in fields:
                return cls.dense(fields["sizes"], activation, cost, task)
            layers = tuple(LAYERS[layer.pop("kind")](**layer) for layer in fields["layers"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an architecture: {error!r}") from None
        return cls(layers, activation, cost, task)

    def __str__(self) -> str:
        """Return the units of each layer: 64-32x8-10 for eight layers of 32 units between."""
        shown = [str(self.layers[0].n_in)] if self.layers else []
        for (kind, units), group in groupby((layer.kind, layer.n_out) for layer in self.layers):
            times = len(list(group))
            name = "" if kind == Dense.kind else f"{kind} "
            shown.append(f"{name}{units}" + (f"x{times}" if times > 1 else ""))
        return "-".join(shown)

    def __repr__(self) -> str:
        """Return the sizes, the activation and the cost."""
        return f"<Architecture {self}, {self.activation}, {self.cost}>"


@lru_cache(maxsize=4096)  # the runs of a large grid have few architectures
def _dense(sizes: tuple[int, ...], activation: Choice, cost: Choice, task: str) -> Architecture:
    layers = tuple(Dense(n_in, n_out) for n_in, n_out in pairwise(sizes))
    return Architecture(layers, activation, cost, task)


def _views(flat: NDArray[Any], specs: Iterable[Sequence[ArraySpec]]) -> list[Arrays]:
    """Return views by name of a flat buffer that holds the arrays one after another."""
    views, start = [], 0
    for layer in specs:
        arrays = {}
        for spec in layer:
            part = flat[..., start : start + spec.size]
            arrays[spec.name] = part.reshape(*flat.shape[:-1], *spec.shape)
            start += spec.size
        views.append(arrays)
    return views


def _initial(specs: Sequence[ArraySpec]) -> NDArray[np.float64]:
    """Return a flat buffer that holds the arrays' initial values."""
    return np.repeat([spec.initial for spec in specs], [spec.size for spec in specs])
