"""Convert activations and norms between PyTorch modules and choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from bpexp.errors import BridgeError
from bpexp.nn import Choice
from bpexp.nn.norms import NORMS

ACTIVATIONS: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "identity": (nn.Identity, {}),
    "sigmoid": (nn.Sigmoid, {}),
    "tanh": (nn.Tanh, {}),
    "softsign": (nn.Softsign, {}),
    "softplus": (nn.Softplus, {}),
    "relu": (nn.ReLU, {}),
    "leaky": (nn.LeakyReLU, {"negative_slope": "negative_slope"}),
    "elu": (nn.ELU, {"alpha": "alpha"}),
    "selu": (nn.SELU, {}),
    "silu": (nn.SiLU, {}),
    "gelu": (nn.GELU, {}),
}
"""The module class of each activation, and the module's name for each of its parameters."""


def activation(place: str, module: nn.Module) -> Choice:
    """Return the activation that a module computes.

    Args:
        place: names the module in messages.
        module: an activation.

    Raises:
        BridgeError: no activation of bpexp computes the same function.
    """
    if isinstance(module, nn.GELU) and module.approximate != "tanh":
        raise BridgeError(
            f"module: no equivalent of {place}: its erf form; use nn.GELU(approximate='tanh')"
        )
    if isinstance(module, nn.Softplus) and module.beta != 1:
        raise BridgeError(f"module: no equivalent of {place}: beta={module.beta:g}; it must be 1")
    for name, (kind, parameters) in ACTIVATIONS.items():
        if type(module) is kind:
            return Choice(name, {key: getattr(module, own) for key, own in parameters.items()})
    raise BridgeError(f"module: no equivalent of {place}")


def activation_module(choice: Choice) -> Any:
    """Return the module of an activation.

    Raises:
        BridgeError: PyTorch has no such module.
    """
    if choice.name not in ACTIVATIONS:
        raise BridgeError(f"network: PyTorch has no equivalent of activation={choice}")
    kind, parameters = ACTIVATIONS[choice.name]
    given = {parameters[key]: value for key, value in choice.parameters.items()}
    if choice.name == "leaky":
        given.setdefault("negative_slope", 0.01)
    return nn.GELU(approximate="tanh") if choice.name == "gelu" else kind(**given)


def norm(place: str, module: Any) -> Choice:
    """Return the norm that a module computes.

    Args:
        place: names the module in messages.
        module: a BatchNorm1d, LayerNorm or RMSNorm.

    Raises:
        BridgeError: no norm of bpexp computes the same function.
    """
    if isinstance(module, nn.BatchNorm1d):
        if module.momentum is None or not module.track_running_stats:
            raise BridgeError(
                f"module: no equivalent of {place}: it lacks a momentum or running statistics"
            )
        given = {"affine": module.affine, "eps": module.eps, "momentum": module.momentum}
        return Choice("batch", given)
    if len(module.normalized_shape) != 1:
        raise BridgeError(f"module: no equivalent of {place}: it normalises over several axes")
    affine = bool(module.elementwise_affine)
    if isinstance(module, nn.RMSNorm):
        dtype = module.weight.dtype if affine else torch.get_default_dtype()
        eps = torch.finfo(dtype).eps if module.eps is None else module.eps
        return Choice("rms", {"affine": affine, "eps": eps})
    return Choice("layer", {"affine": affine, "eps": module.eps})


def norm_module(choice: Choice, n: int) -> Any:
    """Return the module of a norm over n units."""
    built = choice.build(NORMS)
    if built is None:
        return None
    if built.momentum is not None:
        return nn.BatchNorm1d(n, eps=built.eps, momentum=built.momentum, affine=built.affine)
    kind = nn.LayerNorm if built.centred else nn.RMSNorm
    return kind(n, eps=built.eps, elementwise_affine=built.affine)


def equal(choices: Sequence[tuple[str, Choice]], what: str) -> Choice:
    """Return the choice that is common to all layers.

    Args:
        choices: the place and the choice of each layer; at least one.
        what: names the quantity in the message.

    Raises:
        BridgeError: two layers differ; the message names both.
    """
    (first, choice), *others = choices
    for place, other in others:
        if other != choice:
            raise BridgeError(
                f"module: {what}: {place} is {other}, and {first} is {choice}; a Network has one "
                "for all hidden layers"
            )
    return choice
