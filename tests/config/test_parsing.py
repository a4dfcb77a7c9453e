"""Overrides of free text as Hydra's parser reads them."""

from __future__ import annotations

import os

import pytest

from bpexp.config.parsing import as_text, parsed, values_of


@pytest.mark.parametrize(
    "text",
    ["20240101", "1e3", "1_000", "-5", "+.5", "0x10", "true", "False", "nan", "-inf", "2026-11-29",
     "plain", "a_1", "1.2.3", "truely"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["study", "data.path", "+data.target", "tracking.uri"])
def test_a_word_of_free_text_is_taken_as_it_was_typed(key, text):
    (override,) = parsed([f"{key}={text}"])
    assert values_of(override) == [text]
    assert type(override.value()) is str


@pytest.mark.parametrize(
    "argument", ["study=null", "depth=3", "lr=1e3", 'study="5"', "data.path=a,b", "study", "-m"]
)
def test_other_overrides_are_unchanged(argument):
    assert as_text(argument) == argument


def test_each_value_of_a_sweep_is_text_and_home_is_expanded():
    (override,) = parsed(["data.path=1,~/x.npz,y"])
    assert values_of(override) == ["1", os.path.expanduser("~/x.npz"), "y"]
