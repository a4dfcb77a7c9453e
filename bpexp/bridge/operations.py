"""The operations of a PyTorch module on its input, as a list, from torch.fx's trace.

The input of each operation is the result of the one before it. A sum has a second operand: the
earlier result at which a skip connection starts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from bpexp.errors import BridgeError, reason

LINEAR, NORM, ACTIVATION, SOFTMAX, FACTOR, SUM = "LNGS*+"
KINDS: dict[type[Any], str] = {
    nn.Linear: LINEAR,
    **dict.fromkeys((nn.BatchNorm1d, nn.LayerNorm, nn.RMSNorm), NORM),
    **dict.fromkeys((nn.Softmax, nn.LogSoftmax), SOFTMAX),
    **dict.fromkeys((nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Softplus, nn.ReLU), ACTIVATION),
    **dict.fromkeys((nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.GELU), ACTIVATION),
}
# Modules that are equivalent to a function, with their arguments.
MODULES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "relu": (nn.ReLU, ("inplace",)),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope", "inplace")),
    "elu": (nn.ELU, ("alpha", "inplace")),
    "selu": (nn.SELU, ("inplace",)),
    "silu": (nn.SiLU, ("inplace",)),
    "gelu": (nn.GELU, ("approximate",)),
    "sigmoid": (nn.Sigmoid, ()),
    "tanh": (nn.Tanh, ()),
    "softsign": (nn.Softsign, ()),
    "softplus": (nn.Softplus, ("beta", "threshold")),
    "softmax": (nn.Softmax, ("dim",)),
    "log_softmax": (nn.LogSoftmax, ("dim",)),
    "dropout": (nn.Dropout, ("p",)),
    "flatten": (nn.Flatten, ("start_dim",)),
}
SUMS, PRODUCTS = ("add", "iadd"), ("mul", "imul", "truediv")


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        kind: LINEAR, NORM, ACTIVATION, SOFTMAX, FACTOR or SUM.
        place: the name in messages: a submodule's name and type, or a function's name.
        what: the module; for FACTOR the number or parameter to multiply by; None for SUM.
        start: for SUM the index of the operation whose result is added; -1 for the input.
    """

    kind: str
    place: str
    what: Any = None
    start: int = -1


def operations(module: nn.Module) -> list[Operation]:
    """Return the operations of a module on its input.

    Raises:
        BridgeError: it cannot be traced, or has operations of other kinds; the message names them.
    """
    try:
        graph = fx.Tracer().trace(module)
    except Exception as error:  # an exception of the module's own code, called without tensors
        raise BridgeError(f"module: torch.fx cannot trace it: {reason(error)}") from None
    return _Reading(module).read(graph)


class _Reading:
    """The state of reading a graph: the operations so far, and the place of each node's result."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._found: list[Operation] = []
        self._results: dict[fx.Node, int] = {}
        self._constants: dict[fx.Node, Any] = {}
        self._refused: list[str] = []

    def read(self, graph: fx.Graph) -> list[Operation]:
        """Return the operations of a graph, or refuse all that have no equivalent."""
        for node in graph.nodes:
            if node.op == "placeholder":
                self._results[node] = -1
            elif node.op == "get_attr":
                self._constants[node] = operator.attrgetter(node.target)(self._module)
            elif node.op != "output":
                self._read(node)
        inputs = [node.name for node in graph.nodes if node.op == "placeholder"]
        if len(inputs) != 1:
            self._refused.append(f"forward with {len(inputs)} inputs, {', '.join(inputs)}")
        if self._refused:
            raise BridgeError(f"module: no equivalent of {'; '.join(self._refused)}")
        return self._found

    def _read(self, node: fx.Node) -> None:
        name = _name(node)
        if node.op != "call_module" and name in SUMS:
            return self._sum(node)
        if node.op != "call_module" and name in PRODUCTS:
            return self._product(node, name)
        if node.op == "call_module":
            module = self._module.get_submodule(str(node.target))
            place = f"{node.target} ({type(module).__name__})"
        elif name in MODULES:
            kind, given = MODULES[name]
            module = kind(**{key: node.kwargs[key] for key in given if key in node.kwargs})
            module.train(bool(node.kwargs.get("training", True)))
            place = name
            if len(node.args) > 1:
                return self._refuse(node, f"{name} with arguments by position")
        else:
            return self._refuse(node, name)
        if not self._is_last(node.args[0]):
            return self._refuse(node, f"{place}: its input is an earlier result")
        if _is_identity(module):
            self._results[node] = len(self._found) - 1
            return None
        if type(module) not in KINDS:
            return self._refuse(node, place + _hint(module))
        read = node.args[0]
        if getattr(module, "inplace", False) and isinstance(read, fx.Node) and len(read.users) > 1:
            return self._refuse(node, f"{place}: inplace=True overwrites an input of others")
        return self._add(node, Operation(KINDS[type(module)], place, module))

    def _sum(self, node: fx.Node) -> None:
        below, other = node.args[:2]
        if not self._is_last(below):
            below, other = other, below
        if node.kwargs or not (self._is_last(below) and isinstance(other, fx.Node)):
            return self._refuse(node, f"{node.name}: a sum that is not of two results")
        if other not in self._results:
            return self._refuse(node, f"{node.name}: a sum with a parameter")
        return self._add(node, Operation(SUM, node.name, start=self._results[other]))

    def _product(self, node: fx.Node, name: str) -> None:
        below, factor = node.args[:2]
        if not self._is_last(below) and name != "truediv":
            below, factor = factor, below
        number = self._constants.get(factor) if isinstance(factor, fx.Node) else factor
        is_scalar = isinstance(number, int | float | torch.Tensor)
        if isinstance(number, torch.Tensor):
            is_scalar = number.numel() == 1 and name != "truediv"
        if not (self._is_last(below) and is_scalar):
            return self._refuse(node, f"{node.name}: a product that is not with a number")
        factor = 1 / number if name == "truediv" else number  # type: ignore[operator]
        return self._add(node, Operation(FACTOR, node.name, factor))

    def _is_last(self, value: Any) -> bool:
        """Return whether a node's result is that of the last operation."""
        return isinstance(value, fx.Node) and self._results.get(value) == len(self._found) - 1

    def _add(self, node: fx.Node, operation: Operation) -> None:
        self._results[node] = len(self._found)
        self._found.append(operation)

    def _refuse(self, node: fx.Node, what: str) -> None:
        """Record an operation without an equivalent, and continue without it."""
        self._refused.append(what)
        self._results[node] = len(self._found) - 1


def _name(node: fx.Node) -> str:
    """Return the name of a function or method, without the _ of in-place functions."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    return name.rstrip("_")


def _is_identity(module: nn.Module) -> bool:
    """Return whether a module does not change inputs that are vectors."""
    if isinstance(module, nn.Dropout):
        return module.p == 0 or not module.training
    return type(module) is nn.Identity or (type(module) is nn.Flatten and module.start_dim == 1)


def _hint(module: nn.Module) -> str:
    return "; module.eval() turns it off" if isinstance(module, nn.Dropout) else ""
