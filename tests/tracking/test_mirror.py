"""MLflow: its contents equal what direct calls compute; mirroring twice changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, make_config

from bpexp.analysis.summaries import decay
from bpexp.analysis.verdict import Evidence, verdict
from bpexp.config import identity
from bpexp.config.schema import RUNTIME_KEYS
from bpexp.data import load
from bpexp.executors import Interrupt
from bpexp.nn import Network
from bpexp.nn.tasks import TASKS
from bpexp.record.history import read
from bpexp.record.journal import Journal
from bpexp.record.layout import JOURNAL, SWEEP
from bpexp.results import load_layers, load_network, load_runs
from bpexp.sweeping import stacks
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import fail, train_stack
from bpexp.tracking import whole
from bpexp.tracking.follow import NICENESS
from bpexp.tracking.mirror import Mirror
from bpexp.training import train

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other

WORDS = ["-m", "activation=sigmoid,relu", "depth=2", "width=12", "epochs=3", "data.limit=200"]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A real sweep of two runs, by the command line, in an empty folder."""
    folder = tmp_path_factory.mktemp("sweep")
    done = subprocess.run(
        [sys.executable, "-m", "bpexp", *WORDS], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def client(sweep):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{sweep[0]}/mlflow.db")


def stored(client, kind="run"):
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    runs = client.search_runs([experiment], f"tags.kind = '{kind}'")
    return sorted(runs, key=lambda run: run.info.run_name)


def by_hand(activation):
    network = Network.create([64, 12, 12, 10], activation=activation, seed=0)
    data = load("digits", limit=200)
    return train(network, data, lr=0.05, epochs=3, batch_size=16)


@pytest.mark.parametrize(("place", "activation"), [(0, "relu"), (1, "sigmoid")])
def test_the_store_holds_what_direct_calls_compute(client, place, activation):
    run = stored(client)[place]
    history = by_hand(activation)
    expected = {}
    for seen in history:
        values = {**seen.metrics, "epoch": seen.epoch, **decay(seen.layers["delta_norm"])}
        values |= {
            f"grad_norm/layer_{i:03d}": value
            for i, value in enumerate(seen.layers["grad_norm"].tolist(), start=1)
        }
        for name, value in values.items():
            expected.setdefault(name, []).append((seen.step, value))
    names = {name for name in run.data.metrics if not name.startswith(("final/", "start/"))}
    assert names == expected.keys()
    for name, points in expected.items():
        history_ = client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in history_] == points, name
    last = history[-1]
    finals = {k: v for k, v in run.data.metrics.items() if k.startswith("final/")}
    assert finals["final/accuracy_test"] == last.metrics["accuracy/test"]
    assert finals["final/grad_norm_first"] == last.layers["grad_norm"][0]
    expected = verdict(
        Evidence.of(
            [{**s.layers, **s.arrays} for s in history],
            [s.metrics for s in history],
            task=TASKS["classification"],
            chance=load("digits", limit=200).chance,
        )
    )
    told = expected.fields()
    assert told.keys() >= {"verdict", "verdict/gradient_start", "verdict/gradient_end", "evidence"}
    assert told["verdict/training"] == "stalled"
    assert {name: run.data.tags[name] for name in told} == told
    assert f"training: {told['verdict/training']}" in run.data.tags["mlflow.note.content"]


def test_params_are_the_override_keys(client):
    run = stored(client)[0]
    params = run.data.params
    assert params["activation"] == "relu"
    assert params["depth"] == "2"
    assert params["lr"] == "0.05"
    assert params["data.limit"] == "200"
    assert params["probe.examples"] == "512"
    assert not {key.partition(".")[0] for key in params} & {
        key.partition(".")[0] for key in RUNTIME_KEYS
    }, "what decides no number is no param"


def test_runs_have_no_parent_and_have_tags_description_data_and_artifacts(client):
    runs = stored(client)
    (own,) = stored(client, kind="sweep")
    for run in runs:
        assert run.info.status == "FINISHED"
        assert "mlflow.parentRunId" not in run.data.tags
        assert run.data.tags["sweep"] == own.data.tags["sweep"]
        assert run.data.tags["verdict"] in run.data.tags["mlflow.note.content"]
        (data,) = [entry.dataset for entry in run.inputs.dataset_inputs]
        assert (data.name, data.digest) == ("digits", load("digits", limit=200).digest)
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"config.yaml", "layers.parquet", "weights.npz"} <= files
    assert [run.info.run_name for run in runs] == ["relu-d2", "sigmoid-d2"]


