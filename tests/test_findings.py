"""The command that checks the numbers of experiments/README.md against the studies' runs."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal

import pytest
from helpers import ROOT

sys.path.insert(0, str(ROOT / "experiments"))
from check import NUMBER, README, Study, check, compare, section_of, table

STUDIES = [path.stem for path in sorted((ROOT / "experiments").glob("*.yaml"))]
SECTION = """## made_up

Three runs, about 5 s. The rate is -1.14 nats a
layer (theory: 1.5e-3), and 2 of 3 runs learn.

| depth | accuracy |
| --- | --- |
| 2 | 0.967 |
| 4 | 0.10 |

At 9 layers it is over.
"""
TABLE = table("depth | accuracy", [["2", "0.967"], ["4", "0.10"]])
PHRASES = ["-1.14 nats a layer (theory: 1.5e-3)", "2 of 3 runs learn"]


def test_what_agrees_is_not_reported_and_the_rest_is_listed_as_unchecked():
    report = compare([TABLE, *PHRASES], SECTION)
    assert report.differences == []
    assert report.section == SECTION
    assert report.unchecked == [
        "Three runs, about 5 s. The rate is , and .",
        "At 9 layers it is over.",
    ]


@pytest.mark.parametrize(
    ("right", "wrong"), [("-1.14", "-1.15"), ("1.5e-3", "1.5e-4"), ("2 of 3", "3 of 3")]
)
def test_a_wrong_number_in_a_phrase_is_reported_and_corrected(right, wrong):
    assert right in SECTION
    report = compare([TABLE, *PHRASES], SECTION.replace(right, wrong))
    (difference,) = report.differences
    assert wrong in difference
    assert right in difference
    assert report.section == SECTION


@pytest.mark.parametrize(
    ("right", "wrong"), [("| 0.967 |", "| 0.968 |"), ("| 4 | 0.10 |\n", ""), ("| 0.10 |", "| |")]
)
def test_a_wrong_table_is_reported_and_corrected(right, wrong):
    assert right in SECTION
    report = compare([TABLE, *PHRASES], SECTION.replace(right, wrong))
    assert len(report.differences) == 1
    assert report.section == SECTION


@pytest.mark.parametrize("text", ["all 3 runs learn", table("depth | loss", [["2", "0.1"]])])
def test_a_text_that_is_not_there_is_reported(text):
    assert compare([text], SECTION).differences == [f"not found:\n{text}"]


def test_a_tolerance_allows_numbers_but_no_other_words():
    assert compare(["-1.12 nats a layer (theory: 0.02)"], SECTION, 0.05).differences == []
    assert compare(["-1.12 nats a layer (theory: 0.02)"], SECTION, 0.01).differences
    assert compare(["-1.12 nats per layer"], SECTION, 0.05).differences


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_section_and_findings(name):
    assert section_of(name, README.read_text())
    assert (ROOT / "experiments" / "findings" / f"{name}.py").exists()


def stands(number, there):
    """Whether one of other numbers, or its percentage, rounds to this one; signs do not count."""
    places = -Decimal(number).as_tuple().exponent
    return any(
        round(scale * other, places) == abs(float(number)) for other in there for scale in (1, 100)
    )


@pytest.mark.parametrize("name", STUDIES)
def test_the_numbers_of_a_finding_are_in_its_section(name):
    head = (ROOT / "experiments" / f"{name}.yaml").read_text().replace("\n#", " ")
    (finding,) = re.findall(r" Finding (.*?)(?= Source |\n)", head)
    there = [abs(float(number)) for number in NUMBER.findall(section_of(name, README.read_text()))]
    assert [number for number in NUMBER.findall(finding) if not stands(number, there)] == []


@pytest.mark.full
@pytest.mark.parametrize("name", ["vanishing", "stop_criterion", "step_by_step_dead_units"])
def test_the_numbers_of_a_study_are_those_of_its_runs(name, tmp_path):
    """The last digits depend on the processor: training carries roundings on."""
    command = [sys.executable, "-m", "bpexp", "-m", f"experiment={name}", "tracking=off"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert check(Study(name, tmp_path), README.read_text(), tolerance=0.1).differences == []
