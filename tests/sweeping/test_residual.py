"""Skip connections and norms from the command line to figures, report and saved networks."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from helpers import make_config

import bpexp
from bpexp.data import load
from bpexp.executors import Interrupt
from bpexp.nn import Network
from bpexp.record.layout import WEIGHTS
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow warns of its own hints

SWEEP = [
    *("-m", "skip=none,identity", "norm=none,layer,batch", "depth=3,9", "epochs=1", "width=12"),
    *("data.limit=100", "jobs=1", "tracking=off", "study=deep", "probe.jacobian=2"),
    *("measure=[gradient_correlation,global_grad_norm]", "forecast=on"),
    "draw=[stream_variance,gradient_correlation]",
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("residual")
    done = subprocess.run(
        [sys.executable, "-m", "bpexp", *SWEEP], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def runs(sweep):
    return bpexp.load_runs("deep", root=sweep[0])


def test_a_sweep_ends_with_figures_and_a_report(sweep):
    folder, _ = sweep
    (report,) = folder.glob("runs/deep/sweeps/*/report.html")
    assert "norm" in report.read_text()
    names = {path.stem for path in report.parent.glob("figures/*.png")}
    assert {
        "gradient_norm_by_layer",
        "stream_variance_through_training",
        "gradient_correlation_through_training",
        "jacobian_spectrum",
    } <= names


def test_every_run_is_judged_and_forecast(sweep, runs):
    assert len(runs) == 12
    assert runs["verdict"].notna().all()
    assert "of 12 runs" in sweep[1]
    assert "does not know" not in sweep[1]
    assert sweep[1].count("the time that learning takes is not known") == 4  # norm=batch


def test_theory_predicts_what_is_measured_at_the_start(sweep):
    root, keys = sweep[0], ["norm", "skip", "depth", "layer"]
    measured = bpexp.load_layers("deep", root=root).query("step == 0")
    theory = bpexp.load_theory("deep", root=root, simulated=False)
    both = measured.merge(theory, on=keys, suffixes=("", "_expected"), validate="one_to_one")
    assert len(both) == len(theory) == len(measured)
    for name in ("delta_norm", "norm_factor", "slope_factor", "stream_gradient", "stream_variance"):
        found, expected = both[name], both[f"{name}_expected"]
        assert (found.isna() == expected.isna()).all(), name
        assert (found / expected).median() == pytest.approx(1, abs=0.35), name


def test_frames_hold_the_stream_where_there_is_one(sweep):
    layers = bpexp.load_layers("deep", root=sweep[0])
    own = layers[layers["source"] == "measured"] if "source" in layers else layers
    hidden = own["layer"] <= own["depth"]
    residual = own["skip"] == "identity"
    assert own.loc[residual & hidden, "stream_gradient"].notna().all()
    assert own.loc[~(residual & hidden), "stream_gradient"].isna().all()
    assert own.loc[residual, "weight_factor"].isna().all()
    normed = ~residual & (own["norm"] != "none") & hidden
    assert own.loc[normed, "norm_factor"].notna().all()
    assert own.loc[residual | (own["norm"] == "none"), "norm_factor"].isna().all()


def test_the_decay_rate_is_that_of_the_stream(sweep, runs):
    layers = bpexp.load_layers("deep", root=sweep[0])
    for _, run in runs[runs["depth"] == 9].iterrows():
        start = layers[(layers["run"] == run["run"]) & (layers["step"] == 0)].sort_values("layer")
        is_residual = run["skip"] == "identity"
        values = start["stream_gradient"][:-1] if is_residual else start["delta_norm"]
        ratio = values.iloc[0] / values.iloc[-1]
        assert run["start/gradient_first_to_last"] == pytest.approx(ratio)
        rate = np.log(ratio) / (len(values) - 1)
        assert run["start/gradient_decay_rate"] == pytest.approx(rate)


def test_saved_networks_predict_with_running_statistics(sweep, runs):
    x = load("digits", limit=100).x_test
    for _, run in runs.iterrows():
        net = bpexp.load_network(run)
        assert (net.architecture.skip.name, net.architecture.norm.name) == (
            run["skip"],
            run["norm"],
        )
        whole = net.outputs(x)
        one = np.vstack([net.outputs(x[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(whole[:5], one, rtol=1e-4)
        has_moved = np.any(net.state != net.architecture.initial_state())
        assert has_moved == (run["norm"] == "batch")


def make_plans(tmp_path, **options):
    given = {"epochs": 4, "depth": 3, "norm": "batch", "batch_size": 20, **options}
    configs = [make_config(seed=seed, **given) for seed in (0, 1, 2)]
    return make_plan(configs, tmp_path)


@pytest.mark.parametrize("skip", ["none", {"name": "identity", "order": "full"}, "fixup"])
def test_an_interrupted_run_ends_with_the_bits_of_an_undisturbed_one(skip, tmp_path):
    """The runs are in a stack, are stopped after an epoch, and are resumed."""
    whole = make_plans(tmp_path / "whole", skip=skip)
    for stack in whole.stacks:
        train_stack(stack, lambda n: None, Interrupt())
    for stack in make_plans(tmp_path / "parts", skip=skip).stacks:
        interrupt = Interrupt()
        stop = partial(setattr, interrupt, "signal")
        assert {*train_stack(stack, stop, interrupt)} == {"KILLED"}
    again = make_plans(tmp_path / "parts", skip=skip)
    assert {member.epoch for member in again.members} == {1}
    for stack in again.stacks:
        assert {*train_stack(stack, lambda n: None, Interrupt())} == {"FINISHED"}
    for one, other in zip(whole.members, again.members, strict=True):
        nets = [Network.load(member.folder / WEIGHTS) for member in (one, other)]
        assert nets[0].theta.tobytes() == nets[1].theta.tobytes()
        assert nets[0].state.tobytes() == nets[1].state.tobytes()


def test_a_served_model_uses_the_running_statistics(tmp_path, monkeypatch):
    """The model is loaded from its weights file alone, as MLflow does."""
    pytest.importorskip("mlflow")
    from bpexp.tracking.model import ServedNetwork

    data = load("digits", limit=100)
    net = Network.create([64, 8, 8, 10], norm="batch", skip="identity")
    bpexp.train(net, data, epochs=2)
    net.save(tmp_path / "weights.npz")
    served, context = ServedNetwork(), type("Context", (), {})()
    context.artifacts = {"weights": str(tmp_path / "weights.npz")}
    served.load_context(context)
    found = served.predict(context, data.x_test[:3])
    if isinstance(found, pd.DataFrame):
        found = found.to_numpy()
    assert np.asarray(found).shape[0] == 3
    np.testing.assert_allclose(np.max(found, axis=1), net.outputs(data.x_test[:3]).max(axis=1))