def test_the_sweep_has_a_run_of_its_own(client, sweep):
    (own,) = stored(client, kind="sweep")
    assert own.data.tags["command"].endswith(" ".join(WORDS))
    assert own.data.params == {"activation": "sigmoid, relu"}
    assert own.data.metrics["runs/finished"] == 2
    files = {file.path for file in client.list_artifacts(own.info.run_id)}
    assert {"summary.csv", "report.html", "figures"} <= files
    figures = [file.path for file in client.list_artifacts(own.info.run_id, "figures")]
    assert "figures/gradient_norm_by_layer.png" in figures
    assert "http" in sweep[1]
    assert "charts" in sweep[1]


def test_the_best_run_is_a_model_that_mlflow_serves(client, sweep):
    best = max(stored(client), key=lambda run: run.data.metrics["final/accuracy_test"])
    assert [run.info.run_name for run in stored(client) if "model" in run.data.tags] == [
        best.info.run_name
    ]
    x = load("digits").x_test[:7]
    (sweep[0] / "inputs.json").write_text(json.dumps({"inputs": x.tolist()}))
    words = ["predict", "-m", f"runs:/{best.info.run_id}/network", "-i", "inputs.json"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", *words, "-t", "json", "--env-manager", "local"],
        cwd=sweep[0],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    served = np.float32(json.loads(done.stdout.splitlines()[-1])["predictions"])
    runs = load_runs("bpexp", root=sweep[0]).set_index("run")
    expected = load_network(runs.loc[best.data.tags["identity"]]).outputs(x)
    assert served.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_no_pickle_is_stored(sweep):
    assert not [path for path in sweep[0].rglob("*") if path.suffix in (".pkl", ".pickle")]


def contents(client):
    """Return the contents of the store for the study, without MLflow's ids and update times."""
    rows = []
    for kind in ("run", "sweep"):
        for run in stored(client, kind):
            points = {
                name: [
                    (p.step, p.timestamp, p.value)
                    for p in client.get_metric_history(run.info.run_id, name)
                ]
                for name in run.data.metrics
            }
            files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
            tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.loggedModels"}
            rows.append([run.info.run_id, run.data.params, tags, points, files])
    return json.dumps(rows, sort_keys=True)


def sync(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "bpexp.sync", *words], cwd=folder, capture_output=True, text=True
    )


def test_mirroring_again_changes_nothing(client, sweep):
    before = contents(client)
    done = sync(sweep[0])
    assert done.returncode == 0, done.stderr
    assert "2 runs mirrored" in done.stdout
    assert contents(client) == before


