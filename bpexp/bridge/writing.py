"""Make a PyTorch module from a Network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from bpexp.bridge.modules import Residual
from bpexp.bridge.rows import activation_module, norm_module
from bpexp.errors import BridgeError
from bpexp.nn import Choice, Network
from bpexp.nn.choices import NONE
from bpexp.nn.costs import COSTS
from bpexp.nn.layers.fixup import Fixup, Zero
from bpexp.nn.layers.residual import Residual as ResidualLayer
from bpexp.nn.skips import SKIPS

ENDINGS: Mapping[str, Any] = {
    "cross_entropy": lambda: nn.Softmax(dim=1),
    "binary_cross_entropy": nn.Sigmoid,
}


def convert(network: Network, logits: bool) -> nn.Sequential:
    """Return the module of a network, as `bpexp.to_torch`."""
    return _Writing(network).module(logits)


class _Writing:
    """The modules of a network, layer by layer."""

    def __init__(self, network: Network) -> None:
        self._network, self._shape = network, network.architecture
        self._states = self._shape.states(network.state)
        self._dtype = torch.float64 if network.theta.dtype == "float64" else torch.float32
        for number, layer in enumerate(self._shape.layers, start=1):
            if isinstance(layer, Fixup | Zero):
                raise BridgeError(f"network: PyTorch has no equivalent of layer {number}, {layer}")

    def module(self, logits: bool) -> nn.Sequential:
        """Return the module of the whole network."""
        last, stream = len(self._shape.layers), self._shape.skip.build(SKIPS)
        parts: list[Any] = []
        if stream is None or last == 1:
            for number in range(1, last):
                parts += [self._linear(number, "theta"), *self._after(number)]
        else:
            parts = self._blocks(stream.order, stream.every)
        parts.append(self._linear(last, "theta"))
        if not logits:
            parts += self._ending()
        return nn.Sequential(*parts).to(self._dtype)

    def _blocks(self, order: str, every: int) -> list[Any]:
        """Return the modules of the hidden layers of a residual network."""
        depth = len(self._shape.layers) - 1
        parts = [self._linear(1, "theta"), *(self._after(1) if order == "post" else ())]
        for end in range(1 + every, depth + 1, every):
            body: list[Any] = []
            for number in range(end - every + 1, end + 1):
                if order == "pre":
                    body += [*self._after(number - 1), self._linear(number, "theta")]
                else:
                    body += [self._linear(number, "theta"), *self._after(number)]
            if order == "full":
                body.append(self._linear(end, "outer"))
            parts.append(Residual(nn.Sequential(*body), self._scale(end)))
        return [*parts, *(self._after(depth) if order == "pre" else ())]

    def _linear(self, number: int, name: str) -> nn.Linear:
        theta = self._network.parameters[number - 1][name]
        linear = nn.Linear(len(theta) - 1, theta.shape[1], dtype=self._dtype)
        _fill(linear.weight, theta[1:].T)
        _fill(linear.bias, theta[0])
        return linear

    def _after(self, number: int) -> list[Any]:
        """Return the norm and the activation of a hidden layer."""
        layer: Any = self._shape.layers[number - 1]
        norm = norm_module(getattr(layer, "norm", NONE), layer.n_out)
        act = activation_module(self._shape.activation)
        if norm is None:
            return [act]
        norm.to(self._dtype)
        arrays, state = self._network.parameters[number - 1], self._states[number - 1]
        for name, attribute in (("gain", "weight"), ("shift", "bias")):
            if name in arrays:
                _fill(getattr(norm, attribute), arrays[name])
        if "running_mean" in state:
            _fill(norm.running_mean, state["running_mean"])
            _fill(norm.running_var, state["running_variance"])
        return [norm, act]

    def _scale(self, number: int) -> Any:
        layer = self._shape.layers[number - 1]
        assert isinstance(layer, ResidualLayer)
        if not layer.trained:
            return layer.scale
        value = self._network.parameters[number - 1]["scale"]
        return nn.Parameter(torch.tensor(value, dtype=self._dtype))

    def _ending(self) -> list[Any]:
        """Return the output activation."""
        cost = self._shape.cost
        if cost.name in ENDINGS:
            return [ENDINGS[cost.name]()]
        output = cost.build(COSTS)
        if output.linear:
            return []
        if cost.name != "squared_error":
            raise BridgeError(f"network: PyTorch has no equivalent of the outputs of cost={cost}")
        return [activation_module(Choice(str(cost.parameters.get("output", "sigmoid"))))]


def _fill(place: torch.Tensor, values: NDArray[Any]) -> None:
    with torch.no_grad():
        place.copy_(torch.tensor(values.copy()))
