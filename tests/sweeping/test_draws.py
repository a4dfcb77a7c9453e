"""Simulated draws during a sweep: the runs that they are assigned to, and frames that have them."""

from __future__ import annotations

from helpers import make_config, train_plan

from bpexp.executors import DEFERRED, Interrupt
from bpexp.record import simulated
from bpexp.results import load_theory
from bpexp.sweeping import draws
from bpexp.sweeping.draws import assign_draws, train_and_draw
from bpexp.sweeping.driver import run_sweep
from bpexp.sweeping.plan import make_plan


def test_each_network_is_drawn_once_after_the_first_of_its_runs(tmp_path):
    configs = [
        make_config(activation=activation, seed=seed)
        for activation in ("relu", "tanh")
        for seed in range(3)
    ]
    plan = make_plan(configs, tmp_path)
    assigned = assign_draws(plan)
    firsts = {stack[0].identity for stack in plan.stacks}
    assert len(assigned) == 2
    assert assigned <= firsts


def test_a_sweep_leaves_the_draws_that_theorys_frames_hold(tmp_path, monkeypatch):
    configs = [make_config(activation=name) for name in ("relu", "tanh")]
    run_sweep(configs, root=tmp_path, multirun=True)
    assert assign_draws(make_plan(configs, tmp_path)) == frozenset()
    monkeypatch.setattr(simulated, "simulate", None)  # nothing is left to draw
    theory = load_theory("bpexp", root=tmp_path)
    assert theory["grad_norm_lower"].notna().all()
    assert (theory["grad_norm_lower"] < theory["grad_norm_upper"]).all()


def test_a_plan_whose_draws_take_long_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "MOST_WORK_IN_ALL", 1)
    assert assign_draws(make_plan([make_config()], tmp_path)) == frozenset()


def test_a_failure_of_the_draws_fails_no_run(tmp_path, monkeypatch):
    def simulate(network, names):
        raise MemoryError

    monkeypatch.setattr(simulated, "simulate", simulate)
    plan = make_plan([make_config(seed=seed) for seed in range(2)], tmp_path)
    assigned = assign_draws(plan)
    assert assigned

    def train(members, report, interrupt):
        return train_and_draw(assigned, members, report, interrupt)

    assert {*train_plan(plan, train=train).values()} == {"FINISHED"}


def test_nothing_is_drawn_after_an_interrupt(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(draws, "simulated", lambda *_: drawn.append(1))
    monkeypatch.setattr(draws, "train_stack", lambda members, *_: [DEFERRED] * len(members))
    plan = make_plan([make_config()], tmp_path)
    for interrupt, expected in ((Interrupt(2), 0), (Interrupt(), 1)):
        train_and_draw(assign_draws(plan), plan.stacks[0], lambda n: None, interrupt)
        assert len(drawn) == expected