def test_a_study_can_be_copied_to_another_store(client, sweep, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/copy.db"
    done = sync(sweep[0], "bpexp", "--tracking-uri", uri)
    assert (done.returncode, done.stderr) == (0, ""), "neither MLflow's log nor its warnings"
    copy = MlflowClient(uri)
    for one, other in zip(stored(client), stored(copy), strict=True):
        assert one.data.metrics == other.data.metrics
        assert one.data.params == other.data.params
    assert len(stored(copy, "sweep")) == 1


def test_a_run_costs_few_calls_however_long_it_is(tmp_path, monkeypatch):
    """The time of mirroring depends on the calls; MLflow's fluent API makes one for each point."""
    monkeypatch.setattr(whole, "is_known", lambda database: False)
    from bpexp.executors import Interrupt
    from bpexp.sweeping.plan import make_plan
    from bpexp.sweeping.stacks import train_stack
    from bpexp.tracking.mirror import Mirror

    counts = []
    for epochs in (1, 12):
        plan = make_plan([make_config(epochs=epochs, tracking="mlflow")], tmp_path)
        train_stack(plan.stacks[0], lambda done: None, Interrupt())
        mirror = Mirror(f"sqlite:///{tmp_path}/{epochs}.db", tmp_path)
        calls, client = [], mirror._client

        class Counting:
            def __getattr__(self, name, client=client, calls=calls):
                calls.append(name)
                return getattr(client, name)

        mirror._client = Counting()
        assert mirror.run(plan.members[0].folder)
        counts.append(len(calls))
        assert "log_metric" not in calls
    assert counts[0] == counts[1] <= 14


def test_a_count_of_what_no_run_is_any_more_becomes_0(sweep, tmp_path):
    """MLflow cannot delete a metric, for example that of runs interrupted in an earlier session."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/other.db"
    assert sync(sweep[0], "bpexp", "--tracking-uri", uri).returncode == 0
    other = MlflowClient(uri)
    (own,) = stored(other, kind="sweep")
    for name in ("runs/killed", "verdict/killed"):
        other.log_metric(own.info.run_id, name, 2.0, timestamp=own.info.start_time, step=0)
    assert sync(sweep[0], "bpexp", "--tracking-uri", uri).returncode == 0
    (own,) = stored(other, kind="sweep")
    assert own.data.metrics["runs/killed"] == own.data.metrics["verdict/killed"] == 0
    assert own.data.metrics["runs/finished"] == own.data.metrics["runs"] == 2


def test_a_mirror_has_a_lower_priority_than_training(sweep, tmp_path):
    """Training, summary and figures have a higher priority than copying."""
    (path,) = (sweep[0] / "runs").glob(f"*/sweeps/*/{SWEEP}")
    command = [sys.executable, "-m", "bpexp.sync", "--follow", str(path), "--root", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path) as mirror:
        before = niceness = os.getpriority(os.PRIO_PROCESS, 0)
        while niceness == before and mirror.poll() is None:
            niceness = os.getpriority(os.PRIO_PROCESS, mirror.pid)
        mirror.kill()
    assert niceness == before + NICENESS


def test_sync_to_a_server_that_is_down_is_refused_in_one_line(sweep, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = sync(sweep[0], "bpexp", "--tracking-uri", uri)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"sync: {uri}: ")


def test_sync_of_nothing_is_refused(tmp_path):
    done = sync(tmp_path, "nothing")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_tables_from_the_store_equal_those_from_the_journals(sweep):
    uri = f"sqlite:///{sweep[0]}/mlflow.db"
    there = load_runs("bpexp", uri=uri).sort_values("run", ignore_index=True)
    layers = load_layers("bpexp", uri=uri)
    here = load_runs("bpexp", root=sweep[0]).sort_values("run", ignore_index=True)
    groups = {key.partition(".")[0] for key in RUNTIME_KEYS} - {"study"}
    own = {c for c in here.columns if c.partition(".")[0] in groups}  # decide no number
    own |= {"seconds", "folder", "epoch"}
    same = [c for c in here.columns if c not in own]
    pd.testing.assert_frame_equal(here[same], there[same], check_dtype=False)
    keys = ["run", "step", "layer"]
    local = load_layers("bpexp", root=sweep[0])
    pd.testing.assert_frame_equal(
        local.sort_values(keys, ignore_index=True)[[*keys, "grad_norm", "q", "dead"]],
        layers.sort_values(keys, ignore_index=True)[[*keys, "grad_norm", "q", "dead"]],
    )


def test_reading_from_a_store_does_not_change_the_users_settings(sweep, tmp_path):
    """They are environment, log levels and warning filters, also if this call imports MLflow."""
    code = f"""
import logging, os, sys, warnings
from bpexp.results import load_layers, load_runs
def settings():
    levels = [logging.getLogger(name).level for name in (None, "mlflow", "alembic")]
    return dict(os.environ), levels, list(warnings.filters)
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "3"
logging.getLogger("alembic").setLevel(logging.INFO)
before = settings()
uri = "sqlite:///{sweep[0]}/mlflow.db"
assert len(load_runs("bpexp", uri=uri)) == 2 and len(load_layers("bpexp", uri=uri))
try:
    load_runs("other", uri=uri)
except Exception as error:
    assert "no experiment 'other'" in str(error)
assert "mlflow" in sys.modules
for now, then in zip(settings(), before):
    assert now == then, (now, then)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_results_are_tidy(sweep):
    runs = load_runs("bpexp", root=sweep[0])
    assert len(runs) == 2
    assert runs["activation"].cat.ordered
    assert runs["verdict"].cat.ordered
    assert runs["accuracy/test"].dtype == float
    assert runs["depth"].dtype == int
    layers = load_layers("bpexp", root=sweep[0])
    assert len(layers) == 2 * 4 * 3  # runs, probes, layers
    assert (layers.groupby(["run", "step"])["layer"].count() == 3).all()
    assert (layers["source"] == "measured").all()


def test_only_the_mirror_needs_the_store(sweep, tmp_path):
    """If the store cannot be reached, no result is lost, one warning is printed, the code is 0."""
    done = subprocess.run(
        [sys.executable, "-m", "bpexp", *WORDS, "tracking.uri=http://127.0.0.1:9"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not mirrored; to mirror them later: python -m bpexp.sync bpexp" in done.stderr
    assert len(load_runs("bpexp", root=tmp_path)) == 2
    for path in tmp_path.glob("runs/bpexp/*/weights.npz"):
        assert path.read_bytes() == (sweep[0] / path.relative_to(tmp_path)).read_bytes()


@pytest.fixture
def member(tmp_path):
    """A run that was interrupted after its second epoch, below tmp_path."""
    (member,) = make_plan([make_config(epochs=4)], tmp_path).members
    interrupt, done = Interrupt(), []

    def report(epochs):
        done.append(epochs)
        interrupt.signal = signal.SIGINT * (len(done) == 2)

    assert train_stack([member], report, interrupt) == ["KILLED"]
    return member


def points(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("bpexp").experiment_id])
    steps = {
        name: [point.step for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    return run, steps


def mirrored(folder, member, model=False):
    return Mirror(f"sqlite:///{folder}/mlflow.db", folder).run(member.folder, model=model)


def test_a_run_is_continued_in_the_store_as_in_its_journal(tmp_path, member):
    mirrored(tmp_path, member)
    assert points(tmp_path)[0].info.status == "KILLED"
    with Journal(member.folder):
        path = member.folder / JOURNAL
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))  # the end
        for _ in range(2):  # a second mirror finds the run RUNNING, and its lock held by itself
            mirrored(tmp_path, member)
            assert points(tmp_path)[0].info.status == "RUNNING"
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    assert mirrored(tmp_path, member)
    run, steps = points(tmp_path)
    assert run.info.status == "FINISHED"
    assert steps["loss/test"] == [0, 6, 12, 18, 24]


@pytest.mark.parametrize("once", [True, False])
def test_a_mirror_that_follows_a_run_writes_each_point_once(tmp_path, member, monkeypatch, once):
    """This includes a run that was mirrored, in one transaction, before it was continued."""
    from mlflow import MlflowClient

    if not once:
        monkeypatch.setattr(whole, "is_known", lambda database: False)
    logged = []
    real = MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), *arguments):
        logged.extend((point.key, point.step) for point in metrics)
        return real(self, run_id, metrics, *arguments)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    mirror = Mirror(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert mirror.run(member.folder)
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    for _ in range(2):
        assert mirror.ended(member.folder)
        assert mirror.run(member.folder)
    assert len(logged) == len(set(logged))
    steps = [step for name, step in logged if name == "loss/test"]
    assert steps == ([18, 24] if once else [0, 6, 12, 18, 24])
    run, steps = points(tmp_path)
    assert run.info.status == "FINISHED"
    assert steps["loss/test"] == [0, 6, 12, 18, 24]
    assert run.data.tags["mirrored"] == str(len((member.folder / JOURNAL).open().readlines()))


def test_files_that_a_run_lacks_are_written_before_they_are_uploaded(tmp_path, member):
    """Version 0.1 did not write tables for each run."""
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    whole = (member.folder / "layers.parquet").read_bytes()
    for name in ("layers.parquet", "curves.parquet", "config.yaml"):
        (member.folder / name).unlink()
    assert mirrored(tmp_path, member)
    assert (member.folder / "layers.parquet").read_bytes() == whole
    (uploaded,) = (tmp_path / "mlruns").rglob("layers.parquet")
    assert uploaded.read_bytes() == whole
    assert list((tmp_path / "mlruns").rglob("config.yaml"))


@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("broken", ["set_terminated", "set_tag"])
def test_a_mirror_that_failed_before_the_last_call_is_completed_by_the_next(
    tmp_path, member, monkeypatch, model, broken
):
    """This includes a run that MLflow has set back to RUNNING while it logged a model."""
    from mlflow import MlflowClient

    def refuse(*_, **__):
        raise OSError("503")

    # MLflow sets it to log a model, for this process and all that it starts
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, broken, refuse)
        with contextlib.suppress(OSError):
            mirrored(tmp_path, member, model)
    for _ in range(2):
        assert mirrored(tmp_path, member, model)
        info = points(tmp_path)[0].info
        ended = round(read(member.folder).end["time"] * 1000)
        assert (info.status, info.end_time) == ("FINISHED", ended)


