"""Find the layers of any PyTorch module from the function calls of its forward pass.

A layer is a call of a linear function or a convolution. Its z is the argument of the activation
that follows, after a norm or the sum of a skip connection if there is one. Without an activation z
is the layer's own result. Layers inside fused functions, such as attention, are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

LINEAR = {"linear": -1, "conv1d": 1, "conv2d": 1, "conv3d": 1}
"""Functions of layers, and the axis of their units or channels."""
NORMS = {"batch_norm", "layer_norm", "rms_norm", "group_norm", "instance_norm"}
BOUNDED = {"sigmoid": 0.25, "tanh": 1.0, "softsign": 1.0, "hardtanh": 1.0, "relu6": 1.0}
"""Activations with two asymptotes, and their largest slope."""
ACTIVATIONS = {
    *BOUNDED,
    *("relu", "leaky_relu", "prelu", "elu", "selu", "celu", "silu", "gelu", "mish", "softplus"),
    *("hardswish", "hardsigmoid", "logsigmoid", "threshold"),
}
VIEWS = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous"}
SUMS = {"add", "__add__", "__iadd__", "__radd__"}
LABELLED = {"cross_entropy", "nll_loss"}
LOSSES = {*LABELLED, "mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}


@dataclass
class Heard:
    """One layer of a forward pass.

    Attributes:
        name: name of the module with its weights.
        weight: W in PyTorch's layout, (n_l, n_{l-1}) or with the axes of a kernel.
        bias: b, or None.
        below: the input of the layer.
        u: the result of the layer.
        axis: the axis of u's units or channels.
        z: the argument of the activation.
        a: the activation's result; None without an activation.
        activation: the activation's name.
        function: the activation.
        norm: the name of the norm before the activation.
        gain, shift: the norm's parameters.
        follows: whether its input is a of the layer before, possibly reshaped.
        uses: the number of functions with the input a.
    """

    name: str
    weight: Any
    bias: Any
    below: Any
    u: Any
    axis: int
    z: Any
    follows: bool
    a: Any = None
    activation: str = "identity"
    function: Callable[[Any], Any] | None = None
    norm: str = ""
    gain: Any = None
    shift: Any = None
    uses: int = 0


@dataclass(frozen=True)
class Loss:
    """A call of a loss function: its name, outputs and targets."""

    name: str
    outputs: Any
    targets: Any


@dataclass
class _Place:
    """The layer of a tensor, and whether the tensor is the layer's a."""

    layer: int
    is_activity: bool
    kept: Any = field(repr=False)  # the reference keeps the id of the tensor valid


class Listener(TorchFunctionMode):
    """A context that records the layers of the functions that are called in it.

    Linear layers, norms, activations and sums return copies of their results, so that later
    in-place operations do not change recorded tensors.

    Attributes:
        layers: the layers, in the order of their calls.
        loss: the last loss function that was called.
        residual: whether the forward pass adds the results of layers.
    """

    def __init__(self, module: nn.Module, on_backward: Callable[[Any], None] | None = None) -> None:
        """Begin without layers.

        Args:
            module: the module; the names of its submodules are the names of the layers.
            on_backward: called before the first call of `backward`, with its tensor.
        """
        super().__init__()
        self._names = {
            id(value): name.rpartition(".")[0] or name for name, value in module.named_parameters()
        }
        self._on_backward = on_backward
        self._places: dict[int, _Place] = {}
        self.layers: list[Heard] = []
        self.loss: Loss | None = None
        self.residual = False

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function, and record it if it belongs to a layer."""
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "backward" and self._on_backward and args:
            handle, self._on_backward = self._on_backward, None
            handle(args[0])
        read = args[0] if args else given.get("input")
        places = [place for value in args if (place := self._places.get(id(value)))]
        if name == "__get__" or (not places and name not in LINEAR and name not in LOSSES):
            return func(*args, **given)
        place = self._places.get(id(read))
        plain = name if name.startswith("__") else name.rstrip("_")
        if plain in ACTIVATIONS and place and not place.is_activity:
            return self._activate(plain, func, args, given, place.layer)
        result = func(*args, **given)
        if not isinstance(result, torch.Tensor):
            return result
        if name in LINEAR:
            return self._add(LINEAR[name], given | dict(zip(_NAMES, args, strict=False)), result)
        for other in places:
            if other.is_activity and plain not in VIEWS:
                self.layers[other.layer].uses += 1
        if name in LOSSES:
            targets = given.get("target", args[1] if len(args) > 1 else None)
            outputs = given["input"] if read is None else read
            self.loss = Loss(name, outputs.detach(), targets)
        elif plain in NORMS and place and not place.is_activity:
            return self._normalise(plain, args, given, result, place.layer)
        elif plain in SUMS and len(args) > 1 and isinstance(args[1], torch.Tensor):
            return self._sum(result, max(other.layer for other in places))
        elif plain in VIEWS and place:
            self._keep(result, place.layer, place.is_activity)
        return result

    def _add(self, axis: int, given: Mapping[str, Any], result: Any) -> Any:
        below, weight, bias = given["input"], given["weight"], given.get("bias")
        number, place = len(self.layers), self._places.get(id(below))
        follows = place is not None and place.layer == number - 1
        if place is not None:
            source = self.layers[place.layer]
            if place.is_activity:
                source.uses += 1
            else:  # a layer without an activation
                source.a, source.uses = source.z, source.uses + 1
        name = self._names.get(id(weight), f"layer {number + 1}")
        heard = Heard(name, weight, bias, below.detach(), result, axis, result, follows)
        self.layers.append(heard)
        return self._passed(result, number)

    def _activate(self, name: str, func: Any, args: Any, given: Any, number: int) -> Any:
        layer, others = self.layers[number], args[1:]
        layer.activation = name
        layer.function = lambda z: func(z, *others, **given)
        layer.a = func(*args, **given)
        passed = layer.a.clone()
        self._keep(passed, number, True)
        return passed

    def _normalise(self, name: str, args: Any, given: Any, result: Any, number: int) -> Any:
        layer = self.layers[number]
        layer.norm, layer.z = name, result
        at = {"batch_norm": 3, "instance_norm": 3}.get(name, 2)
        layer.gain = given.get("weight", args[at] if len(args) > at else None)
        layer.shift = given.get("bias", args[at + 1] if len(args) > at + 1 else None)
        if name == "rms_norm":
            layer.shift = None
        return self._passed(result, number)

    def _sum(self, result: Any, number: int) -> Any:
        self.residual = True
        layer = self.layers[number]
        if layer.a is not None:  # the sum is after the activation
            self._places.pop(id(result), None)
            return result
        layer.z = result
        return self._passed(result, number)

    def _passed(self, result: Any, number: int) -> Any:
        """Return a copy of a layer's result, and record that it is the layer's."""
        copy = result.clone()
        self._keep(copy, number, False)
        return copy

    def _keep(self, tensor: Any, number: int, is_activity: bool) -> None:
        self._places[id(tensor)] = _Place(number, is_activity, tensor)


_NAMES = ("input", "weight", "bias")
