"""Configurations without Hydra, small IDX files, and where MNIST lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from bpexp.config import Config
from bpexp.console import warn
from bpexp.executors import EXECUTORS, Interrupt, Session
from bpexp.sweeping.stacks import fail, train_stack

ROOT = Path(__file__).parents[1]
MNIST = ROOT.parent / "shared" / "data" / "mnist"  # the four files; nothing is downloaded
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="no ../shared/data/mnist")


def defaults():
    """Return the configuration that conf/ composes, as plain dicts."""
    tree = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())
    chosen = {}
    for entry in tree.pop("defaults"):
        for group, name in entry.items() if isinstance(entry, dict) else ():
            if not group.startswith("override") and name is not None:
                path = ROOT / "conf" / group / f"{name}.yaml"
                chosen[group] = yaml.safe_load(path.read_text())
    tree.pop("hydra")
    return {**chosen, **tree}


def make_config(**changes):
    """Return a small configuration; `changes` by field, groups as names or mappings."""
    small = {
        "data": {"name": "digits", "limit": 96},
        "width": 8,
        "depth": 2,
        "epochs": 2,
        "tracking": "off",
        "progress": False,
        "jobs": 1,
    }
    return Config.of({**defaults(), **small, **changes})


def idx(values, type_code=8, magic=b"\0\0"):
    """Return an IDX file of unsigned bytes, or one whose header names another type or magic."""
    values = np.asarray(values, np.uint8)
    shape = b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    return magic + bytes([type_code, values.ndim]) + shape + values.tobytes()


def one_hot(labels, n_classes, dtype):
    """Targets (N, K): 1 at the label, 0 elsewhere."""
    targets = np.zeros((len(labels), n_classes), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 5))
LABELS = np.arange(30) % 10


def train_plan(plan, jobs=1, train=train_stack, interrupt=None, fail_fast=False, executor="local"):
    """Train a plan's stacks with an executor and return the runs' statuses."""
    session = Session(
        train=train,
        fail=fail,
        report=lambda epochs: None,
        interrupt=interrupt or Interrupt(),
        note=warn,
        jobs=jobs,
        fail_fast=fail_fast,
    )
    return EXECUTORS[executor]().run(plan.stacks, session)
