"""Messages: trouble with the store is one line; a defect of the mirror is logged with traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from helpers import make_config
from mlflow.exceptions import MlflowException
from mlflow.utils.request_utils import augmented_raise_for_status
from mlflow.utils.rest_utils import verify_rest_response
from requests import Response

from bpexp.executors import Interrupt
from bpexp.record.layout import JOURNAL, SWEEP
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack
from bpexp.tracking.failures import trouble

pytestmark = pytest.mark.filterwarnings("ignore")

FORM = re.compile(
    r"KeyError in the mirror: 'name'; this is a defect of bpexp, see (\S*mirror\.log)"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A sweep of two finished runs; the journal of the first lacks a field that is mirrored."""
    folder = tmp_path_factory.mktemp("study")
    plan = make_plan([make_config(seed=seed, epochs=1, width=3) for seed in (0, 1)], folder)
    for stack in plan.stacks:
        train_stack(stack, lambda done: None, Interrupt())
    members = sorted(plan.members, key=lambda member: member.folder)
    path = members[0].folder / JOURNAL
    first, *rest = path.read_bytes().splitlines(keepends=True)
    start = json.loads(first)
    del start["name"]
    path.write_bytes(b"".join([json.dumps(start).encode() + b"\n", *rest]))
    sweep = folder / "runs" / "bpexp" / "sweeps" / "0" / SWEEP
    sweep.parent.mkdir(parents=True)
    listed = [{"identity": m.identity, "name": m.name, "folder": m.folder.name} for m in members]
    record = {"id": "0", "study": "bpexp", "time": 0.0, "command": "", "multirun": True}
    sweep.write_text(json.dumps({**record, "members": listed}))
    return folder, sweep


def run(folder, *words, **options):
    command = [sys.executable, "-m", "bpexp.sync", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, **options)


def follow(folder, sweep, uri):
    """Return the messages of a mirror process about a sweep that has ended, and its log."""
    words = ["--follow", str(sweep), "--root", str(folder), "--tracking-uri", uri]
    done = run(folder, *words, input="over")
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_sync_names_a_defect_and_mirrors_the_other_runs(study, tmp_path):
    folder, _ = study
    done = run(folder, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert done.returncode == 1
    assert done.stdout.startswith("1 run mirrored")
    (line,) = done.stderr.splitlines()
    assert line.startswith("sync: runs/bpexp/")
    log = folder / FORM.search(line)[1]
    assert log == folder / "runs" / "mirror.log"
    assert "Traceback (most recent call last)" in log.read_text()
    assert "KeyError: 'name'" in log.read_text()


def test_a_mirror_beside_training_names_a_defect_and_continues(study, tmp_path):
    folder, sweep = study
    done, messages = follow(folder, sweep, f"sqlite:///{tmp_path}/mlflow.db")
    assert done.returncode == 0, done.stderr
    told = [message["error"] for message in messages if message.get("error")]
    assert FORM.fullmatch(told[0])[1] == str((sweep.parent / "mirror.log").relative_to(folder))
    assert "KeyError: 'name'" in (sweep.parent / "mirror.log").read_text()
    assert messages[-1]["left"] == 1
    assert messages[-1]["error"] == told[0]
    assert "charts" in messages[-1]


@pytest.mark.parametrize("trouble", ["no database", "no place", "deleted"])
def test_trouble_with_a_store_is_one_line_without_a_traceback(study, tmp_path, trouble):
    folder, sweep = study
    for log in folder.rglob("mirror.log"):
        log.unlink()
    path = tmp_path / "mlflow.db"
    if trouble == "no database":
        path.write_bytes(b"this is not SQLite\n" * 100)
    elif trouble == "no place":
        path.mkdir()
    else:
        delete_experiment(f"sqlite:///{path}")
    uri = f"sqlite:///{path}"
    done = run(folder, "--tracking-uri", uri)
    lines = done.stderr.splitlines()
    assert done.returncode in (1, 2)
    assert all(uri in line for line in lines)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    done, messages = follow(folder, sweep, uri)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert messages[-1]["mirrored"] == 0
    assert "defect" not in messages[-1]["error"]
    assert not list(folder.rglob("mirror.log"))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, "You are not authenticated.", "does not accept this login; set MLFLOW_TRACKING_USER"),
        (403, "Permission denied", "does not permit this user to write the study"),
        (403, "Invalid Host header", "Invalid Host header"),
        (500, "oops", "oops"),
    ],
)
def test_a_server_that_refuses_is_told_with_what_to_do(status, body, told):
    """Each status is raised as an exception of MLflow and as an HTTP error of an upload."""
    answer = Response()
    answer.status_code, answer._content = status, body.encode()
    for refuse in (
        lambda: verify_rest_response(answer, "/api/2.0/mlflow/runs/create"),
        lambda: augmented_raise_for_status(answer),
    ):
        with pytest.raises((MlflowException, OSError)) as raised:
            refuse()
        line = trouble(raised.value, "http://me:hunt3r2@host")
        assert line.startswith("http://***@host: ")
        assert told in line
        assert "\n" not in line


def delete_experiment(uri):
    from bpexp.tracking.client import configured, connect

    with configured():
        client = connect(uri)
        client.delete_experiment(client.create_experiment("bpexp"))
