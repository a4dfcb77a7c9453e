"""The contents of MLflow's pages: tags, params, metrics and descriptions."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import pytest
from helpers import make_config

from bpexp.commands.listing import mirrored
from bpexp.executors import Interrupt
from bpexp.palette import ACTIVATIONS
from bpexp.record.order import places
from bpexp.record.run import Run
from bpexp.record.studies import Study
from bpexp.sweeping.driver import _begin, _end
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack
from bpexp.theory import Score
from bpexp.tracking import shared_view
from bpexp.tracking.command import main
from bpexp.tracking.drawing import layer_figure
from bpexp.tracking.mirror import Mirror

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other

NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState.bpexp"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def sweep(root, scored=None, **grid):
    """Train the unfinished runs of a grid without mirroring, and return the sweep's folder."""
    configs = [{}]
    for key, values in grid.items():
        configs = [{**config, key: value} for config in configs for value in values]
    plan = make_plan([make_config(epochs=1, width=4, lr=0.2, **c) for c in configs], root)
    folder = _begin(plan, multirun=True, command="python -m bpexp -m depth=2,4")
    for stack in plan.stacks:
        train_stack(stack, lambda done: None, Interrupt())
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "verdicts.png").write_bytes(PIXEL)
    (folder / "report.html").write_text("<html></html>")
    _end([Run.at(member.folder) for member in plan.members], folder, "best", scored)
    return folder


def sync(root, uri=None):
    """Mirror all runs in this process and return a client of the store."""
    uri = uri or f"sqlite:///{root}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)  # restores what logging a model sets
        assert main(["--root", str(root)]) == 0
    return Mirror(uri, root)._client


def experiment(client):
    return client.get_experiment_by_name("bpexp")


def stored(client, kind="run"):
    """Return the runs in the order of the shared view."""
    return client.search_runs(
        [experiment(client).experiment_id], f"tags.kind = '{kind}'", order_by=["tags.order ASC"]
    )


