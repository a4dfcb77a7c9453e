"""Initializers, optimizers, costs, schedules and data sets from plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.data.dataset import make_dataset
from bpexp.data.given import dataset
from bpexp.errors import ConfigError, reason
from bpexp.nn.activations import Array, Scratch
from bpexp.nn.choices import require
from bpexp.nn.costs import Cost
from bpexp.nn.initializers import Initializer
from bpexp.nn.tape import Emit, assign
from bpexp.nn.tasks import TASKS
from bpexp.nn.updates import Optimizer, Parameters
from bpexp.register.rows import keyword, positional
from bpexp.training.schedules import Schedule

Function = Callable[..., Any]

BIAS_STD = (keyword("bias_std", 0.0),)
OPTIMIZER = (keyword("weight_decay", 0.0), keyword("clip_norm", None, float | None))
WARMUP = (keyword("warmup", 0),)
LIMIT = (keyword("limit", None, int | None),)
STEP = 2.0**-17  # the step of finite differences
TOLERANCE = 1e-6


def plain_init(function: Function, *, bias_std: float, **given: Any) -> Initializer:
    """Return an initializer of normal weights with the variance that the function returns.

    Raises:
        ConfigError: a variance is not a finite number of at least 0.
        ValueError: bias_std is out of range.
    """
    require("bias_std", bias_std, "a finite number of at least 0", 0 <= bias_std < np.inf)
    for shape in ((64, 64), (784, 10), (1, 1)):
        variance = _called("init", function, *shape, **given)
        if not (np.ndim(variance) == 0 and 0 <= float(variance) < np.inf):
            raise ConfigError(
                f"init {function.__name__}: Var W = {variance} of a layer of {shape[0]} inputs and "
                f"{shape[1]} units is not a finite number of at least 0"
            )
    return Initializer(lambda draw: draw, lambda n, m, s: float(function(n, m, **given)), bias_std)


def plain_optimizer(
    function: Function, slots: int, *, weight_decay: float, clip_norm: float | None, **given: Any
) -> Optimizer:
    """Return the rule theta <- theta - eta direction, which is called for each network.

    Raises:
        ConfigError: the direction does not have the shape of the gradient or is not finite.
        ValueError: weight_decay or clip_norm is out of range.
    """
    wanted = len(positional(function))

    def direction(gradient: Array, state: Array, step: int) -> Any:
        return function(*(gradient, state, step)[:wanted], **given)

    for dtype in (np.float32, np.float64):
        tried = np.linspace(-1, 1, 8).astype(dtype)
        found = _called("optimizer", direction, tried, np.zeros((slots, 8), dtype), 1)
        if np.shape(found) != (8,) or not np.isfinite(found).all():
            raise ConfigError(
                f"optimizer {function.__name__}: returns {found} for a gradient of shape (8,), and "
                "not finite numbers of that shape"
            )

    def move(p: Parameters) -> None:
        rates = 1.0 if p.remaining_rate is None else p.remaining_rate
        rates = np.broadcast_to(rates, (len(p.theta), 1))
        for r, theta in enumerate(p.theta):  # one by one, so that networks are independent
            np.multiply(
                direction(p.gradient[r], p.state[:, r], int(p.step)), rates[r], out=p.work[r]
            )
            np.subtract(theta, p.work[r], out=theta)

    def update(emit: Emit, p: Parameters) -> None:
        emit(move, p)

    return Optimizer(slots, update, weight_decay, clip_norm, by_rate=False)


def plain_cost(function: Function, **given: Any) -> Cost:
    """Return a cost of the outputs a = z.

    Raises:
        ConfigError: C or dC/dz has another shape, or dC/dz is not the derivative of C.
    """
    _check_cost(function, given)

    def write(z: Array, t: Array, out: Array) -> None:
        out[...] = function(z, t, **given)[1]

    def delta(emit: Emit, z: Array, t: Array, out: Array, slope: Array, scratch: Scratch) -> None:
        emit(write, z, t, out)

    def value(z: Array, t: Array) -> NDArray[np.float64]:
        wide = z.astype(np.float64), t.astype(np.float64)
        return np.asarray(function(*wide, **given)[0], np.float64)

    def output(emit: Emit, z: Array, out: Array, scratch: Scratch) -> None:
        assign(emit, out, z)

    return Cost(delta, value, output, linear=True)


def _check_cost(function: Function, given: dict[str, Any]) -> None:
    """Compare dC/dz with differences of C, at outputs from 0.01 to 10 away from the targets."""
    label = f"cost {function.__name__}"
    rng = np.random.default_rng(0)
    t = np.tile(np.eye(3), 40)
    z = t + rng.choice([-1, 1], t.shape) * np.geomspace(0.01, 10, t.size).reshape(t.shape)
    found = _called("cost", function, z, t, **given)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise ConfigError(f"{label}: returns {type(found).__name__}, not the pair C, dC/dz")
    value, slope = map(np.asarray, found)
    if value.shape != t.shape[1:] or slope.shape != z.shape:
        raise ConfigError(
            f"{label}: C and dC/dz have the shapes {value.shape} and {slope.shape} for outputs of "
            f"shape {z.shape}, and not {t.shape[1:]} and {z.shape}"
        )
    for k in range(len(z)):
        step = STEP * (np.arange(len(z)) == k)[:, None]
        right, left = (function(z + sign * step, t, **given)[0] for sign in (1, -1))
        expected = (right - left) / (2 * STEP)
        kink = np.abs(right + left - 2 * value) / STEP > 1e-3 * np.abs(expected) + 1e-4
        allowed = TOLERANCE * np.abs(expected) + 1e-9 * (1 + np.abs(value))
        wrong = ~(np.abs(slope[k] - expected) <= allowed) & ~kink
        if wrong.any():
            i = int(wrong.argmax())
            raise ConfigError(
                f"{label}: dC/dz is wrong: for z = {np.round(z[:, i], 6).tolist()} and t = "
                f"{t[:, i].tolist()} dC/dz_{k + 1} is {slope[k, i]:.6g}, and the slope of C is "
                f"{expected[i]:.6g}"
            )


def plain_schedule(function: Function, *, warmup: int, **given: Any) -> Schedule:
    """Return a schedule with the function's factor after the warmup.

    Raises:
        ConfigError: a factor is not a number from 0 to 1.
        ValueError: warmup is below 0.
    """
    for steps in (1, 10, 1000):
        for step in {1, 2, steps // 2 + 1, steps, steps + 1}:
            factor = _called("schedule", function, step, steps, **given)
            if not (np.ndim(factor) == 0 and 0 <= float(factor) <= 1):
                raise ConfigError(
                    f"schedule {function.__name__}: {factor} in step {step} of {steps} is not a "
                    "number from 0 to 1"
                )
    return Schedule(lambda step, steps: float(function(step, steps, **given)), warmup)


def plain_dataset(function: Function, *, limit: int | None, **given: Any) -> Dataset:
    """Return the data set of a function's examples, with the function's name.

    Raises:
        ConfigError: the function returns something else, or a parameter is out of range.
        DataError: shapes, types or values of the examples are invalid.
    """
    name = function.__name__
    own = "limit" in {parameter.name for parameter in _keywords(function)}
    found = function(**given, **({"limit": limit} if own else {}))
    if isinstance(found, tuple) and len(found) == 2:
        found = dataset(*found)
    elif isinstance(found, tuple) and len(found) == 4:
        found = dataset(*found[:2], test=found[2:])
    if not isinstance(found, Dataset):
        raise ConfigError(
            f"data: {name} returns {type(found).__name__}, not a data set, (x, y), or x_train, "
            "y_train, x_test and y_test"
        )
    if limit is None or own:
        return replace(found, name=name)
    return make_dataset(
        name,
        found.source,
        (found.x_train, found.y_train),
        (found.x_test, found.y_test),
        task=found.task,
        n_classes=found.n_outputs if TASKS[found.task].labels else None,
        classes=found.classes,
        limit=limit,
        image_shape=found.image_shape,
        notes=found.notes,
    )


def _keywords(function: Function) -> list[Any]:
    from bpexp.register.rows import keywords

    return keywords(function)


def _called(group: str, function: Function, *arguments: Any, **given: Any) -> Any:
    """Call a user's function.

    Raises:
        ConfigError: it raises.
    """
    try:
        with np.errstate(all="ignore"):
            return function(*arguments, **given)
    except Exception as error:  # of any kind: the function is the user's
        name = getattr(function, "__name__", group)
        raise ConfigError(f"{group} {name}: {type(error).__name__}: {reason(error)}") from None
