"""Make a Network from a PyTorch module: its architecture and its arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bpexp.bridge.operations import (
    ACTIVATION,
    FACTOR,
    LINEAR,
    NORM,
    SUM,
    Operation,
    operations,
)
from bpexp.bridge.rows import activation, equal, norm
from bpexp.errors import BridgeError
from bpexp.nn import COSTS, Architecture, Choice, Network
from bpexp.nn.arrays import Arrays
from bpexp.nn.choices import NONE, Value, as_choice
from bpexp.nn.tasks import find_task

# Operations in order, with {m} for the layers of a block (see `bpexp.nn.layers.residual`).
PLAIN = re.compile(r"(LN?G?)*L[GS]?")
ORDERS = {
    "pre": r"(?P<begin>L)((N?GL){%d}\*?\+)+N?GL[GS]?",
    "post": r"(?P<begin>LN?G)((LN?G){%d}\*?\+)+L[GS]?",
    "full": r"(?P<begin>L)((LN?G){%d}L\*?\+)+L[GS]?",
}
OUTPUTS = {"cross_entropy": ("none", "softmax"), "binary_cross_entropy": ("none", "sigmoid")}


def convert(module: nn.Module, cost: str | Choice | None, task: str) -> Network:
    """Return the network of a module, as `bpexp.from_torch`."""
    found = operations(module)
    shape = _Shape.of(found)
    dtype = _dtype(module)
    ending = found[-1] if found[-1].kind != LINEAR else None
    hidden = shape.layers[:-1]
    # A linear layer without an activation has the identity.
    acts = [(h.place, activation(*h.act) if h.act else Choice("identity")) for h in hidden]
    if shape.order == "full":
        acts = acts[1:]  # the layer where the stream begins has none
    norms = [
        (h.place, norm(h.norm[0], h.norm[1]) if h.norm else NONE)
        for h in (hidden[1:] if shape.order == "full" else hidden)
    ]
    sizes = [hidden[0].linear.in_features if hidden else shape.layers[0].linear.in_features]
    sizes += [layer.linear.out_features for layer in shape.layers]
    try:
        architecture = Architecture.dense(
            sizes,
            equal(acts, "activation") if acts else "relu",
            _cost(ending, cost, task),
            task,
            shape.skip(),
            equal(norms, "norm") if norms else NONE,
        )
    except ValueError as error:
        raise BridgeError(f"module: {error}") from None
    theta = np.zeros(architecture.n_parameters, dtype)
    state = architecture.initial_state().astype(dtype)
    parameters, states = architecture.parameters(theta), architecture.states(state)
    for layer, arrays, kept in zip(shape.layers, parameters, states, strict=True):
        layer.copy_to(arrays, kept)
    return Network(architecture, theta, state)


@dataclass
class _Layer:
    """The modules of one layer, and the places of norm and activation."""

    place: str
    linear: Any
    norm: tuple[str, Any] | None = None
    act: tuple[str, Any] | None = None
    outer: Any = None
    scale: Any = None

    def copy_to(self, arrays: Arrays, state: Arrays) -> None:
        """Copy the parameters and the state."""
        _copy_linear(self.linear, arrays["theta"])
        if "outer" in arrays:
            _copy_linear(self.outer, arrays["outer"])
        if "scale" in arrays:
            arrays["scale"][...] = _numbers(self.scale).reshape(())
        own = {"gain": "weight", "shift": "bias"}
        for name, attribute in own.items():
            if name in arrays and self.norm:
                value = getattr(self.norm[1], attribute)
                arrays[name][...] = 0 if value is None else _numbers(value)
        names = {"running_mean": "running_mean", "running_variance": "running_var"}
        for name, attribute in names.items():
            if name in state and self.norm:
                state[name][...] = _numbers(getattr(self.norm[1], attribute))


@dataclass(frozen=True)
class _Shape:
    """The layers of a chain of operations, and its skip connections."""

    layers: list[_Layer]
    order: str = ""
    every: int = 1

    @classmethod
    def of(cls, found: Sequence[Operation]) -> _Shape:
        """Return the layers, with the order of skip connections that the operations match.

        Raises:
            BridgeError: the operations match no order.
        """
        kinds = "".join(operation.kind for operation in found)
        if PLAIN.fullmatch(kinds):
            return cls(_layers(found, ""))
        for order, pattern in ORDERS.items():
            for every in (1, 2):
                match = re.fullmatch(pattern % every, kinds)
                if match and _starts_fit(found, match.end("begin") - 1):
                    return cls(_layers(found, order), order, every)
        listed = ", ".join(operation.place for operation in found)
        raise BridgeError(
            f"module: no Network has layers in the order {listed}; bpexp.nn.skips lists the orders"
        )

    def skip(self) -> Choice:
        """Return the skip connections.

        Raises:
            BridgeError: blocks have different scales.
        """
        if not self.order:
            return NONE
        scales = [layer.scale for layer in self.layers[self.every : -1 : self.every]]
        given: dict[str, Value] = {"order": self.order, "every": self.every}
        if all(isinstance(scale, torch.Tensor) for scale in scales):
            if self.order == "full":
                raise BridgeError("module: no equivalent of a trained scale in order full")
            return Choice("rezero", given)
        if len({*scales}) > 1:
            raise BridgeError(f"module: the blocks have different scales: {scales}")
        return Choice("identity", given if scales[0] is None else {**given, "scale": scales[0]})


def _starts_fit(found: Sequence[Operation], begin: int) -> bool:
    """Return whether each skip connection starts where the block before it ends."""
    sums = [index for index, operation in enumerate(found) if operation.kind == SUM]
    return [found[index].start for index in sums] == [begin, *sums[:-1]]


def _layers(found: Sequence[Operation], order: str) -> list[_Layer]:
    layers: list[_Layer] = []
    kinds = "".join(operation.kind for operation in found)
    for index, operation in enumerate(found):
        own = operation.place, operation.what
        if operation.kind == LINEAR:
            if order == "full" and kinds[index + 1 : index + 2] in (FACTOR, SUM):
                layers[-1].outer = operation.what
            else:
                layers.append(_Layer(*own))
        elif operation.kind == NORM:
            layers[-1].norm = own
        elif operation.kind == ACTIVATION:
            layers[-1].act = own
        elif operation.kind == FACTOR:
            layers[-1].scale = operation.what
    return layers


def _cost(ending: Operation | None, cost: str | Choice | None, task: str) -> Choice:
    """Return the cost that has the output activation of the module.

    Raises:
        BridgeError: the given cost has another output activation.
    """
    if ending is None:
        name = "none"
    elif ending.kind == ACTIVATION:
        name = activation(ending.place, ending.what).name
    else:
        name = "softmax"
    if cost is not None:
        chosen = as_choice(cost, "cost", COSTS)
    elif task != "classification":
        chosen = find_task(task).cost
    elif name in ("none", "softmax"):
        chosen = Choice("cross_entropy")
    elif name == "sigmoid":
        chosen = Choice("binary_cross_entropy")
    else:
        chosen = Choice("squared_error", {"output": name})
    output = str(chosen.parameters.get("output", "sigmoid"))
    allowed = OUTPUTS.get(chosen.name, (output, "none") if output == "identity" else (output,))
    if name not in allowed:
        place = ending.place if ending else "a linear layer"
        raise BridgeError(
            f"module: it ends with {place}, and cost={chosen} has the outputs of "
            f"{' or '.join(allowed)}"
        )
    return chosen


def _dtype(module: nn.Module) -> np.dtype[Any]:
    found = {str(value.dtype).removeprefix("torch.") for value in module.parameters()}
    if not found <= {"float32"} and not found <= {"float64"}:
        raise BridgeError(
            f"module: its parameters are {', '.join(sorted(found))}; a Network is float32 or "
            "float64"
        )
    return np.dtype(found.pop())


def _numbers(value: Any) -> NDArray[Any]:
    return np.asarray(value.detach().cpu().numpy())


def _copy_linear(linear: Any, theta: NDArray[Any]) -> None:
    theta[1:] = _numbers(linear.weight).T
    theta[0] = 0 if linear.bias is None else _numbers(linear.bias)
