"""The question of a study."""

from __future__ import annotations

from bpexp.config.questions import question


def test_the_question_is_that_of_the_studys_file():
    asked = question("vanishing", [])
    assert asked.startswith("How does the gradient that reaches the first layer depend")
    assert asked.endswith("what does that do to training?")
    assert "\n" not in asked


def test_the_question_of_a_study_without_a_file_names_the_varied_keys():
    assert "depend on depth, lr and width?" in question("mine", ["depth", "seed", "lr", "width"])
    assert "depend on depth?" in question("mine", ["seed", "depth"])
    assert "one network" in question("mine", ["seed"])
