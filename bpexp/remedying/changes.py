"""Changes of a configuration that may make a run train, in the order in which they are tried.

A change replaces keys: a learning rate, or a whole choice such as `init` with its parameters. A
change of fewer keys is smaller. Changes of equally many keys are in the order of CHANGES and PAIRS:
the learning rate and the initialization, the schedule and clipping, the function of the network,
and its depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from bpexp.config import Config
from bpexp.config.command import hydra_value
from bpexp.config.schema import checked
from bpexp.data import Dataset
from bpexp.nn import Choice
from bpexp.nn.choices import NONE
from bpexp.nn.skips import BY_BLOCKS
from bpexp.theory import critical_sigma_w2

UNCHANGED = "unchanged"
Values = Mapping[str, Any]
"""New values of fields of a configuration; empty where a change does not apply."""

RECTIFIERS = ("relu", "leaky", "elu", "gelu", "silu", "softplus")
WARMUP = 0.1  # share of the steps
CLIP = 1.0  # the largest norm of a batch's gradient
# Initializations by name that equal mean_field with this (sigma_w2, sigma_b2).
FAN_IN = {(1.0, 0.0): "lecun_normal", (2.0, 0.0): "he_normal"}


@dataclass(frozen=True)
class Candidate:
    """A changed configuration, or the unchanged one.

    Attributes:
        name: the overrides of the change, or UNCHANGED.
        keys: the number of keys that differ; a choice with its parameters is one.
        kind: the row of CHANGES, or rows joined by " + "; or UNCHANGED.
        config: the configuration.
    """

    name: str
    keys: int
    kind: str
    config: Config


def candidates(config: Config, data: Dataset) -> Iterator[Candidate]:
    """Yield the configuration itself, then each change that applies to it, the smallest first."""
    yield Candidate(UNCHANGED, 0, UNCHANGED, config)
    seen = {UNCHANGED}
    for names in [*((name,) for name in CHANGES), *PAIRS]:
        changed = config
        for name in names:
            changed = replace(changed, **CHANGES[name](changed, data))
        name, keys = _name(config, changed), len(_differing(config, changed))
        found = Candidate(name, keys, " + ".join(names), changed)
        if found.keys == len(names) and found.name not in seen:
            seen.add(found.name)
            yield found


def _third(config: Config, data: Dataset) -> Values:
    """A third of the learning rate."""
    return {"lr": float(f"{config.lr / 3:.2g}")}


def _thrice(config: Config, data: Dataset) -> Values:
    """Three times the learning rate."""
    return {"lr": float(f"{config.lr * 3:.2g}")}


def _init(config: Config, data: Dataset) -> Values:
    """The initialization made for the activation: He's, LeCun's for SELU, or else Glorot's."""
    name = "he_normal" if config.activation.name in RECTIFIERS else "glorot_normal"
    return _chosen("init", "lecun_normal" if config.activation.name == "selu" else name)


def _critical(config: Config, data: Dataset) -> Values:
    """The sigma_w2 at which chi_1 = 1, so that the gradient keeps its size in a plain network."""
    if (config.skip.name, config.norm.name) != ("none", "none"):
        return {}
    for sigma_b2 in (0.0, 0.05):
        try:
            sigma_w2 = critical_sigma_w2(config.activation, sigma_b2)
        except ValueError:  # no sigma_w2 is critical
            continue
        sigma_w2 = float(f"{sigma_w2:.4g}")
        if name := FAN_IN.get((sigma_w2, sigma_b2)):
            return _chosen("init", name)
        return _chosen("init", "mean_field", sigma_w2=sigma_w2, sigma_b2=sigma_b2)
    return {}


def _lsuv(config: Config, data: Dataset) -> Values:
    """An initialization with which the pre-activations of every layer have variance 1."""
    return _chosen("init", "lsuv")


