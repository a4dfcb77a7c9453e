"""The command of a run leads to the run's own configuration, through the shell and Hydra."""

from __future__ import annotations

import shlex

import pytest
from helpers import ROOT, make_config
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st

from bpexp.config.command import command, joined, overrides
from bpexp.sweeping.hydra import BASE, register, to_config

CONFIGS = {
    "defaults": {},
    "choices": {
        "activation": {"name": "leaky", "negative_slope": 0.2},
        "init": {"name": "lecun_normal", "bias_std": 0.5},
        "optimizer": "adam",
        "schedule": {"name": "cosine", "warmup": 3},
    },
    "residual": {
        "depth": 5,
        "skip": {"name": "identity", "order": "full", "every": 2, "scale": "1/sqrt(blocks)"},
        "norm": {"name": "batch", "affine": False, "momentum": 0.01},
    },
    "numbers": {"depth": 0, "lr": 1e-05, "seed": 2**62, "batch_size": 7, "dtype": "float64"},
    "lists": {"measure": ["weight_norm", "global_grad_norm"]},
    "text": {"study": "a study + 1", "data": {"name": "npz", "path": "it's $HOME/a b\\\\'.npz"}},
    "numbers as text": {"study": "2026"},
    "words": {"study": "null"},
    "nulls": {
        "data": {"name": "digits", "limit": None},
        "probe": {"every": 0, "examples": 9, "jacobian": 2},
    },
}


@given(st.lists(st.text(st.sampled_from("'\"$`\\! \n=a/(){}[]*?~#;&|<>"), max_size=8), max_size=4))
def test_words_joined_for_a_shell_are_split_into_the_same_words(words):
    assert shlex.split(joined(words)) == words


def test_hydras_quotes_are_readable_in_a_shells():
    assert joined(["a", "skip.scale='1/sqrt(blocks)'"]) == "a \"skip.scale='1/sqrt(blocks)'\""
    assert joined(["x='$a'"]) == shlex.quote("x='$a'")


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_hydra_composes_the_same_configuration_from_the_command(changes):
    config = make_config(**changes)
    words = shlex.split(command(config.nested()))
    assert words[:3] == ["python", "-m", "bpexp"]
    register()
    with initialize_config_dir(str(ROOT / "conf"), **BASE):
        composed = to_config(compose("config", overrides=words[3:]))
    assert composed.identity("digest") == config.identity("digest")
    assert composed.study == config.study


def test_several_seeds_are_a_sweep_and_a_script_is_started_as_it_was():
    config = make_config(data="digits", epochs=20, width=64, seed=4)
    start = "python my_study.py"
    assert command(config.nested(), program="my_study.py") == f"{start} depth=2 seed=4"
    found = command(config.nested(), program="my_study.py", seeds=[4, 5])
    assert found == f"{start} -m depth=2 seed=4,5"
    assert command(config.nested(), seeds=[7]) == "python -m bpexp depth=2 seed=7"


def test_only_what_differs_from_the_defaults_is_named():
    config = make_config(depth=8, activation="sigmoid", jobs=3, epochs=20, width=64, data="digits")
    assert sorted(overrides(config.nested())) == ["activation=sigmoid", "depth=8"]