def decoded(tag):
    packed = json.loads(tag)["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def contents(client):
    """Return the contents of the store for the study, without MLflow's update times."""
    rows = [sorted(experiment(client).tags.items())]
    for run in [*stored(client), *stored(client, "sweep")]:
        points = {}
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            points[name] = [(point.step, point.timestamp, point.value) for point in history]
        files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
        rows.append([run.info.run_id, run.data.params, run.data.tags, points, files])
    for model in client.search_logged_models([experiment(client).experiment_id]):
        rows.append([model.model_id, model.tags, [(m.key, m.value) for m in model.metrics]])
    return json.dumps(rows, sort_keys=True)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A mirrored sweep whose depths and activations are not given in alphabetical order."""
    root = tmp_path_factory.mktemp("first")
    folder = sweep(root, Score(1, 1, 0, 2), activation=["sigmoid", "relu"], depth=[3, 12])
    return root, folder, sync(root)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A sweep, and after its mirroring another of the same study that has two of its runs."""
    root = tmp_path_factory.mktemp("second")
    sweep(root, activation=["sigmoid", "relu"], depth=[3])
    before = experiment(sync(root)).tags
    sweep(root, activation=["sigmoid", "tanh"], depth=[3], seed=[0, 1])
    return root, before, sync(root)


def test_runs_have_the_order_and_the_colours_of_the_sweep(first):
    runs = stored(first[2])
    names = ["sigmoid-d3", "sigmoid-d12", "relu-d3", "relu-d12"]
    assert [run.info.run_name for run in runs] == names
    colours = [run.data.tags["mlflow.runColor"] for run in runs]
    assert colours == [ACTIVATIONS[name.partition("-")[0]][0] for name in names]


def test_the_shared_view_shows_what_was_swept_and_what_came_of_it(first):
    state = decoded(experiment(first[2]).tags[VIEW])
    assert state["selectedColumns"] == [
        "params.`activation`", "params.`depth`", "tags.`verdict`", "tags.`verdict/gradient_start`",
        "tags.`verdict/training`", "metrics.`final/accuracy_test`",
        "metrics.`final/gradient_first_to_last`", "metrics.`final/loss_test`",
    ]  # fmt: skip
    assert state["searchFilter"] == "tags.kind = 'run'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("tags.`order`", True)
    sections = [section["name"] for section in state["compareRunSections"]]
    assert sections[:4] == ["accuracy", "loss", "gradient", "grad_norm"]
    scales = {chart["metricKey"]: chart["scaleType"] for chart in state["compareRunCharts"]}
    assert scales["grad_norm/layer_001"] == scales["gradient/first_to_last"] == "log"
    assert scales["accuracy/test"] == scales["gradient/decay_rate"] == "linear"
    shown = {f"metrics.`{key}`" for run in stored(first[2]) for key in run.data.metrics}
    assert shown >= {c for c in state["selectedColumns"] if c.startswith("metrics")}
    assert {key for run in stored(first[2]) for key in run.data.metrics} >= scales.keys()


def test_a_view_with_many_charts_is_within_the_limit_of_a_tag():
    metrics = [f"grad_norm/layer_{hash(i) * 7919 % 10**9}" for i in range(900)]
    value = shared_view.encoded("x", ["params.`depth`"], metrics, 0)
    assert len(value) <= 5000
    assert 0 < len(decoded(value)["compareRunCharts"]) < 900


def test_the_experiments_description_has_question_command_and_explanation(first):
    _, folder, client = first
    note = experiment(client).tags[NOTE]
    (own,) = stored(client, "sweep")
    record = json.loads((folder / "sweep.json").read_text())
    assert "depend on activation and depth?" in note or "depend on depth and activation?" in note
    assert f"`{record['command']}`" in note
    assert f"/runs/{own.info.run_id}?workflowType=machine_learning" in note
    assert "below 1 the" in note


def test_long_commands_are_within_the_limits_of_tags(first):
    from bpexp.tracking.study import experiment_tags
    from bpexp.tracking.sweep import LONGEST, sweep_description

    root, folder, _ = first
    study = Study(root / "runs" / "bpexp")
    record = study.sweeps[0] | {"command": "x" * 9000}
    study.__dict__["sweeps"] = [record | {"id": str(i)} for i in range(30)]
    ids = {str(i): "0" * 32 for i in range(30)}
    tags = experiment_tags(study, f"sqlite:///{root}/mlflow.db", "1", ids)
    assert max(map(len, tags.values())) <= 5000
    assert len(sweep_description(record, study.runs, folder, "0" * 32)) <= LONGEST


def test_the_sweeps_run_has_params_metrics_table_figures_and_report(first):
    client = first[2]
    (own,) = stored(client, "sweep")
    assert own.data.params == {"activation": "sigmoid, relu", "depth": "3, 12"}
    metrics = own.data.metrics
    assert (metrics["runs"], metrics["runs/finished"]) == (4, 4)
    runs = stored(client)
    scores = [run.data.metrics["final/accuracy_test"] for run in runs]
    assert metrics["best/accuracy_test"] == max(scores)
    verdicts = [run.data.tags["verdict"] for run in runs]
    for verdict in {*verdicts}:
        assert metrics[f"verdict/{verdict}"] == verdicts.count(verdict)
    assert metrics["forecast/accuracy"] == 3 / 4
    note = own.data.tags[NOTE]
    rows = [line.split(" | ")[:3] for line in note.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        [f"| {run.data.params['activation']}", run.data.params["depth"], f"{score:.4g}"]
        for run, score in zip(runs, scores, strict=True)
    ]
    there = {file.path for file in client.list_artifacts(own.info.run_id)}
    assert {"report.html", "figures", "sweep.json"} <= there
    for path in ("figures%2Fverdicts.png", "report.html"):
        assert f"get-artifact?path={path}&run_uuid={own.info.run_id}" in note


def test_a_description_of_many_runs_is_within_the_limit_of_a_tag(first):
    from bpexp.tracking.sweep import LONGEST, sweep_description

    root, folder, _ = first
    runs = Study(root / "runs" / "bpexp").runs * 100
    record = json.loads((folder / "sweep.json").read_text())
    note = sweep_description(record, runs, folder, "0" * 32)
    rows = sum(line.startswith("| ") for line in note.splitlines()) - 2
    assert f"{len(runs) - rows} more runs" in note
    assert len(note) <= LONGEST + 100
    assert "verdicts.png" in note


def test_the_model_has_the_final_metrics_a_description_and_its_data_set(first):
    client = first[2]
    (model,) = client.search_logged_models([experiment(client).experiment_id])
    run = client.get_run(model.source_run_id)
    assert run.data.metrics["final/accuracy_test"] == max(
        r.data.metrics["final/accuracy_test"] for r in stored(client)
    )
    values = {metric.key: metric.value for metric in model.metrics}
    for name in ("accuracy/test", "loss/test", "final/accuracy_test", "final/loss_test"):
        assert values[name] == run.data.metrics[name]
    (data,) = [entry.dataset for entry in run.inputs.dataset_inputs]
    found = {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics}
    assert (data.name, data.digest) in found
    assert run.data.tags["verdict"] in model.tags[NOTE]


def test_mirroring_twice_changes_nothing(second):
    root, _, client = second
    before = contents(client)
    locks = {path: path.stat().st_mtime_ns for path in root.rglob("mirror.lock")}
    sync(root)
    assert contents(client) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("mirror.lock")} == locks


