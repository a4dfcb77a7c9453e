"""A study of version 0.1 after keys are added and after the algorithm's number is raised."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from growth import Grown, grow
from helpers import ROOT, make_config

import bpexp
from bpexp.config import ALGORITHM, Config
from bpexp.config import identity as identity_module
from bpexp.config.identity import completed
from bpexp.executors import Interrupt
from bpexp.record.history import first
from bpexp.record.run import newest
from bpexp.results import theory
from bpexp.sweeping import stacks
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack

STUDY = ROOT / "tests" / "recorded" / "study_0_1" / "runs"
LOADERS = ("runs", "curves", "layers", "spectra", "theory")


@pytest.fixture
def root(tmp_path):
    shutil.copytree(STUDY / "old", tmp_path / "runs" / "old")
    return tmp_path


def load(name, root, **options):
    return getattr(bpexp, f"load_{name}")("old", root=root, **options)


def configs(root, kind=Config):
    starts = [first(path.parent) for path in sorted((root / "runs/old").glob("*/journal.jsonl"))]
    return [kind.of(completed(start["config"])) for start in starts]


OLD, NEW = 5, 6  # the number of the recorded study, and a higher one


def set_algorithm(monkeypatch, number):
    monkeypatch.setattr(identity_module, "ALGORITHM", number)
    monkeypatch.setattr(stacks, "ALGORITHM", number)


def train(plan):
    for stack in plan.stacks:
        assert set(train_stack(stack, lambda epochs: None, Interrupt())) == {"FINISHED"}


def test_after_keys_are_added_the_study_loads_with_theory(root, monkeypatch):
    before = {name: load(name, root) for name in LOADERS}
    grow(monkeypatch)
    monkeypatch.setattr(theory, "Config", Grown)
    added = {"pace": "steady", "pace.hold": 0, "noise": 0.0, "mood": "calm"}
    for name in LOADERS:
        frame = load(name, root)
        assert len(frame) == len(before[name]) > 0
        for column, value in added.items():
            assert set(frame[column]) == {value}
        sgd = frame["optimizer"] == "sgd"
        assert set(frame.loc[sgd, "optimizer.lag"]) == {0}
        old = [column for column in before[name]]
        pd.testing.assert_frame_equal(frame[old], before[name])
    assert set(load("theory", root)["run"]) == set(before["runs"]["run"])


def test_after_keys_are_added_finished_runs_are_skipped(root, monkeypatch):
    grow(monkeypatch)
    set_algorithm(monkeypatch, OLD)
    grid = configs(root, Grown)
    plan = make_plan(grid, root)
    assert len(plan.members) == len(grid) == 8
    assert plan.stacks == ()
    louder = [Grown.of({**config.nested(), "noise": 0.5}) for config in grid]
    assert len([member for stack in make_plan(louder, root).stacks for member in stack]) == 8


def test_after_the_number_is_raised_runs_are_trained_anew_and_the_old_ones_superseded(
    root, monkeypatch
):
    before = {name: load(name, root) for name in LOADERS}
    assert set(before["runs"]["algorithm"]) == {OLD}
    set_algorithm(monkeypatch, NEW)
    assert {name: len(load(name, root)) for name in LOADERS} == {
        name: len(frame) for name, frame in before.items()
    }, "superseded only where there is a newer one"
    plan = make_plan(configs(root)[:3], root)
    assert len([member for stack in plan.stacks for member in stack]) == 3
    train(plan)
    anew = {member.identity for member in plan.members}
    columns = ["activation", "depth", "optimizer", "seed", "lr"]
    for name in LOADERS:
        frame, both = load(name, root), load(name, root, superseded=True)
        assert list(frame["run"].unique()) != list(before[name]["run"].unique())
        assert frame["run"].nunique() == 8
        assert both["run"].nunique() == 11
        assert set(frame.loc[frame["algorithm"] == NEW, "run"]) == anew
        assert set(frame["algorithm"]) == set(both["algorithm"]) == {OLD, NEW}
        old = both[both["algorithm"] == OLD].reset_index(drop=True)
        added = {c for c in old if str(c).startswith("distance")}  # by the newer runs
        pd.testing.assert_frame_equal(old[[c for c in old if c not in added]], before[name])
    runs, both = load("runs", root), load("runs", root, superseded=True)
    assert not runs.duplicated(columns).any()
    assert both.duplicated(columns).sum() == 3
    tables = bpexp.load_tables("old", root=root)
    assert tables.runs["run"].tolist() == runs["run"].tolist()
    assert len(bpexp.load_tables("old", root=root, superseded=True).runs) == 11
    for member in plan.members:
        assert first(member.folder)["algorithm"] == NEW
    assert make_plan(configs(root)[:3], root).stacks == ()


def test_the_algorithm_of_a_run_is_in_its_start_line(tmp_path):
    plan = make_plan([make_config(epochs=1)], tmp_path)
    train(plan)
    text = (plan.members[0].folder / "journal.jsonl").read_text()
    assert json.loads(text.partition("\n")[0])["algorithm"] == ALGORITHM


def test_older_attempts_are_superseded_and_can_be_had(tmp_path):
    for force in (False, True):
        train(make_plan([make_config(epochs=1, force=force)], tmp_path))
    runs = bpexp.load_runs("bpexp", root=tmp_path)
    assert runs["attempt"].tolist() == [2]
    both = bpexp.load_runs("bpexp", root=tmp_path, superseded=True)
    assert both["attempt"].tolist() == [1, 2]
    assert both["algorithm"].tolist() == [ALGORITHM, ALGORITHM]


def test_the_newest_has_the_highest_algorithm_then_the_latest_attempt():
    runs = [
        ("a", (5, 1), 1),
        ("b", (6, 1), 2),
        ("a", (5, 3), 3),
        ("b", (5, 9), 4),
        ("a", (5, 2), 5),
    ]
    assert newest(runs) == [3, 2]
