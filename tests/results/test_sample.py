"""Which runs of a large study its figures and its report are made from."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import make_config

from bpexp.results import sample
from bpexp.results.sample import sampled
from bpexp.sweeping.driver import run_sweep


def grid(depths, seeds):
    """Runs as far as a sample needs them: seeds change fastest."""
    return [
        SimpleNamespace(start={"config": {"depth": depth, "seed": seed, "jobs": seed % 3}})
        for depth in range(depths)
        for seed in range(seeds)
    ]


def cells(taken):
    return [(run.start["config"]["depth"], run.start["config"]["seed"]) for run in taken.runs]


def test_a_small_study_is_taken_whole():
    runs = grid(4, 5)
    taken = sampled(runs, 20)
    assert taken.runs == runs
    assert taken.note == taken.how == ""


@pytest.mark.parametrize(
    ("most", "each", "words"),
    [(19, 4, "the first 4 seeds"), (12, 3, "the first 3 seeds"), (5, 1, "the first seed")],
)
def test_the_same_number_of_seeds_of_each_configuration(most, each, words):
    taken = sampled(grid(4, 5), most)
    assert cells(taken) == [(depth, seed) for depth in range(4) for seed in range(each)]
    assert taken.note == f"{4 * each} of 20 runs: {words} of each configuration"


def test_of_too_many_configurations_some_are_drawn_at_random():
    taken = sampled(grid(1000, 2), 100)
    found = cells(taken)
    assert len(found) == 100
    assert found == sorted(found)
    assert {seed for _, seed in found} == {0}
    # Independent of the order: each tenth of the grid has about ten of them, and so has each digit.
    for share in (lambda depth: depth // 100, lambda depth: depth % 10):
        counts = [sum(share(depth) == i for depth, _ in found) for i in range(10)]
        assert min(counts) >= 3
        assert max(counts) <= 20
    assert cells(sampled(grid(1000, 2), 100)) == found
    assert taken.note == (
        "100 of 2000 runs: the first seed of 100 of the 1000 configurations, drawn at random"
    )


def test_a_sweep_says_what_its_figures_and_its_report_show(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample.sampled, "__defaults__", (4,))
    configs = [
        make_config(depth=depth, seed=seed, study="large", tracking="off")
        for depth in (1, 2)
        for seed in range(3)
    ]
    assert run_sweep(configs, root=tmp_path, multirun=True).code == 0
    note = "4 of 6 runs: the first 2 seeds of each configuration"
    assert f"figures and report: {note}" in capsys.readouterr().err
    (folder,) = Path(tmp_path).glob("runs/large/sweeps/*")
    with (folder / "summary.csv").open(newline="") as file:
        assert len([*csv.DictReader(file)]) == 6
    with (folder / "figures" / "accuracy_by_depth.csv").open(newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"0", "1"}
    report = (folder / "report.html").read_text()
    assert f"This page and its figures show {note}." in report