def test_a_command_given_again_adds_no_points(tmp_path):
    sweep(tmp_path, depth=[1, 2])
    (before,) = stored(sync(tmp_path), "sweep")
    sweep(tmp_path, depth=[1, 2])
    client = sync(tmp_path)
    (again,) = stored(client, "sweep")
    assert again.info.end_time > before.info.end_time
    assert again.data.metrics == before.data.metrics
    for name in again.data.metrics:
        assert len(client.get_metric_history(again.info.run_id, name)) == 1


def test_a_second_sweep_updates_the_one_view(second):
    root, before, client = second
    tags = experiment(client).tags
    assert [tag for tag in tags if tag.startswith("mlflow.sharedViewState")] == [VIEW]
    assert "params.`seed`" not in decoded(before[VIEW])["selectedColumns"]
    assert "params.`seed`" in decoded(tags[VIEW])["selectedColumns"]
    assert tags[NOTE].count("summary and figures") == 2
    assert [run.info.run_name for run in stored(client)] == [
        "relu-d3", "sigmoid-d3", "sigmoid-d3-s1", "tanh-d3-s0", "tanh-d3-s1",
    ]  # fmt: skip  # a run of both sweeps keeps its name and has its place in the newer one
    newest = max(Study(root / "runs" / "bpexp").sweeps, key=lambda record: record["begun"])
    members = [run.data.tags["sweep"] == newest["id"] for run in stored(client)]
    assert members == [False, True, True, True, True]


def test_a_store_that_is_mirrored_at_once_is_equal(second, tmp_path):
    """The store has the same contents if sweeps are mirrored one by one or all together."""
    root, _, client = second
    other = sync(root, f"sqlite:///{tmp_path}/other.db")
    both = [
        [(r.info.run_name, r.data.tags["order"], r.data.tags["sweep"]) for r in stored(c)]
        for c in (client, other)
    ]
    assert both[0] == both[1]
    assert decoded(experiment(client).tags[VIEW]) == decoded(experiment(other).tags[VIEW])


def test_a_command_given_again_keeps_its_place(tmp_path):
    one = sweep(tmp_path, depth=[1, 2])
    sweep(tmp_path, depth=[2, 3])
    records = [Study(tmp_path / "runs" / "bpexp").sweeps]
    sweep(tmp_path, depth=[1, 2])
    records.append(Study(tmp_path / "runs" / "bpexp").sweeps)
    assert json.loads((one / "sweep.json").read_text())["swept"] == {"depth": [1, 2]}
    assert places(records[0]) == places(records[1])
    assert sorted(place.order for place in places(records[0]).values()) == [
        "001.0001", "002.0001", "002.0002",
    ]  # fmt: skip


