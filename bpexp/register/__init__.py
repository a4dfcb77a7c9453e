"""Decorators that add a program's own functions to the tables of choices.

An example::

    import bpexp
    import numpy as np

    @bpexp.register.activation
    def squareplus(z, *, b: float = 4.0):
        root = np.sqrt(z * z + b)
        return (z + root) / 2, (1 + z / root) / 2

    if __name__ == "__main__":
        bpexp.main()

A function's name becomes a choice of its key, and its parameters that have a default become
parameters of the choice: `python my_study.py activation=squareplus activation.b=2`. The first line
of its docstring is its text in `--help`. A function without other parameters than those is a
factory: it returns an `Activation`, an `Initializer`, ... as those of the package do. What it
computes in a step is then written for the tape (`bpexp.nn.tape`), and costs nothing more.

A configuration runs no code: it chooses among what the program, or a package with an entry point in
the group `bpexp.plugins`, registered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from bpexp.register.plugins import load_plugins
from bpexp.register.rows import Registered, add, make_row, positional, registered, used

__all__ = [
    "Registered",
    "activation",
    "cost",
    "dataset",
    "init",
    "instrument",
    "load_plugins",
    "optimizer",
    "registered",
    "schedule",
    "used",
]

F = TypeVar("F", bound=Callable[..., Any])


def activation(function: F) -> F:
    """Register an activation.

    Args:
        function: `g(z)`, elementwise, for arrays z of any shape, which returns g(z), or g(z) and
            g'(z). Without g' the slope is found numerically in float64, by one call with complex
            numbers where g takes them, else by eleven calls. g' is compared with the slope of g,
            away from kinks and in both tails. Or a factory that returns a
            `bpexp.nn.activations.Activation`.

    Raises:
        ConfigError: g' is not the slope of g, or g is not finite, or not elementwise.
    """
    from bpexp.nn import ACTIVATIONS
    from bpexp.nn.activations import Activation
    from bpexp.register.activations import plain_activation

    _require_function("activation", function)
    label = f"activation {function.__name__}"

    def build(**given: Any) -> Any:
        shown = ", ".join(f"{key}={value}" for key, value in given.items())
        name = f"{label}({shown})" if shown else label
        return plain_activation(name, partial(function, **given) if given else function)

    return _add("activation", ACTIVATIONS, function, build, 1, Activation)


def init(function: F) -> F:
    """Register an initialization.

    Args:
        function: `variance(n_in, n_out)`, which returns Var W of a layer; weights are normal, and a
            parameter `bias_std` is added. Or a factory that returns a
            `bpexp.nn.initializers.Initializer`.
    """
    from bpexp.nn import INITIALIZERS
    from bpexp.nn.initializers import Initializer
    from bpexp.register.plain import BIAS_STD, plain_init

    build = partial(plain_init, function)
    return _add("init", INITIALIZERS, function, build, 2, Initializer, BIAS_STD)


@overload
def optimizer(function: F, /) -> F: ...
@overload
def optimizer(*, slots: int) -> Callable[[F], F]: ...
def optimizer(function: Any = None, /, *, slots: int = 0) -> Any:
    """Register an optimizer.

    Args:
        function: `direction(gradient, state, step)` of one network, which returns what is
            subtracted from theta, times the learning rate, (P,). `gradient` (P,) is the batch's,
            clipped and with the penalty's; `state` (slots, P) is 0 at first and changed in place;
            `step` counts from 1, and stays 0 without slots. Parameters `weight_decay` and
            `clip_norm` are added. Or a factory that returns a `bpexp.nn.updates.Optimizer`.
        slots: how many arrays of theta's shape the rule keeps.
    """
    from bpexp.nn import OPTIMIZERS
    from bpexp.nn.updates import Optimizer
    from bpexp.register.plain import OPTIMIZER, plain_optimizer

    def add_rule(rule: Callable[..., Any]) -> Callable[..., Any]:
        build = partial(plain_optimizer, rule, slots)
        return _add("optimizer", OPTIMIZERS, rule, build, 3, Optimizer, OPTIMIZER)

    return add_rule if function is None else add_rule(function)


def cost(function: F) -> F:
    """Register a cost of linear outputs.

    Args:
        function: `cost(z, t)` for outputs and targets (K, ...), which returns C of each example,
            (...), and dC/dz, (K, ...). dC/dz is compared with differences of C. Or a factory that
            returns a `bpexp.nn.costs.Cost`.

    Raises:
        ConfigError: dC/dz is not the derivative of C.
    """
    from bpexp.nn import COSTS
    from bpexp.nn.costs import Cost
    from bpexp.register.plain import plain_cost

    return _add("cost", COSTS, function, partial(plain_cost, function), 2, Cost)


def schedule(function: F) -> F:
    """Register a learning-rate schedule.

    Args:
        function: `factor(step, steps)`, from 0 to 1, of step 1 .. steps after the warmup; a
            parameter `warmup` is added. Or a factory that returns a
            `bpexp.training.schedules.Schedule`.
    """
    from bpexp.register.plain import WARMUP, plain_schedule
    from bpexp.training import SCHEDULES
    from bpexp.training.schedules import Schedule

    build = partial(plain_schedule, function)
    return _add("schedule", SCHEDULES, function, build, 2, Schedule, WARMUP)


def dataset(function: F) -> F:
    """Register a data set.

    Args:
        function: takes keyword parameters alone and returns a `Dataset`, as `bpexp.dataset` does, a
            pair (x, y), or x_train, y_train, x_test and y_test. A parameter `limit` is added.
    """
    from bpexp.data import DATASETS
    from bpexp.register.plain import LIMIT, plain_dataset

    build = partial(plain_dataset, function)
    row = make_row("data", function, build, extra=LIMIT, with_source=False)  # its digest says more
    add("data", DATASETS, function, row)
    return function


@overload
def instrument(function: F, /) -> F: ...
@overload
def instrument(
    *, dims: tuple[str, ...] = (), log: bool = False, hidden: bool = False
) -> Callable[[F], F]: ...
def instrument(
    function: Any = None, /, *, dims: tuple[str, ...] = (), log: bool = False, hidden: bool = False
) -> Any:
    """Register an instrument, which `measure=[NAME]` chooses.

    Args:
        function: takes a `bpexp.probes.network.ProbedNetwork` and returns an array with an axis for
            each dimension, or None where it is not defined.
        dims: names of the dimensions: () for one number a run, ("layer",) for one a layer.
        log: its values span orders of magnitude.
        hidden: only its values in hidden layers are drawn.
    """
    if function is None:
        return partial(_add_instrument, dims=dims, log=log, hidden=hidden)
    return _add_instrument(function, dims, log, hidden)


def _add_instrument(function: F, dims: tuple[str, ...], log: bool, hidden: bool) -> F:
    from bpexp.probes import INSTRUMENTS, Instrument
    from bpexp.register.source import digest

    source = digest(function)
    row = Instrument(function, dims, "network", log=log, hidden=hidden, source=source)
    add("measure", INSTRUMENTS, function, row)
    return function


def _require_function(group: str, function: object) -> None:
    """Raise ConfigError if a name, or another object that is no function, is registered."""
    from bpexp.errors import ConfigError, out_of_range

    if not callable(function) or not hasattr(function, "__name__"):
        raise ConfigError(out_of_range(group, function, "a function with a name"))


def _add(
    group: str,
    table: dict[str, Callable[..., Any]],
    function: F,
    build: Callable[..., Any],
    arguments: int,
    kind: type,
    extra: Any = (),
) -> F:
    """Add a function of `arguments` arguments through `build`, or a factory of `kind` without any.

    Raises:
        ConfigError: it takes more arguments, or makes no `kind` with its defaults.
    """
    from bpexp.errors import ConfigError

    _require_function(group, function)
    given = positional(function)
    if not given:
        build, extra = function, ()
    elif len(given) > arguments:
        raise ConfigError(
            f"{group} {function.__name__}: takes {', '.join(given)} without defaults; at most "
            f"{arguments} are given"
        )
    row = make_row(group, function, build, extra=extra)
    made = row()  # checks it, with its defaults
    if not isinstance(made, kind):
        raise ConfigError(
            f"{group} {function.__name__}: without arguments it is a factory, and it returns "
            f"{type(made).__name__} instead of {kind.__name__}"
        )
    add(group, table, function, row)
    return function