def test_lines_that_a_power_cut_took_after_they_were_mirrored_make_no_second_points(
    tmp_path, member
):
    mirrored(tmp_path, member)
    path = member.folder / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]) + b'{"kind": "ob')
    (member.folder / "checkpoint.npz").unlink()
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    assert mirrored(tmp_path, member)
    for name, steps in points(tmp_path)[1].items():
        assert len(steps) == len(set(steps)), name


def test_what_a_failure_left_goes_when_the_run_is_finished(tmp_path, member):
    fail(member, "Traceback ...\nValueError: no")
    mirrored(tmp_path, member)
    run, _ = points(tmp_path)
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "ValueError: no")
    assert train_stack([member.refreshed()], lambda n: None, Interrupt()) == ["FINISHED"]
    mirrored(tmp_path, member)
    run, _ = points(tmp_path)
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags


@pytest.mark.parametrize("tagged", [True, False])
def test_runs_of_an_older_algorithm_are_superseded_in_the_store_too(tmp_path, monkeypatch, tagged):
    """Stores of version 0.1 have no such tags; the algorithm is computed from the identity."""
    from mlflow import MlflowClient

    config = make_config(epochs=1)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    identities = {}
    for number in (5, 6):
        monkeypatch.setattr(identity, "ALGORITHM", number)
        monkeypatch.setattr(stacks, "ALGORITHM", number)
        (member,) = make_plan([config], tmp_path).members
        assert train_stack([member], lambda n: None, Interrupt()) == ["FINISHED"]
        assert mirrored(tmp_path, member)
        identities[number] = member.identity
        if number == 5 and not tagged:
            client, (run, _) = MlflowClient(uri), points(tmp_path)
            for tag in ("algorithm", "configuration"):
                client.delete_tag(run.info.run_id, tag)
    for loader in (load_runs, load_layers):
        assert loader("bpexp", uri=uri)["algorithm"].unique().tolist() == [6]
        both = loader("bpexp", uri=uri, superseded=True)
        assert dict(zip(both["algorithm"], both["run"], strict=True)) == identities
        here = loader("bpexp", root=tmp_path, superseded=True)
        assert dict(zip(here["algorithm"], here["run"], strict=True)) == identities


