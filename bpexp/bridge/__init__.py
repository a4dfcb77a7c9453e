"""Networks of PyTorch and scikit-learn: conversion both ways, and measurement as they are.

PyTorch is imported when a function is called that needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.bridge.sklearn import from_sklearn
from bpexp.errors import BridgeError
from bpexp.nn import Choice, Network

if TYPE_CHECKING:
    from torch import nn

    from bpexp.bridge.diagnosis import Diagnosis
    from bpexp.record.studies import Study

__all__ = ["diagnose", "from_sklearn", "from_torch", "to_torch", "watch"]


def from_torch(
    module: nn.Module, *, cost: str | Choice | None = None, task: str = "classification"
) -> Network:
    """Return a network with the function, the parameters and the dtype of a PyTorch module.

    The module is a chain of nn.Linear with one activation after each but the last, and at its end
    nothing, Softmax, LogSoftmax or an activation. BatchNorm1d, LayerNorm or RMSNorm may stand
    before the activations. Skip connections are recognised where they are in the order pre, post
    or full of `bpexp.nn.skips`. Flatten, Identity and, in evaluation mode, Dropout are passed over.
    The module may be nested, and `forward` may use functions, as far as torch.fx can trace it.

    Outputs are probabilities, also where the module ends before the softmax, as CrossEntropyLoss
    wants it. A layer without a bias gets a bias of 0, which training here changes.

    Args:
        module: the module; its parameters are copied.
        cost: the cost, a name or a Choice with parameters. None: cross_entropy; of a module that
            ends in Sigmoid binary_cross_entropy, in another activation squared_error with it; in
            regression squared_error.
        task: classification or regression.

    Raises:
        BridgeError: the module has no equal; each operation that has none is named.
    """
    network: Network = _file("reading").convert(module, cost, task)
    return network


def to_torch(network: Network, *, logits: bool = False) -> nn.Sequential:
    """Return a PyTorch module with the function, the parameters and the dtype of a network.

    It is an nn.Sequential of nn.Linear, norms and activations; a block with a skip connection is a
    module x + scale * body(x). `bpexp.from_torch` returns an equal network. The module is in
    training mode, so batch norms use the statistics of the batch until `module.eval()`.

    Args:
        network: the network; its parameters are copied.
        logits: leave out the output activation: CrossEntropyLoss and BCEWithLogitsLoss take the
            numbers before it. Otherwise the module's outputs are those of `Network.outputs`.

    Raises:
        BridgeError: PyTorch has no equal of a layer or of an activation, which is named.
    """
    return _file("writing").convert(network, logits)


def diagnose(module: nn.Module, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> Diagnosis:
    """Measure each layer of any PyTorch module, in one forward and one backward pass.

    A layer is a call of a linear function or a convolution; z is the argument of the activation
    that follows, behind a norm or a skip connection's sum. Instruments are those of
    `bpexp.load_layers` where they are defined: factors of the backward signal only between layers
    that follow each other directly and in modules without skip connections. delta is the gradient
    with respect to z. Layers inside of fused functions, such as those of attention, are left out.

    Parameters, their `grad`, buffers and the random state are as before.

    Args:
        module: the module, in training or evaluation mode, which is kept.
        loss: `loss(module(x), y)` is the mean loss over the examples.
        x: a tensor of inputs, the examples first.
        y: what `loss` takes as targets.

    Raises:
        BridgeError: the forward pass calls no linear layer and no convolution, or the loss is not
            one number that depends on the parameters.
    """
    found: Diagnosis = _file("diagnosis").diagnose(module, loss, x, y)
    return found


def watch(
    module: nn.Module,
    *,
    every: int = 100,
    study: str = "watched",
    name: str = "",
    root: str | Path = ".",
    steps_per_epoch: int | None = None,
) -> AbstractContextManager[Study]:
    """Follow a training loop of PyTorch into a study's folder, as a run.

    The loop itself is unchanged::

        with bpexp.watch(module, every=100) as study:
            ...  # the loop
        bpexp.load_layers(study)

    Every `every` steps of an optimizer of the module, from step 0, the layers are measured in the
    loop's own forward and backward pass, on its batch, as `bpexp.diagnose` does. Other steps are
    counted only. The loss is the number whose `backward` is called; accuracy is that of the
    batch, where cross_entropy or nll_loss makes the loss, R2 where mse_loss does. The run's tables
    and its verdict are written at the end; where no score is known there is no verdict.
    `python -m bpexp.sync` copies it into MLflow.

    Args:
        module: the module.
        every: optimizer steps between measurements.
        study: the study's name.
        name: the run's name; the module's type if empty.
        root: the folder that holds runs/.
        steps_per_epoch: optimizer steps an epoch; None: a step counts as an epoch.

    Returns:
        A context manager, which gives the study with this run alone.

    Raises:
        BridgeError: `every` or `steps_per_epoch` is below 1.
    """
    found: AbstractContextManager[Study] = _file("watching").Watch(
        module, every, study, name, Path(root), steps_per_epoch
    )
    return found


def _file(name: str) -> Any:
    """Import a file of this folder that imports PyTorch.

    Raises:
        BridgeError: PyTorch is not installed.
    """
    try:
        return importlib.import_module(f"bpexp.bridge.{name}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise BridgeError(
            "torch: this needs the package torch: pip install 'bpexp[torch]'"
        ) from None
