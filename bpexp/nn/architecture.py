"""An architecture: a network's layers, activation and cost, without parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import ACTIVATIONS, Array
from bpexp.nn.arrays import Arrays, initial, views
from bpexp.nn.checks import require_integer
from bpexp.nn.choices import NONE, Choice, as_choice
from bpexp.nn.costs import COSTS
from bpexp.nn.layers import LAYERS, Dense, Layer, chain
from bpexp.nn.norms import NORMS
from bpexp.nn.skips import SKIPS
from bpexp.nn.tasks import check_cost, find_task


@dataclass(frozen=True, repr=False)
class Architecture:
    """The layers of a network, and its activation, cost and task by name.

    >>> Architecture.dense((64, 32, 32, 10), "tanh")
    <Architecture 64-32x2-10, tanh, cross_entropy>

    Attributes:
        layers: specifications of the layers 1 .. L (see `bpexp.nn.layers`).
        activation: the hidden layers' activation.
        cost: the cost, which includes the output layer's activation.
        task: the task, a row of `bpexp.nn.tasks.TASKS`.
        skip: the skip connections of the layers, a row of `bpexp.nn.skips.SKIPS`.
        norm: the normalisation of the layers, a row of `bpexp.nn.norms.NORMS`.
    """

    layers: tuple[Layer, ...]
    activation: Choice
    cost: Choice
    task: str = "classification"
    skip: Choice = NONE
    norm: Choice = NONE

    def __post_init__(self) -> None:
        """Check that layers fit each other, and that the cost fits the task.

        Raises:
            ValueError: there is no layer, a layer has no units, two neighbours do not fit, or the
                cost does not fit the task.
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
        if self.layers[-1].stream:
            raise ValueError("layers: the output layer ends a skip connection")

    @classmethod
    def dense(
        cls,
        sizes: Sequence[int],
        activation: str | Choice = "relu",
        cost: str | Choice | None = None,
        task: str = "classification",
        skip: str | Choice = NONE,
        norm: str | Choice = NONE,
    ) -> Architecture:
        """Return the architecture of a multi-layer perceptron.

        Args:
            sizes: units of each layer, inputs first: (n_0, ..., n_L).
            activation: the hidden layers' activation, a name or a Choice with parameters.
            cost: a name or a Choice with parameters; None: the default of the task, cross_entropy,
                or squared_error with output=identity.
            task: the task, classification or regression.
            skip: the skip connections, a name or a Choice with parameters.
            norm: the normalisation before each hidden layer's activation, a name or a Choice with
                parameters.

        Raises:
            ValueError: there are fewer than two sizes, one is below 1, the cost does not fit the
                task, or the skip connections do not fit the sizes.
        """
        if not isinstance(sizes, Iterable):
            raise ValueError(f"sizes: {sizes!r} is not two or more layers of at least 1 unit")
        for n in sizes:
            require_integer("sizes: units of a layer", n, 1)
        if len(sizes) < 2:
            raise ValueError(
                f"sizes: {tuple(sizes)!r} is not two or more layers of at least 1 unit"
            )
        return _dense(
            tuple(map(int, sizes)),
            as_choice(activation, "activation", ACTIVATIONS),
            as_choice(find_task(task).cost if cost is None else cost, "cost", COSTS),
            task,
            as_choice(skip, "skip", SKIPS),
            as_choice(norm, "norm", NORMS),
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer, inputs first: (n_0, ..., n_L)."""
        inputs = tuple(layer.n_in for layer in self.layers[:1])
        return inputs + tuple(layer.n_out for layer in self.layers)

    @cached_property
    def n_parameters(self) -> int:
        """P, the number of parameters."""
        return self.first_parameter(len(self.layers) + 1)

    @property
    def n_state(self) -> int:
        """S, the number of state entries."""
        return sum(spec.size for layer in self.layers for spec in layer.state)

    def first_parameter(self, number: int) -> int:
        """Return the index of the first parameter of a layer, from 1, in the flat buffer."""
        below = self.layers[: number - 1]
        return sum(spec.size for layer in below for spec in layer.parameters)

    def parameters(self, flat: NDArray[Any]) -> list[Arrays]:
        """Return each layer's parameters as views of a flat buffer (..., P), (..., *shape) each."""
        return views(flat, [layer.parameters for layer in self.layers])

    def states(self, flat: NDArray[Any]) -> list[Arrays]:
        """Return each layer's state as views of a flat buffer (..., S), (..., *shape) each."""
        return views(flat, [layer.state for layer in self.layers])

    def thetas(self, flat: NDArray[Any]) -> list[Array]:
        """Return views theta^(1) .. theta^(L) of a flat buffer (..., P), l at index l - 1."""
        return [arrays["theta"] for arrays in self.parameters(flat)]

    def initial_parameters(self) -> NDArray[np.float64]:
        """Return the parameters before they are drawn, (P,)."""
        return initial([spec for layer in self.layers for spec in layer.parameters])

    def initial_state(self) -> NDArray[np.float64]:
        """Return the state of an untrained network, (S,)."""
        return initial([spec for layer in self.layers for spec in layer.state])

    def decayed(self) -> NDArray[np.bool_]:
        """Return the mask of the parameters on which weight decay acts, (P,)."""
        mask = np.zeros(self.n_parameters, bool)
        for layer, arrays in zip(self.layers, self.parameters(mask), strict=True):
            for spec in layer.parameters:
                if spec.decayed_from is not None:
                    arrays[spec.name][spec.decayed_from :] = True
        return mask

    def unknown_layer(self, known: Iterable[type]) -> str | None:
        """Return a description of the first layer whose kind is not in `known`; None if all are.

        It names the chosen skip connections and norm, or else the number and specification of the
        layer.
        """
        kinds = tuple(known)
        for number, layer in enumerate(self.layers, start=1):
            if type(layer) not in kinds:
                chosen = [f"{key}={choice.name}" for key, choice in self.given.items()]
                return " and ".join(chosen) or f"layer {number}, {layer}"
        return None

    @property
    def couples(self) -> bool:
        """Whether an example's outputs depend on the other examples of its batch."""
        return any(layer.couples for layer in self.layers)

    @property
    def given(self) -> dict[str, Choice]:
        """The skip connections and the norm by key, if they are not "none"."""
        choices = {"skip": self.skip, "norm": self.norm}
        return {key: choice for key, choice in choices.items() if choice != NONE}

    def to_json(self) -> str:
        """Return the architecture as JSON, with `sizes` if `dense` makes it, else with `layers`."""
        shape: dict[str, Any] = {"sizes": self.sizes}
        if self.layers != chain(self.sizes, self.skip, self.norm):
            shape = {"layers": [_as_json(layer) for layer in self.layers]}
        choices = {"activation": self.activation, "cost": self.cost, **self.given}
        named = {key: _named(choice) for key, choice in choices.items()}
        return json.dumps({**shape, **named, "task": self.task})

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Return the architecture of a text that `to_json` wrote.

        Raises:
            ValueError: the text is not JSON, a field is missing, or a kind of layer is not in
                LAYERS.
        """
        try:
            read = {key: _restored(value) for key, value in json.loads(text).items()}
            choices = read["activation"], read["cost"]
            task = read.get("task", "classification")  # files of version 0.1 have none
            given = read.get("skip", NONE), read.get("norm", NONE)
            if "sizes" in read:
                return cls.dense(read["sizes"], *choices, task, *given)
            layers = tuple(_from_json(layer) for layer in read["layers"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an architecture: {error!r}") from None
        return cls(layers, *choices, task, *given)

    def __str__(self) -> str:
        """Return the units of each layer, such as 64-32x8-10 for eight hidden layers of 32."""
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
def _dense(
    sizes: tuple[int, ...],
    activation: Choice,
    cost: Choice,
    task: str,
    skip: Choice,
    norm: Choice,
) -> Architecture:
    return Architecture(chain(sizes, skip, norm), activation, cost, task, skip, norm)


def _named(choice: Choice) -> dict[str, Any]:
    return {"name": choice.name, **choice.parameters}


def _restored(value: Any) -> Any:
    """Return the choice of a result of `_named`; other values unchanged."""
    if not (isinstance(value, Mapping) and "name" in value):
        return value
    return Choice(value["name"], {key: v for key, v in value.items() if key != "name"})


def _as_json(layer: Layer) -> dict[str, Any]:
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}  # type: ignore[arg-type]
    named = {key: _named(v) if isinstance(v, Choice) else v for key, v in values.items()}
    return {"kind": layer.kind, **named}


def _from_json(layer: Mapping[str, Any]) -> Layer:
    values = {key: _restored(value) for key, value in layer.items() if key != "kind"}
    return LAYERS[layer["kind"]](**values)
