"""Layer statistics of a PyTorch module, from a recorded forward pass and its loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bpexp.bridge.listening import BOUNDED, LABELLED, Heard, Listener
from bpexp.errors import BridgeError
from bpexp.probes import INSTRUMENTS
from bpexp.probes.statistics import RECORDED, LayerStatistics
from bpexp.probes.values import Value
from bpexp.training import Observation

SATURATED = 0.05  # share of the largest slope below which a unit is saturated
MEASURED = {
    name: row for name, row in INSTRUMENTS.items() if row.of == "statistics" and not row.source
}


def observe(
    module: nn.Module,
    heard: Listener,
    loss: torch.Tensor,
    examples: int,
    *,
    step: int = 0,
    epoch: float = 0.0,
    moved: Sequence[float] | None = None,
) -> Observation:
    """Return the measurements of a module's layers; `.grad` of its parameters is not changed.

    Args:
        module: the module.
        heard: the layers of its forward pass.
        loss: the mean loss over the examples, whose graph is kept.
        examples: B, the number of examples of the batch.
        step: number of optimizer steps so far.
        epoch: number of epochs so far.
        moved: norm of the change of each layer's parameters in the last step.

    Raises:
        BridgeError: there is no layer, or the loss does not depend on one.
    """
    if not heard.layers:
        raise BridgeError("module: its forward pass calls no linear layer and no convolution")
    if not (isinstance(loss, torch.Tensor) and loss.numel() == 1 and loss.requires_grad):
        raise BridgeError("loss: it is not one number that depends on the module's parameters")
    statistics = _statistics(module, heard, loss, examples, moved)
    layers: dict[str, NDArray[np.float64]] = {}
    arrays: dict[str, Value] = {}
    with np.errstate(all="ignore"):
        for name, row in MEASURED.items():
            value = row.measure(statistics)
            if value is None or (row.optional and np.isnan(value[0]).all()):
                continue
            if row.dims:
                layers[name] = value[0]
            else:
                arrays[name] = float(value[0])
    metrics = {"loss/train": float(loss.detach()), **scores(heard)}
    return Observation(step, epoch, metrics, layers, arrays)


def scores(heard: Listener) -> dict[str, float]:
    """Return the score of the batch, if the loss function determines which score it is."""
    loss = heard.loss
    if loss is None or not isinstance(loss.targets, torch.Tensor):
        return {}
    outputs, targets = loss.outputs, loss.targets.detach()
    if loss.name in LABELLED and not targets.is_floating_point():
        right = outputs.argmax(1 if outputs.dim() > 1 else 0) == targets
        return {"accuracy/train": float(right.double().mean())}
    if loss.name == "mse_loss":
        error, wide = (outputs - targets).double(), targets.double()
        spread = float((wide - wide.mean(0)).square().sum())
        squares = float(error.square().sum())
        r2 = 1 - squares / spread if spread else math.nan
        return {"r2/train": r2, "mse/train": float(error.square().mean())}
    return {}


def chance(heard: Listener) -> float:
    """Return the score of the best constant guess on the batch."""
    if "accuracy/train" not in scores(heard) or heard.loss is None:
        return 0.0
    counts = torch.bincount(heard.loss.targets.flatten())
    return float(counts.max() / counts.sum())


def norm(value: Any) -> float:
    """Return the Frobenius norm of a tensor in float64; 0 for None."""
    return 0.0 if value is None else float(torch.linalg.vector_norm(value.detach().double()))


def _statistics(
    module: nn.Module,
    heard: Listener,
    loss: torch.Tensor,
    examples: int,
    moved: Sequence[float] | None,
) -> LayerStatistics:
    layers, last = heard.layers, len(heard.layers) - 1
    inner = [value for layer in layers for value in (layer.z, layer.u, layer.a)]
    own = {id(p): p for p in module.parameters() if p.requires_grad}
    wanted = {id(v): v for v in inner if v is not None and v.requires_grad} | own
    found = torch.autograd.grad(loss, list(wanted.values()), retain_graph=True, allow_unused=True)
    gradients = dict(zip(wanted, found, strict=True))
    rows = {name: np.full((1, len(layers)), np.nan) for name in RECORDED}
    seen: set[int] = set()
    for index, layer in enumerate(layers):
        seen |= {id(value) for value in (layer.weight, layer.bias)}
        values = _of_layer(layer, gradients, examples, index == last, heard)
        above = layers[index + 1] if index < last else None
        if above is not None and above.follows and layer.uses == 1:
            a = layer.z if layer.a is None else layer.a
            values["signal"] = examples * norm(gradients.get(id(a)))
        values["moved"] = math.nan if moved is None else moved[index]
        for name, value in values.items():
            rows[name][0, index] = value
    rows["other_gradient"][:] = 0
    others = [norm(gradients[key]) for key in own if key not in seen]
    rows["other_gradient"][0, 0] = math.hypot(*others) if others else 0.0
    return LayerStatistics(
        examples,
        heard.residual,
        np.array([bool(layer.norm) for layer in layers]),
        np.array([layer.z.numel() / examples for layer in layers]),
        np.array([float(layer.weight.numel()) for layer in layers]),
        **rows,
    )


def _of_layer(
    layer: Heard, gradients: dict[int, Any], examples: int, last: bool, heard: Listener
) -> dict[str, float]:
    z = layer.z.detach().double()
    a = z if layer.a is None else layer.a.detach().double()
    lengths = z.reshape(examples, -1).norm(dim=1, keepdim=True)
    weight = gradients.get(id(layer.weight))
    values = {
        "mean": float(a.mean()),
        "spread": float((a - a.mean()).square().sum()),
        "squares": float(z.square().sum()),
        "resultant": float((z.reshape(examples, -1) / lengths).sum(0).square().sum()),
        "theta": math.hypot(norm(layer.weight), norm(layer.bias)),
    }
    if id(layer.z) in gradients:
        values["delta"] = examples * norm(gradients[id(layer.z)])
    if layer.norm:
        values["error"] = examples * norm(gradients.get(id(layer.u)))
    if weight is not None:
        tiny = torch.finfo(weight.dtype).tiny
        values["gradient"] = norm(weight)
        values["bias_gradient"] = norm(gradients.get(id(layer.bias)))
        values["nonzero"] = float(torch.count_nonzero(weight))
        values["small"] = float((weight.abs() < tiny).sum())
    is_cancelled = heard.loss is not None and heard.loss.name == "binary_cross_entropy"
    slope = _slope(layer, z)
    if layer.activation in BOUNDED and not (last and is_cancelled):
        bound = SATURATED * BOUNDED[layer.activation]
        values["saturated"] = float((slope.abs() < bound).sum())
    if not last:
        units = z.numel() / examples
        channels = slope.movedim(layer.axis, 0).flatten(1)
        values["alive"] = float((channels != 0).any(1).double().mean()) * units
    return values


def _slope(layer: Heard, z: torch.Tensor) -> torch.Tensor:
    """Return g'(z), which is 1 without an activation."""
    if layer.function is None:
        return torch.ones_like(z)
    with torch.enable_grad():
        at = layer.z.detach().clone().requires_grad_()
        out = layer.function(at * 1)  # z * 1 is a copy, because the function may work in place
        return torch.autograd.grad(out.sum(), at)[0].detach().double()
