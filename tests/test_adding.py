"""A new choice is a factory with its row of a table and a YAML file of its defaults.

Each case adds one; the command line, the record, the help and the refusals then know it. Other
files add a kind of layer (nn/test_layers.py), an instrument (probes/test_instruments.py), a task
(sweeping/test_tasks.py) and a figure (figures/test_catalogue.py).
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import ROOT

import bpexp
from bpexp.__main__ import main
from bpexp.data import DATASETS
from bpexp.data.dataset import make_dataset
from bpexp.executors import EXECUTORS
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS
from bpexp.nn.activations import Activation
from bpexp.nn.costs import Cost
from bpexp.nn.initializers import Initializer
from bpexp.nn.norms import NORMS, UNITS, Norm
from bpexp.nn.skips import SKIPS, Skip
from bpexp.nn.tape import assign
from bpexp.nn.updates import Optimizer
from bpexp.training import SCHEDULES, STOPS
from bpexp.training.schedules import Schedule

DIGITS = bpexp.load_data("digits", limit=96)


def hard_tanh(*, limit: float = 1.0) -> Activation:
    """g(z) = min(max(z, -limit), limit)."""

    def evaluate(emit, z, a, slope, scratch):
        emit(np.clip, z, -limit, limit, a)
        if slope is not None:
            emit(np.equal, z, a, scratch.mask)
            assign(emit, slope, scratch.mask)

    return Activation(evaluate, max_slope=1.0)


def alternating(*, size: float = 0.1) -> Initializer:
    """W is size, -size, size, ... along a unit's weights."""

    def family(draw):
        return np.where(np.arange(len(draw)) % 2, -1.0, 1.0)[:, None] * np.ones_like(draw)

    return Initializer(family, lambda n_in, n_out, negative_slope: size**2)


def sign_descent(*, scale: float = 1.0) -> Optimizer:
    """theta <- theta - eta scale sign(dC/dtheta)."""

    def update(emit, p):
        emit(np.sign, p.gradient, p.work)
        emit(np.multiply, p.work, p.number(scale), p.work)
        emit(np.multiply, p.work, p.remaining_rate, p.work)
        emit(np.subtract, p.theta, p.work, p.theta)

    return Optimizer(0, update, 0.0, None, by_rate=False)


def only_first(*, steps: int = 1) -> Schedule:
    """Train in the first steps only; later rates are 0."""
    return Schedule(lambda s, total: float(s <= steps), 0)


def halved(*, share: float = 0.5):
    """Stop when loss/train has fallen to a share of its first value."""
    return lambda costs, scores: costs[-1] <= share * costs[0]


def doubled(*, factor: float = 2.0) -> Cost:
    """C = factor times the cross-entropy."""
    plain = COSTS["cross_entropy"]()

    def delta(emit, z, t, out, slope, scratch):
        plain.delta(emit, z, t, out, slope, scratch)
        emit(np.multiply, out, scratch.number(factor), out)

    return Cost(delta, lambda z, t: factor * plain.value(z, t), plain.output)


def stripes(*, limit: int | None = None):
    """Two classes: which half of the pixels is lit."""
    y = np.arange(40) % 2
    x = np.repeat(np.stack([y, 1 - y], 1), 3, axis=1).astype(float)
    return make_dataset("stripes", "made", (x[:30], y[:30]), (x[30:], y[30:]), limit=limit)


def spread(*, eps: float = 0.5) -> Norm:
    """Normalise each example over the units, without trained parameters."""
    return Norm(UNITS, centred=True, affine=False, eps=eps)


def weighted(*, size: float = 0.5) -> Skip:
    """Add each layer's branch times size to the stream, in order pre."""
    return Skip("pre", every=1, scale=size)


@dataclass
class Counting:
    """Trains in this process and notes how many stacks it trained."""

    note: str
    least_operations = 0.0

    def workers(self):
        return 1

    def run(self, stacks, session):
        Path(self.note).write_text(str(len(stacks)))
        outcomes = [session.train(stack, session.report, session.interrupt) for stack in stacks]
        pairs = zip(stacks, outcomes, strict=True)
        return {r.identity: s for stack, out in pairs for r, s in zip(stack, out, strict=True)}


def counting(*, note: str = "stacks.txt") -> Counting:
    """Train in this process and note how many stacks were trained."""
    return Counting(note)


def network(run):
    return bpexp.load_network(run)


def as_hard_tanh(run):
    """The trained network's outputs are those of a plain loop."""
    net, a = network(run), DIGITS.x_test.astype(np.float64)
    *hidden, last = net.layers
    for theta in hidden:
        a = np.minimum(np.maximum(a @ theta[1:] + theta[0], -0.5), 0.5)
    z = a @ last[1:] + last[0]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(net.outputs(DIGITS.x_test), p, rtol=1e-4)


def as_alternating(run):
    assert {*np.unique(np.abs(network(run).layers[0][1:]))} == {np.float32(0.25)}


def as_sign_descent(run):
    """96 examples in batches of 96 are one step, which moves a parameter by lr scale or not."""
    start = bpexp.Network.create([64, 8, 10], seed=0)
    moved = np.abs(network(run).theta - start.theta)
    assert {*np.unique(np.round(moved, 5))} == {np.float32(0), np.float32(0.003)}


