"""The digest of a function's source, which changes when the function is edited."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from bpexp.errors import ConfigError

CONSTANTS = (bool, int, float, complex, str, bytes, tuple, type(None))


def digest(function: Callable[..., Any]) -> str:
    """Hash the source of a function and of what it uses: 12 hexadecimal digits.

    Functions of the same top-level package that it calls are hashed in the same way. Constants of
    its module (numbers, text, tuples and arrays) are hashed by value, and names of other packages
    by name only. Comments, docstrings, decorators, annotations and layout are not hashed.

    Raises:
        ConfigError: the source cannot be read, for example if it was typed at Python's prompt.
    """
    parts: list[str] = []
    _collect(inspect.unwrap(function), parts, set())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _collect(function: Callable[..., Any], parts: list[str], seen: set[int]) -> None:
    if id(function) in seen or not isinstance(function, FunctionType):
        return
    seen.add(id(function))
    parts += [_text(function), repr(function.__defaults__), repr(function.__kwdefaults__)]
    closure = inspect.getclosurevars(function).nonlocals
    names = sorted(_names(function.__code__) & function.__globals__.keys())
    used = {**{name: function.__globals__[name] for name in names}, **closure}
    for name, value in used.items():
        if isinstance(value, CONSTANTS):
            parts.append(f"{name}={value!r}")
        elif isinstance(value, np.ndarray):
            parts.append(f"{name}={value.dtype}{value.shape}{value.tobytes().hex()}")
        elif isinstance(value, FunctionType) and _package(value) == _package(function):
            _collect(value, parts, seen)


def _names(code: CodeType) -> set[str]:
    """Return the global names of a function and of the functions defined in it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return {*code.co_names}.union(*inner)


def _package(function: FunctionType) -> str:
    return function.__module__.partition(".")[0]


def _text(function: FunctionType) -> str:
    """Return the code of a function in a normal form."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise ConfigError(
            f"{function.__name__}: its source cannot be read; define it in a file or a notebook"
        ) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list, node.returns = [], None
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree)
