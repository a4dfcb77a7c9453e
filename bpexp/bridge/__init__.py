"""Networks of PyTorch and scikit-learn: conversion, and measurement without conversion.

PyTorch is imported by the first call of a function that needs it.
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

    The module must be a chain of nn.Linear with one activation after each layer except the last. It
    may end with Softmax, LogSoftmax or an activation. BatchNorm1d, LayerNorm or RMSNorm may precede
    the activations. Skip connections are recognised in the orders pre, post and full of
    `bpexp.nn.skips`. Flatten, Identity and, in evaluation mode, Dropout are ignored. The module may
    be nested, and `forward` may use functions if torch.fx can trace them.

    With cross_entropy the outputs of the network are probabilities, even if the module returns
    logits, as CrossEntropyLoss requires. A layer without a bias gets a bias of 0, which training
    then updates.

    Args:
        module: the module; its parameters are copied.
        cost: the cost, a name or a Choice with parameters. None selects squared_error for
            regression. For classification it selects binary_cross_entropy if the module ends with
            Sigmoid, squared_error with this output if it ends with another activation, and
            cross_entropy otherwise.
        task: classification or regression.

    Raises:
        BridgeError: the module has operations without an equivalent; the message names them.
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
        logits: whether to leave out the output activation, as CrossEntropyLoss and
            BCEWithLogitsLoss require. Otherwise the module's outputs are those of
            `Network.outputs`.

    Raises:
        BridgeError: PyTorch has no equivalent of a layer or an activation; the message names it.
    """
    return _file("writing").convert(network, logits)


def diagnose(module: nn.Module, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> Diagnosis:
    """Measure each layer of any PyTorch module, in one forward and one backward pass.

    A layer is a call of a linear function or a convolution. z is the argument of the activation
    that follows, after a norm or the sum of a skip connection. delta is the gradient with respect
    to z. The instruments are those of `bpexp.load_layers` that are defined for the module. The
    factors of the backward signal are measured only between consecutive layers, in modules without
    skip connections. Layers inside fused functions, such as attention, are left out.

    Parameters, their `grad`, buffers and the random state do not change.

    Args:
        module: the module, in training or evaluation mode, which does not change.
        loss: `loss(module(x), y)` is the mean loss over the examples.
        x: a tensor of inputs, the examples first.
        y: the targets, second argument of `loss`.

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
    """Record a training loop of PyTorch as a run in a study's folder.

    The loop itself is unchanged::

        with bpexp.watch(module, every=100) as study:
            ...  # the loop
        bpexp.load_layers(study)

    The layers are measured as in `bpexp.diagnose`, at step 0 and then every `every` optimizer
    steps, in the loop's own forward and backward pass on its batch. Other steps are only counted.
    The loss is the tensor whose `backward` method the loop calls. The score is the accuracy on
    the batch if cross_entropy or nll_loss computes the loss, and R2 if mse_loss does. The run's
    tables and its verdict are written at the end; without a score there is no verdict. `python -m
    bpexp.sync` copies the run into MLflow.

    Args:
        module: the module.
        every: optimizer steps between measurements.
        study: the study's name.
        name: the run's name; the module's type if empty.
        root: the folder that holds runs/.
        steps_per_epoch: optimizer steps of an epoch; None: a step counts as an epoch.

    Returns:
        A context manager, whose value is a study of this run.

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
