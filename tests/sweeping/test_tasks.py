"""A regression from the command line to MLflow, and a task that is added as one row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_config
from sklearn.metrics import mean_squared_error, r2_score

import bpexp
from bpexp.data import DATASETS, load
from bpexp.data.dataset import make_dataset
from bpexp.executors import Interrupt
from bpexp.nn import Choice
from bpexp.nn.tasks import TASKS, Task, squared_distance
from bpexp.record.layout import WEIGHTS
from bpexp.record.run import Run
from bpexp.sweeping.driver import run_sweep
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other

TEACHER = [
    *("-m", "data=teacher", "data.examples=300", "data.test=100", "data.features=6"),
    *("cost=squared_error", "cost.output=identity"),
]
SWEEP = [
    *("activation=sigmoid,tanh", "depth=1,4", "width=12", "epochs=4", "lr=0.02", "jobs=1"),
    *("forecast=on", "study=teacher"),
]


def command(words, folder):
    return subprocess.run(
        [sys.executable, "-m", "bpexp", *words],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A real sweep of four runs in an empty folder."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder, command([*TEACHER, *SWEEP], folder).stdout


@pytest.fixture(scope="module")
def data():
    return load("teacher", examples=300, test=100, features=6)


@pytest.fixture(scope="module")
def runs(sweep):
    return bpexp.load_runs("teacher", root=sweep[0])


def test_finals_are_scikit_learns_scores_of_the_trained_networks(runs, sweep, data):
    assert (runs["status"] == "FINISHED").all()
    assert (runs["task"] == "regression").all()
    assert "accuracy/test" not in runs
    curves = bpexp.load_curves("teacher", root=sweep[0])
    for _, run in runs.iterrows():
        found = bpexp.load_network(sweep[0] / run["folder"]).predict(data.x_test)
        assert run["r2/test"] == pytest.approx(r2_score(data.y_test, found), rel=1e-5)
        assert run["mse/test"] == pytest.approx(mean_squared_error(data.y_test, found), rel=1e-5)
        assert (run["chance"], run["chance/test"]) == (data.chance, data.chance_test)
        curve = curves[curves["run"] == run["run"]]
        base = max(curve["r2/train"].iloc[0], data.chance)
        origin = "guessing" if base == data.chance else "step 0"
        gained = (run["r2/train"] - base) / (1 - base)
        assert f"r2 came {gained:.0%} of the way from {origin}" in run["evidence"]
        assert (run["verdict/training"] == "learnt") == (gained >= 0.1)


def test_summary_and_forecast_are_of_r2(sweep, runs):
    folder, printed = sweep
    head, *lines = printed[printed.index("activation ") :].splitlines()
    column = head.split().index("r2")
    shown = [float(line.split()[column]) for line in lines[: len(runs)]]
    assert sorted(shown) == pytest.approx(sorted(runs["r2/test"]), abs=5e-4)
    forecast = pd.read_csv(next(folder.glob("runs/teacher/sweeps/*/forecast.csv")))
    trained = forecast.set_index("run")["trained"].astype(bool)
    assert dict(trained) == dict(zip(runs["run"], runs["r2/train"] > 0.5, strict=True))
    assert trained.nunique() == 2


def test_layers_curves_and_theory_are_loaded(sweep, runs, data):
    layers = bpexp.load_layers("teacher", root=sweep[0])
    theory = bpexp.load_theory("teacher", root=sweep[0])
    curves = bpexp.load_curves("teacher", root=sweep[0])
    assert set(theory["run"]) == set(layers["run"]) == set(runs["run"])
    last = curves.groupby("run").last()
    for name in ("r2/train", "r2/test", "mse/train", "mse/test", "loss/test"):
        expected = runs.set_index("run").loc[last.index, name]
        np.testing.assert_array_equal(last[name], expected)
    np.testing.assert_allclose(last["loss/test"], last["mse/test"], rtol=1e-6)  # one output
    assert len(layers) == (2 + 5) * 2 * 5  # layers, activations, probes
    start = layers[layers["step"] == 0].set_index(["run", "layer"])["delta_norm"]
    ratio = start / theory.set_index(["run", "layer"])["delta_norm"]
    assert ratio.between(0.3, 3).all()  # one draw of twelve units


def test_figures_bear_the_metrics_name(sweep):
    (folder,) = sweep[0].glob("runs/teacher/sweeps/*/figures")
    names = {path.name for path in folder.iterdir()}
    assert {"r2_by_depth.png", "learning_curves.png", "verdicts.png", "forecast.png"} <= names
    assert not [name for name in names if "accuracy" in name or "score" in name]
    drawn = pd.read_csv(folder / "r2_by_depth.csv")
    assert {"r2/test", "chance"} <= set(drawn)


def test_the_store_has_the_metrics_and_the_best_run_as_a_model(sweep, runs, data):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{sweep[0]}/mlflow.db")
    experiment = client.get_experiment_by_name("teacher").experiment_id
    stored = client.search_runs([experiment], "tags.kind = 'run'")
    by_identity = runs.set_index("run")
    for run in stored:
        own = by_identity.loc[run.data.tags["identity"]]
        assert run.data.metrics["r2/test"] == own["r2/test"]
        assert run.data.metrics["final/r2_test"] == own["r2/test"]
        assert run.data.metrics["final/mse_train"] == own["mse/train"]
        assert not [name for name in run.data.metrics if "accuracy" in name]
    (best,) = [run for run in stored if "model" in run.data.tags]
    assert best.data.tags["identity"] == by_identity["r2/test"].idxmax()
    there = bpexp.load_runs("teacher", uri=f"sqlite:///{sweep[0]}/mlflow.db")
    for name in ("task", "r2/test", "mse/train", "chance", "verdict"):
        assert dict(zip(there["run"], there[name], strict=True)) == dict(by_identity[name])
    x = data.x_test[:3].astype(np.float32)
    (sweep[0] / "inputs.json").write_text(json.dumps({"inputs": x.tolist()}))
    words = ["predict", "-m", f"runs:/{best.info.run_id}/network", "-i", "inputs.json"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", *words, "-t", "json", "--env-manager", "local"],
        cwd=sweep[0], capture_output=True, text=True, check=True,
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
    )  # fmt: skip
    served = np.float32(json.loads(done.stdout.splitlines()[-1])["predictions"])
    network = bpexp.load_network(by_identity.loc[best.data.tags["identity"]].rename(None))
    assert served.tobytes() == np.ascontiguousarray(network.predict(x)).tobytes()


def test_an_interrupted_regression_goes_on_bit_for_bit(tmp_path):
    linear = {"name": "squared_error", "output": "identity"}
    configs = [
        make_config(data="diabetes", cost=linear, lr=0.01, epochs=4, seed=seed, stop=stop)
        for seed, stop in ((0, "none"), (1, "none"), (2, {"name": "r2", "target": 0.3}))
    ]
    whole = make_plan(configs, tmp_path / "whole")
    plan = make_plan(configs, tmp_path)
    for stack in whole.stacks:
        train_stack(stack, lambda epochs: None, Interrupt())
    for stack in plan.stacks:
        interrupt = Interrupt()
        train_stack(stack, lambda epochs, i=interrupt: setattr(i, "signal", 2), interrupt)
    again = make_plan(configs, tmp_path)
    assert {member.epoch for member in again.members} == {1}
    for stack in again.stacks:
        assert set(train_stack(stack, lambda epochs: None, Interrupt())) == {"FINISHED"}
    for one, other in zip(whole.members, again.members, strict=True):
        first, second = Run.at(one.folder), Run.at(other.folder)
        assert first.metrics == second.metrics
        assert first.end["verdict"] == second.end["verdict"]
        assert (one.folder / WEIGHTS).read_bytes() == (other.folder / WEIGHTS).read_bytes()
    assert Run.at(again.members[2].folder).metrics.epoch < 4  # ended by its rule


def test_a_run_that_diverged_is_not_the_best_and_has_not_trained(tmp_path):
    linear = {"name": "squared_error", "output": "identity"}
    configs = [
        make_config(data="diabetes", cost=linear, lr=lr, forecast="on") for lr in (1e9, 0.001)
    ]
    outcome = run_sweep(configs, root=tmp_path, multirun=True)
    runs = bpexp.load_runs("bpexp", root=tmp_path).set_index("lr")
    assert runs.loc[1e9, "verdict"] == "diverged"
    assert np.isnan(outcome.scores[0])
    assert np.isnan(runs.loc[1e9, "r2/test"])
    (folder,) = tmp_path.glob("runs/bpexp/sweeps/*")
    record = json.loads((folder / "sweep.json").read_text())
    assert record["models"] == [runs.loc[0.001, "run"]]
    forecast = pd.read_csv(folder / "forecast.csv").set_index("lr")["trained"]
    assert not forecast[1e9]


def test_a_sweep_of_two_tasks_scores_each_by_its_own_metric(tmp_path):
    linear = {"name": "squared_error", "output": "identity"}
    digits = {"name": "digits", "limit": 96}
    configs = [make_config(data=data, cost=linear, lr=0.01) for data in (digits, "diabetes")]
    scores = run_sweep(configs, root=tmp_path, multirun=True).scores
    runs = bpexp.load_runs("bpexp", root=tmp_path).set_index("data")
    assert scores == [runs.loc["digits", "accuracy/test"], runs.loc["diabetes", "r2/test"]]
    assert runs.loc["diabetes", ["accuracy/test", "accuracy/train"]].isna().all()
    assert runs.loc["digits", ["r2/test", "mse/test"]].isna().all()
    (folder,) = tmp_path.glob("runs/bpexp/sweeps/*/figures")
    assert (folder / "score_by_depth.png").exists()


def test_a_task_is_one_row(tmp_path, monkeypatch):
    """The score is the root mean squared error in units of the targets; lower is better."""
    task = Task(
        labels=False,
        cost=Choice("squared_error", {"output": "identity"}),
        fits=lambda cost: cost.linear,
        metrics={"rmse": "root mean squared error over examples and outputs"},
        statistic=squared_distance,
        scores=lambda mean, targets: (np.sqrt(mean),),
        label="RMSE",
        unit="units of the targets",
        perfect=0.0,
    )
    monkeypatch.setitem(TASKS, "measurement", task)

    def line(*, limit: int | None = None):
        """Targets that are a linear function of the inputs."""
        x = np.random.default_rng(0).standard_normal((120, 3))
        y = x @ np.array([[3.0], [-1.0], [2.0]])
        split = (x[:100], y[:100]), (x[100:], y[100:])
        return make_dataset("line", "made", *split, task="measurement", limit=limit)

    monkeypatch.setitem(DATASETS, "line", line)
    linear = {"name": "squared_error", "output": "identity"}
    rates = (0.05, 1e-5)
    configs = [
        make_config(data="line", cost=linear, lr=lr, epochs=10, depth=0, forecast="on")
        for lr in rates
    ]
    outcome = run_sweep(configs, root=tmp_path, multirun=True)
    runs = bpexp.load_runs("bpexp", root=tmp_path).set_index("lr")
    guess = np.sqrt(np.mean((line().y_train - line().y_train.mean()) ** 2))
    assert runs.loc[0.05, "chance"] == pytest.approx(guess)
    assert outcome.scores == [runs.loc[rate, "rmse/test"] for rate in rates]
    assert outcome.scores[0] < 0.1 * guess < outcome.scores[1]
    (folder,) = tmp_path.glob("runs/bpexp/sweeps/*")
    forecast = pd.read_csv(folder / "forecast.csv").set_index("lr")["trained"]
    assert dict(forecast) == {0.05: True, 1e-5: False}
    record = json.loads((folder / "sweep.json").read_text())
    assert record["models"] == [runs.loc[0.05, "run"]]
    assert (folder / "figures" / "rmse_by_depth.png").exists()
