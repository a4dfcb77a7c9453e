"""Find the runs that have ended, from their folders."""

from __future__ import annotations

import os

import pytest
from helpers import make_config, train_plan

from bpexp.record.layout import TRACEBACK
from bpexp.sweeping import ended
from bpexp.sweeping.ended import EndedRuns
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import fail
from bpexp.sweeping.terminal import result


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(ended, "INTERVAL", 0.0)
    return make_plan([make_config(depth=depth) for depth in (1, 2)], tmp_path)


def test_each_run_that_ends_is_returned_once(plan):
    first, second = plan.members
    following = EndedRuns(plan.members)
    assert following.poll() == []
    fail(second, "RuntimeError: broken")
    assert [result(run) for run in following.poll()] == [("relu-d2", "accuracy -", "failed")]
    train_plan(make_plan([first.config], first.folder.parents[2]))
    (run,) = following.poll()
    assert run.identity == first.identity
    name, score, verdict = result(run)
    assert (name, score) == ("relu-d1", f"accuracy {run.score('test'):.3f}")
    assert verdict == run.end["verdict"]
    assert following.poll() == []


def test_what_failed_before_has_not_ended_again(plan):
    for member in plan.members:
        fail(member, "RuntimeError: broken")
        os.utime(member.folder / TRACEBACK, (1e9, 1e9))
    assert EndedRuns(plan.members).poll() == []


def test_folders_are_looked_at_twice_a_second_at_most(plan, monkeypatch):
    monkeypatch.setattr(ended, "INTERVAL", 1000.0)
    following = EndedRuns(plan.members)
    assert following.poll() == []
    fail(plan.members[0], "RuntimeError: broken")
    assert following.poll() == []
