"""Configuration: the tree of defaults, identity, and the quick transform."""

from __future__ import annotations

import inspect
import json

import pytest
import yaml
from helpers import ROOT, defaults, make_config

from bpexp.config import Config, flatten
from bpexp.config.identity import ALGORITHM, identity
from bpexp.config.keys import Group
from bpexp.config.schema import IDENTITY_KEYS, KEYS, RUNTIME_KEYS
from bpexp.errors import ConfigError
from bpexp.nn import Choice

GROUPS = {name: group for name, group in KEYS.items() if isinstance(group, Group)}


@pytest.mark.parametrize("group", GROUPS)
def test_the_tree_holds_every_row_with_its_own_defaults(group):
    files = {path.stem: path for path in (ROOT / "conf" / group).glob("*.yaml")}
    assert files.keys() == GROUPS[group].table.keys()
    for name, factory in GROUPS[group].table.items():
        declared = {
            key: parameter.default
            for key, parameter in inspect.signature(factory).parameters.items()
        }
        assert yaml.safe_load(files[name].read_text()) == {"name": name, **declared}
        assert files[name].read_text().startswith("# ")


def test_the_defaults_are_valid_and_complete():
    config = Config.of(defaults())
    assert {key for key in KEYS if key not in config.flat()} == set()


def test_nested_and_flat_say_the_same():
    config = make_config(activation={"name": "leaky", "negative_slope": 0.2})
    assert Config.of(config.nested()) == config
    assert Config.of(json.loads(json.dumps(config.nested()))) == config
    flat = config.flat()
    assert flat == flatten(config.nested())
    assert flat["activation"] == "leaky"
    assert flat["activation.negative_slope"] == 0.2
    assert flat["probe.examples"] == 512


CHANGES = {
    "depth": 3,
    "width": 9,
    "activation": "tanh",
    "skip": "identity",
    "norm": "layer",
    "init": "orthogonal",
    "cost": "squared_error",
    "optimizer": "adam",
    "lr": 0.051,
    "schedule": "cosine",
    "batch_size": 17,
    "epochs": 3,
    "stop": "patience",
    "frozen": 1,
    "seed": 1,
    "dtype": "float64",
    "threads": 2,
    "probe.every": {"probe": {"every": 3, "examples": 512, "jacobian": 0}},
    "probe.examples": {"probe": {"every": None, "examples": 100, "jacobian": 0}},
    "probe.jacobian": {"probe": {"every": None, "examples": 512, "jacobian": 2}},
    "measure": ["weight_norm"],
    "study": "other",
    "jobs": 2,
    "checkpoint.every": {"checkpoint": {"every": 1, "seconds": 30.0}},
    "checkpoint.seconds": {"checkpoint": {"every": None, "seconds": 1.0}},
    "tracking": "mlflow",
    "log_model": "all",
    "force": True,
    "fail_fast": True,
    "progress": True,
    "plan": "only",
    "forecast": "on",
    "figures.format": {"figures": {"format": ["svg", "pdf"]}},
    "draw": ["dead"],
}


@pytest.mark.parametrize("key", CHANGES)
def test_identity_holds_what_decides_the_numbers_and_nothing_else(key):
    change = CHANGES[key] if isinstance(CHANGES[key], dict) else {key: CHANGES[key]}
    changed = make_config(**change).identity("d") != make_config().identity("d")
    assert changed == (key in IDENTITY_KEYS)


def test_every_key_is_tried():
    assert {*CHANGES, "data", "quick", "executor"} == {*KEYS}  # there is one executor
    assert not IDENTITY_KEYS.keys() & RUNTIME_KEYS.keys()


def test_identity_holds_the_data_by_its_digest_and_not_by_its_path():
    here = make_config(data={"name": "mnist", "root": "/here"})
    there = make_config(data={"name": "mnist", "root": "/there"})
    assert here.identity("d") == there.identity("d") != here.identity("e")


def test_a_parameter_of_a_choice_is_part_of_identity():
    steep = make_config(activation={"name": "leaky", "negative_slope": 0.2})
    assert steep.identity("d") != make_config(activation="leaky").identity("d")
    spelled_out = make_config(activation={"name": "leaky", "negative_slope": 0.01})
    assert spelled_out.identity("d") == make_config(activation="leaky").identity("d")


def test_a_constant_learning_rate_leaves_identity_as_it_was_without_schedules():
    config = make_config()
    without = {key: value for key, value in config.nested().items() if key != "schedule"}
    assert config.schedule == Choice("constant", {"warmup": 0})
    assert config.identity("d") == identity(without, "d", ALGORITHM)
    warm = make_config(schedule={"name": "constant", "warmup": 1})
    assert warm.identity("d") != config.identity("d")


@pytest.mark.parametrize("key", ["skip", "norm"])
def test_a_plain_network_has_the_identity_that_it_had_without_the_key(key):
    config = make_config()
    without = {name: value for name, value in config.nested().items() if name != key}
    assert getattr(config, key) == Choice("none")
    assert config.identity("d") == identity(without, "d", ALGORITHM)


def test_quick_shrinks_epochs_and_examples():
    config = make_config(quick=True, epochs=100, data="digits")
    assert config.epochs == 2
    assert config.data == Choice("digits", {"scale": True, "seed": 0, "limit": 512})
    assert make_config(quick=True, epochs=1).epochs == 1


def test_a_missing_key_is_named():
    incomplete = defaults()
    del incomplete["lr"]
    with pytest.raises(ConfigError, match=r"^lr: missing$"):
        Config.of(incomplete)


def test_integers_are_converted_to_rates():
    assert make_config(lr=1).lr == 1.0
    assert make_config(lr=1).identity("d") == make_config(lr=1.0).identity("d")
