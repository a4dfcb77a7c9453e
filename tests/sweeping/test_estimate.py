"""plan=only prints the runs that would be trained, and writes nothing."""

from __future__ import annotations

import re

from helpers import make_config

from bpexp.sweeping.driver import run_sweep


def test_a_plan_is_printed_and_nothing_is_written(tmp_path, capsys):
    configs = [make_config(seed=seed, plan="only") for seed in range(6)]
    outcome = run_sweep(configs, root=tmp_path, multirun=True)
    assert (outcome.code, outcome.scores) == (0, [None] * 6)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "plan:   6 runs: 0 finished, 0 to resume from a checkpoint, 6 to begin"
    assert second == "stacks: 1 of up to 6 runs, 1 at once (executor=local)"
    assert re.fullmatch(r"time:   about \d+:\d\d \(min:s\) to train, at .*", third)
    assert not [*tmp_path.iterdir()]


def test_what_is_finished_is_left_out(tmp_path, capsys):
    run_sweep([make_config(seed=0)], root=tmp_path, multirun=False)
    before = sorted(path for path in tmp_path.rglob("*"))
    capsys.readouterr()
    configs = [make_config(seed=seed, plan="only") for seed in (0, 1)]
    run_sweep(configs, root=tmp_path, multirun=True)
    assert "2 runs: 1 finished, 0 to resume from a checkpoint" in capsys.readouterr().out
    assert run_sweep(configs[:1], root=tmp_path, multirun=False).code == 0
    assert capsys.readouterr().out.splitlines() == [
        "plan:   1 run: 1 finished, 0 to resume from a checkpoint, 0 to begin"
    ]
    assert sorted(path for path in tmp_path.rglob("*")) == before