def _warmup(config: Config, data: Dataset) -> Values:
    """A learning rate that rises over the first tenth of the steps."""
    steps = config.epochs * -(-len(data.x_train) // config.batch_size)
    if config.schedule.parameters.get("warmup") != 0:
        return {}
    return {"schedule": _with(config.schedule, warmup=math.ceil(WARMUP * steps))}


def _clip(config: Config, data: Dataset) -> Values:
    """A limit of the norm of each batch's gradient."""
    if config.optimizer.parameters.get("clip_norm", CLIP) is not None:
        return {}
    return {"optimizer": _with(config.optimizer, clip_norm=CLIP)}


def _rectifier(config: Config, data: Dataset) -> Values:
    """A rectifier; leaky in place of another one, whose units may be dead."""
    return _chosen("activation", "leaky" if config.activation.name in RECTIFIERS else "relu")


def _tanh(config: Config, data: Dataset) -> Values:
    """The tanh."""
    return _chosen("activation", "tanh")


def _layer_norm(config: Config, data: Dataset) -> Values:
    """Layer normalisation."""
    return _chosen("norm", "layer") if config.norm == NONE else {}


def _batch_norm(config: Config, data: Dataset) -> Values:
    """Batch normalisation."""
    return _chosen("norm", "batch") if config.norm == NONE else {}


def _residual(config: Config, data: Dataset) -> Values:
    """Skip connections whose branches are scaled by the number of blocks."""
    return _chosen("skip", "identity", scale=BY_BLOCKS) if config.skip == NONE else {}


def _rezero(config: Config, data: Dataset) -> Values:
    """Skip connections whose branches begin at zero."""
    return _chosen("skip", "rezero") if config.skip == NONE else {}


def _shallow(config: Config, data: Dataset) -> Values:
    """Half of the hidden layers, in whole blocks."""
    every = int(config.skip.parameters.get("every") or 1)
    blocks = (config.depth // 2 - 1) // every
    return {"depth": 1 + blocks * every} if blocks >= 0 else {}


CHANGES: dict[str, Callable[[Config, Dataset], Values]] = {
    "third": _third,
    "thrice": _thrice,
    "init": _init,
    "critical": _critical,
    "lsuv": _lsuv,
    "warmup": _warmup,
    "clip": _clip,
    "rectifier": _rectifier,
    "tanh": _tanh,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "residual": _residual,
    "rezero": _rezero,
    "shallow": _shallow,
}
"""The changes of one key, in the order in which they are tried."""

PAIRS = (
    ("critical", "thrice"),
    ("third", "clip"),
    ("rectifier", "init"),
    ("layer_norm", "thrice"),
    ("batch_norm", "thrice"),
    ("rezero", "thrice"),
    ("residual", "layer_norm"),
)
"""The changes of two keys, in the order in which they are tried."""


def _chosen(key: str, name: str, **parameters: object) -> Values:
    """Return the choice of a row with its default parameters, some of them replaced."""
    return {key: checked(key, {"name": name, **parameters})}


def _with(choice: Choice, **parameters: Any) -> Choice:
    return Choice(choice.name, {**choice.parameters, **parameters})


def _differing(config: Config, changed: Config) -> list[str]:
    names = [field.name for field in fields(config)]
    return [name for name in names if getattr(config, name) != getattr(changed, name)]


def _name(config: Config, changed: Config) -> str:
    """Return the overrides that turn one configuration into another."""
    before, after = config.flat(), changed.flat()
    shown = []
    for key, value in after.items():
        group, _, parameter = key.partition(".")
        same_row = before.get(group) == after.get(group)
        usual = not same_row and parameter and _usual(group, after[group]).get(parameter) == value
        if before.get(key) != value and not usual:
            shown.append(f"{key}={hydra_value(value)}")
    return " ".join(shown)


def _usual(group: str, name: Any) -> Mapping[str, Any]:
    """Return the default parameters of a row."""
    parameters: Mapping[str, Any] = checked(group, name).parameters
    return parameters
