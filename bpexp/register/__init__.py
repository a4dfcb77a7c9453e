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
of its docstring is its text in `--help`. A function that has only parameters with a default is a
factory: it returns an `Activation`, an `Initializer`, ... as the factories of the package do. Its
computation in a step is then recorded on the tape (`bpexp.nn.tape`) and is as fast as theirs.

A configuration cannot run code: it chooses among the functions that the program, or a package with
an entry point in the group `bpexp.plugins`, has registered.
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
        function: an elementwise function `g(z)` of arrays of any shape, which returns g(z), or g(z)
            and g'(z); or a factory that returns a `bpexp.nn.activations.Activation`. A given g' is
            compared with the numerical slope of g, away from kinks and in both tails. Without g'
            the slope is computed numerically in float64, by one call if g accepts complex numbers,
            else by eleven calls.

    Raises:
        ConfigError: g' is not the slope of g, or g is not finite or not elementwise.
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
        function: `variance(n_in, n_out)`, which returns Var W of a layer; or a factory that returns
            a `bpexp.nn.initializers.Initializer`. With a variance, weights are normal, and the
            choice has the further parameter `bias_std`.
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
        function: `direction(gradient, state, step)` of one network, which returns an array (P,):
            theta <- theta - lr direction. Or a factory that returns a `bpexp.nn.updates.Optimizer`.
            `gradient` (P,) is that of the batch after clipping and with weight decay. `state`
            (slots, P) is initially 0 and is changed in place. `step` counts from 1; it is always 0
            without slots. The choice has the further parameters `weight_decay` and `clip_norm`.
        slots: the number of arrays of theta's shape in the rule's state.
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
            (...), and dC/dz, (K, ...); or a factory that returns a `bpexp.nn.costs.Cost`. dC/dz is
            compared with differences of C.

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
        function: `factor(step, steps)`, from 0 to 1, of step 1 .. steps after the warmup; or a
            factory that returns a `bpexp.training.schedules.Schedule`. With a factor, the choice
            has the further parameter `warmup`.
    """
    from bpexp.register.plain import WARMUP, plain_schedule
    from bpexp.training import SCHEDULES
    from bpexp.training.schedules import Schedule

    build = partial(plain_schedule, function)
    return _add("schedule", SCHEDULES, function, build, 2, Schedule, WARMUP)


def dataset(function: F) -> F:
    """Register a data set.

    Args:
        function: a function of keyword parameters, which returns a `Dataset` such as that of
            `bpexp.dataset`, a pair (x, y), or x_train, y_train, x_test and y_test. The choice has
            the further parameter `limit`.
    """
    from bpexp.data import DATASETS
    from bpexp.register.plain import LIMIT, plain_dataset

    build = partial(plain_dataset, function)
    # Without the source's digest, because the examples have a digest.
    row = make_row("data", function, build, extra=LIMIT, with_source=False)
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
        function: a function of a `bpexp.probes.network.ProbedNetwork`, which returns an array with
            an axis for each dimension, or None if it is not defined.
        dims: names of the dimensions: () for one number per run, ("layer",) for one per layer.
        log: whether its values span orders of magnitude.
        hidden: whether only its values in hidden layers are drawn.
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
    """Raise ConfigError if a name, or another object that is not a function, is registered."""
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
    """Add a factory of `kind`, or a function of at most `arguments` arguments, wrapped by `build`.

    Raises:
        ConfigError: it takes more arguments, or its factory does not return a `kind`.
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