def as_only_first(run):
    """Six batches an epoch: the loss changes over the first only, if two steps train."""
    losses = bpexp.load_curves("bpexp")["loss/test"].to_numpy()
    assert losses[0] != losses[1] == losses[2]


def as_halved(run):
    train = bpexp.load_curves("bpexp").set_index("epoch")["loss/train"]
    first = train.loc[1]
    assert train.iloc[-1] <= 0.9 * first < train.iloc[-2]


def as_doubled(run):
    net = network(run)
    p = net.outputs(DIGITS.x_test)[np.arange(len(DIGITS.y_test)), DIGITS.y_test]
    assert run["loss/test"] == pytest.approx(np.mean(-3 * np.log(p.astype(float))), rel=1e-5)


def as_stripes(run):
    assert network(run).architecture.sizes[0] == 6
    assert run["accuracy/test"] == 1


def in_plain_loops(run, join):
    """The trained network's outputs are those of a plain loop; `join` makes z and a of a layer."""
    net, a, stream = network(run), DIGITS.x_test.astype(np.float64), None
    *hidden, last = net.layers
    for theta in hidden:
        a, stream = join(a @ theta[1:] + theta[0], stream)
    z = a @ last[1:] + last[0]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(net.outputs(DIGITS.x_test), p, rtol=1e-4)


def as_spread(run):
    def join(u, _):
        centred = u - u.mean(1, keepdims=True)
        return np.maximum(centred / np.sqrt((centred**2).mean(1, keepdims=True) + 2), 0), None

    in_plain_loops(run, join)


def as_weighted(run):
    def join(u, stream):
        h = u if stream is None else stream + 0.25 * u
        return np.maximum(h, 0), h

    in_plain_loops(run, join)


def as_counting(run):
    assert run["status"] == "FINISHED"
    assert Path("mine.txt").read_text() == "1"


@dataclass
class Case:
    """A factory that joins a table, further overrides, and a check of the trained run."""

    table: dict[str, Any]
    factory: Any
    words: str
    holds: Any


CASES = {
    "activation": Case(ACTIVATIONS, hard_tanh, "activation.limit=0.5", as_hard_tanh),
    "init": Case(INITIALIZERS, alternating, "init.size=0.25 lr=1e-12", as_alternating),
    "optimizer": Case(
        OPTIMIZERS, sign_descent, "optimizer.scale=0.3 lr=0.01 batch_size=96 epochs=1",
        as_sign_descent,
    ),
    "schedule": Case(SCHEDULES, only_first, "schedule.steps=2", as_only_first),
    "stop": Case(STOPS, halved, "stop.share=0.9 epochs=50", as_halved),
    "cost": Case(COSTS, doubled, "cost.factor=3", as_doubled),
    "data": Case(DATASETS, stripes, "data.limit=null epochs=30 lr=0.5", as_stripes),
    "norm": Case(NORMS, spread, "norm.eps=2 depth=2", as_spread),
    "skip": Case(SKIPS, weighted, "skip.size=0.25 depth=3", as_weighted),
    "executor": Case(EXECUTORS, counting, "executor.note=mine.txt", as_counting),
}  # fmt: skip


def run(monkeypatch, capsys, *words):
    """Return the exit code and the output of a command."""
    monkeypatch.setattr(sys, "argv", ["bpexp", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return ended.value.code, shown.out + shown.err


@pytest.mark.parametrize("group", CASES)
def test_a_choice_is_one_row_and_one_file(group, tmp_path, monkeypatch, capsys):
    case = CASES[group]
    name = case.factory.__name__
    monkeypatch.setitem(case.table, name, case.factory)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    defaults = "".join(f"{k}: {v}\n" for k, v in (case.factory.__kwdefaults__ or {}).items())
    defaults = defaults.replace("None", "null")
    (tmp_path / "conf" / group / f"{name}.yaml").write_text(f"name: {name}\n{defaults}")
    monkeypatch.setattr("bpexp.command_line.tree", lambda part: tmp_path / part)
    monkeypatch.chdir(tmp_path)

    small = ["depth=1", "width=8", "epochs=2", "tracking=off", "progress=false"]
    small += [] if group == "data" else ["data.limit=96"]
    given = case.words.split()
    kept = [word for word in small if word.split("=")[0] not in {w.split("=")[0] for w in given}]
    code, shown = run(monkeypatch, capsys, f"{group}={name}", *kept, *given)
    assert code == 0, shown
    row = bpexp.load_runs("bpexp").iloc[0]
    assert row[group] == name
    case.holds(row)

    code, shown = run(monkeypatch, capsys, "--help", group)
    assert code == 0
    assert name in shown
    assert case.factory.__doc__.splitlines()[0] in " ".join(shown.split())
    code, shown = run(monkeypatch, capsys, f"{group}={name}x")
    assert code == 2
    assert name in shown

    monkeypatch.delitem(case.table, name)  # the record stays readable without the row
    assert bpexp.load_runs("bpexp").iloc[0][group] == name