def test_no_address_and_so_no_password_of_the_store_is_a_param(tmp_path, member):
    mirrored(tmp_path, member)
    assert not [key for key in points(tmp_path)[0].data.params if key.startswith("tracking")]


@pytest.mark.parametrize(
    ("key", "value"), [("study", "2026"), ("study", "None"), ("data.root", "7e3"), ("lr", 1.0)]
)
def test_a_param_is_read_in_the_type_that_the_schema_declares(tmp_path, key, value):
    """MLflow stores every value as text, and the name of a study may look like a number or None."""
    config = make_config(epochs=0, **({} if "." in key else {key: value}))
    (member,) = make_plan([config], tmp_path).members
    assert train_stack([member], lambda n: None, Interrupt()) == ["FINISHED"]
    if key == "data.root":
        path = member.folder / JOURNAL
        first, *rest = path.read_bytes().splitlines(keepends=True)
        start = json.loads(first)
        start["config"]["data"] = {"name": "mnist", "root": value, "limit": None}
        path.write_bytes(b"".join([json.dumps(start).encode() + b"\n", *rest]))
    assert mirrored(tmp_path, member)
    there = load_runs(config.study, uri=f"sqlite:///{tmp_path}/mlflow.db").iloc[0]
    here = load_runs(config.study, root=tmp_path).iloc[0]
    assert (there[key], type(there[key])) == (value, type(here[key]))
    assert there[key] == here[key]


def test_the_checkout_is_what_is_tested():
    assert (ROOT / "pyproject.toml").exists()
