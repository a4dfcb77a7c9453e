"""A later version: what tests of growing records add to the schema."""

from __future__ import annotations

from dataclasses import dataclass, replace

from helpers import make_config

from bpexp.config import Config
from bpexp.config.keys import Group, Key
from bpexp.config.schema import IDENTITY_KEYS, KEYS, RUNTIME_KEYS
from bpexp.nn import OPTIMIZERS, Choice


def _steady(*, hold: int = 3):
    """A row of the added group."""


def _rising(*, hold: int = 3):
    """Another one."""


@dataclass(frozen=True)
class Grown(Config):
    """The configuration of a later version."""

    pace: Choice
    noise: float
    mood: str


def grow(monkeypatch):
    """Add a group, a key of each kind and a parameter, as a later version does."""
    sgd = OPTIMIZERS["sgd"]

    def grown_sgd(*, weight_decay: float = 0.0, clip_norm: float | None = None, lag: int = 1):
        return sgd(weight_decay=weight_decay, clip_norm=clip_norm)

    monkeypatch.setitem(OPTIMIZERS, "sgd", grown_sgd)
    pace = Group({"steady": _steady, "rising": _rising}, "", neutral={"name": "steady", "hold": 0})
    noise = Key(float, "", lambda v: True, "", neutral=0.0)
    added = {
        "optimizer": replace(KEYS["optimizer"], later={"sgd": {"lag": 0}}),
        "pace": pace,
        "noise": noise,
    }
    for name, key in added.items():
        monkeypatch.setitem(IDENTITY_KEYS, name, key)
        monkeypatch.setitem(KEYS, name, key)
    mood = Key(str, "", lambda v: True, "", neutral="calm")
    monkeypatch.setitem(RUNTIME_KEYS, "mood", mood)
    monkeypatch.setitem(KEYS, "mood", mood)


NEUTRAL = {"pace": {"name": "steady", "hold": 0}, "noise": 0.0, "mood": "calm"}
SGD = {"name": "sgd", "weight_decay": 0.0, "clip_norm": None}


def grown_config(**changes):
    config = make_config().nested() | NEUTRAL | {"optimizer": {**SGD, "lag": 0}} | changes
    return Grown.of(config)
