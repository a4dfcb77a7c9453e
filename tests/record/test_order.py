"""The order of a study's runs is that of its sweeps' grids."""

from __future__ import annotations

import json
import random

import pytest
from helpers import make_config, train_plan

from bpexp.record.layout import JOURNAL, SWEEP
from bpexp.record.order import sort_keys
from bpexp.results import load_layers, load_runs
from bpexp.sweeping.driver import _begin
from bpexp.sweeping.plan import make_plan


def sweep(root, *depths, jobs=1, **changes):
    """Train runs of these depths, as a sweep; its stacks in any order."""
    configs = [make_config(epochs=1, width=3, depth=depth, **changes) for depth in depths]
    plan = make_plan(configs, root)
    _begin(plan, multirun=True, command="python -m bpexp -m depth=2,4")
    train_plan(plan, jobs=jobs)
    return plan


def depths(root, **options):
    return load_runs("bpexp", root=root, **options)["depth"].tolist()


def test_runs_are_in_the_order_of_the_grid(tmp_path):
    """The driver trains the deepest first, so that the order of starting is another one."""
    plan = sweep(tmp_path, 2, 5, 1, 3)
    assert [stack[0].config.depth for stack in plan.stacks] == [5, 3, 2, 1]
    assert depths(tmp_path) == [2, 5, 1, 3]
    assert load_layers("bpexp", root=tmp_path)["depth"].drop_duplicates().tolist() == [2, 5, 1, 3]


def test_sweeps_follow_each_other_and_a_larger_one_takes_its_runs(tmp_path):
    sweep(tmp_path, 4, 2)
    sweep(tmp_path, 1, 0)
    assert depths(tmp_path) == [4, 2, 1, 0]
    sweep(tmp_path, 1, 0)  # again: it changes nothing
    sweep(tmp_path, 2)
    assert depths(tmp_path) == [4, 2, 1, 0]
    sweep(tmp_path, 3, 4, 2)
    assert depths(tmp_path) == [3, 4, 2, 1, 0]


def test_another_attempt_has_its_own_folder(tmp_path):
    sweep(tmp_path, 2, 1)
    sweep(tmp_path, 2, force=True)
    assert depths(tmp_path) == [2, 1]
    both = load_runs("bpexp", root=tmp_path, superseded=True)
    assert both[["depth", "attempt"]].to_numpy().tolist() == [[2, 1], [2, 2], [1, 1]]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"members": 3}', '{"members": [{}]}', None])
def test_runs_of_a_damaged_sweep_are_in_the_order_of_starting(tmp_path, damage):
    plan = sweep(tmp_path, 1, 2, 0)
    (path,) = tmp_path.glob(f"runs/bpexp/sweeps/*/{SWEEP}")
    path.unlink() if damage is None else path.write_text(damage)
    for time, member in zip((3.0, 1.0, 2.0), plan.members, strict=True):
        journal = member.folder / JOURNAL
        line, *rest = journal.read_text().splitlines(keepends=True)
        journal.write_text(json.dumps({**json.loads(line), "time": time}) + "\n" + "".join(rest))
    assert depths(tmp_path) == [2, 0, 1]


def test_a_place_depends_on_nothing_but_the_record(tmp_path):
    members = [{"identity": name} for name in "cab"]
    starts = [{"identity": name, "attempt": 1, "time": 5.0} for name in "abc"]
    folder = tmp_path / "sweeps" / "1"
    folder.mkdir(parents=True)
    (folder / SWEEP).write_text(json.dumps({"members": members}))
    random.Random(0).shuffle(starts)
    places = sort_keys(tmp_path, starts)
    assert [name for name, _ in sorted(places, key=places.__getitem__)] == ["c", "a", "b"]