@pytest.mark.parametrize(("version", "known"), [("3.17.9", True), ("3.18.0", False), ("?", False)])
def test_other_versions_get_the_plain_link(first, tmp_path, monkeypatch, version, known):
    monkeypatch.setattr(shared_view, "version", lambda name: version)
    root = first[0]
    mirror = Mirror(f"sqlite:///{tmp_path}/mlflow.db", root)
    opened = mirror.study(root / "runs" / "bpexp")
    assert ("viewStateShareKey=bpexp" in opened.table) == known
    assert (VIEW in experiment(mirror._client).tags) == known
    assert "workflowType=machine_learning" in opened.table
    assert opened.charts == f"{opened.table}&compareRunsMode=CHART"


def test_a_server_that_does_not_answer_gets_the_plain_link():
    assert not shared_view.is_known("http://127.0.0.1:9")


def test_list_shows_what_is_mirrored(tmp_path, monkeypatch):
    sweep(tmp_path, depth=[1, 2])
    study = Study(tmp_path / "runs" / "bpexp")
    assert mirrored(study.runs) == "no"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mirror = Mirror(uri, tmp_path)
    mirror.run(study.runs[0].folder)
    assert mirrored(study.runs) == "1 of 2"
    mirror.run(study.runs[1].folder)
    assert mirrored(study.runs) == "all"
    noted = json.loads((study.runs[0].folder / "mirror.lock").read_text())
    assert noted == {"lines": 4, "store": uri}
    with (study.runs[1].folder / "journal.jsonl").open("a") as journal:
        journal.write("{}\n")
    assert mirrored(study.runs) == "1 of 2"
    (tmp_path / "mlflow.db").unlink()
    assert mirrored(study.runs) == "no"


def test_a_layer_figure_without_a_norm_above_zero_has_axes_alone(first, monkeypatch):
    run = Study(first[0] / "runs" / "bpexp").find("relu-d3")
    dead = {"step": np.zeros(4, int), "grad_norm": np.zeros(4)}
    monkeypatch.setattr(Run, "tables", lambda self, name: {name: dead})
    assert "circle" not in layer_figure(run)
    assert layer_figure(run).endswith("</svg>")


def test_the_layer_figure_has_equal_steps_for_equal_ratios(first):
    """The heights of points are linear in log10 of the norms in the journal."""
    run = Study(first[0] / "runs" / "bpexp").find("sigmoid-d12")
    drawn = layer_figure(run)
    lines = re.findall(r'polyline points="([^"]*)"', drawn)
    layers = run.tables("layers")["layers"]
    for line, step in zip(lines, (0, layers["step"].max()), strict=True):
        points = np.array([point.split(",") for point in line.split()], float)
        norms = layers["grad_norm"][layers["step"] == step]
        assert len(points) == len(norms) == 13
        assert norms[0] < 1e-4 * norms[-1], "it vanishes"
        slope, offset = np.polyfit(np.log10(norms), points[:, 1], 1)
        assert slope < 0, "large values stand high"
        np.testing.assert_allclose(slope * np.log10(norms) + offset, points[:, 1], atol=0.2)
        assert np.ptp(np.diff(points[:, 0])) < 0.2, "layers stand at equal distances"
    numbers = re.findall(r"<tspan[^>]*>(-?\d+)</tspan>", drawn)
    assert int(numbers[0]) <= np.log10(layers["grad_norm"].min())


def test_a_runs_description_shows_its_figure(first):
    client = first[2]
    for run in stored(client):
        address = f"get-artifact?path=gradient_norm_by_layer.svg&run_uuid={run.info.run_id}"
        assert address in run.data.tags[NOTE]
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert "gradient_norm_by_layer.svg" in files
