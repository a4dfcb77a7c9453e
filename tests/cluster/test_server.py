"""A server for a team: sweeps at the same time lose nothing, and refused users lose nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections import Counter

import pytest
from cluster.sweeps import run_command
from cluster.team_server import PASSWORDS, Postgres, TeamServer, missing
from helpers import ROOT

pytestmark = [
    pytest.mark.full,
    pytest.mark.filterwarnings("ignore"),  # MLflow and Flask warn of each other
    pytest.mark.skipif(bool(missing()), reason=missing()),
]
SWEEPS, RUNS, EPOCHS = 8, 25, 8
ANN, BOB = "passw0rd-of-ann", "passw0rd-of-bob"
FILES = ("config.yaml", "layers.parquet", "weights.npz")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    postgres = Postgres()
    try:
        server = TeamServer(tmp_path_factory.mktemp("server"), postgres)
        try:
            server.postgres = postgres
            yield server
        finally:
            server.stop()
    finally:
        postgres.stop()


@pytest.fixture
def team(server, monkeypatch):
    """The client of the administrator, with the users ann and bob."""
    for name, value in server.user().items():
        monkeypatch.setenv(name, value)
    client = server.client()
    for name, password in (("ann", ANN), ("bob", BOB)):
        client.create_user(name, password)
    yield client
    for name in ("ann", "bob"):
        client.delete_user(name)


def words(study, *more):
    return ["-m", "depth=2", "width=16", "data.limit=256", "progress=false", "jobs=1",
            f"study={study}", *more]  # fmt: skip


def journals(folder):
    """Return the lines of each run's journal by identity."""
    paths = sorted(folder.glob("runs/*/*/journal.jsonl"))
    read = {path: [json.loads(line) for line in path.read_text().splitlines()] for path in paths}
    return {lines[0]["identity"]: (path.parent, lines) for path, lines in read.items()}


def points(lines):
    """Return the points that a run's journal has, as (name, step, value)."""
    found = set()
    for line in lines:
        if line["kind"] != "start" and "metrics" in line:
            norms = line["layers"]["grad_norm"]
            values = line["metrics"] | {
                f"grad_norm/layer_{i:03d}": norm for i, norm in enumerate(norms, start=1)
            }
            found |= {(name, line["step"], v) for name, v in values.items() if math.isfinite(v)}
    return found


def stored(server, study):
    """Return the runs of a study in the database: MLflow's id and status by identity, as pairs."""
    return server.postgres.query(
        "SELECT tags.value, runs.run_uuid, runs.status FROM runs JOIN tags USING (run_uuid) "
        "JOIN experiments USING (experiment_id) "
        "WHERE experiments.name = %s AND tags.key = 'identity'",
        study, database="mlflow",
    )  # fmt: skip


def check(server, study, folders):
    """Assert that each run is there once, with all of its points and files; return the points."""
    runs = {key: value for folder in folders for key, value in journals(folder).items()}
    found = stored(server, study)
    assert Counter(identity for identity, *_ in found) == dict.fromkeys(runs, 1)
    total = 0
    for identity, run_id, status in found:
        folder, lines = runs[identity]
        rows = server.postgres.query(
            "SELECT key, step, value FROM metrics WHERE run_uuid = %s", run_id, database="mlflow"
        )
        assert len({(key, step) for key, step, _ in rows}) == len(rows), "a point is there twice"
        assert points(lines) <= {*rows}
        assert len(points(lines)) >= 6 * len(lines[1:-1])
        assert status == "FINISHED"
        (artifacts,) = server.folder.glob(f"artifacts/*/{run_id}/artifacts")
        for name in FILES:
            assert (artifacts / name).read_bytes() == (folder / name).read_bytes()
        total += len(rows)
    return total


def holders(folders, secrets):
    """Return the files below folders that hold one of the secrets."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    return [
        path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def sync(folder, environment, study):
    return subprocess.run(
        [sys.executable, "-m", "bpexp.sync", study],
        cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip


def test_sweeps_at_once_lose_nothing_and_write_nothing_twice(server, team, tmp_path):
    """Eight sweeps of one study, each in a folder of its own as on machines of their own."""
    user, folders = server.user("ann", ANN), [tmp_path / str(i) for i in range(SWEEPS)]
    begin = time.monotonic()
    processes = [
        run_command(
            folder,
            *words("team", f"epochs={EPOCHS}", "log_model=none"),
            f"seed=range({RUNS * i},{RUNS * (i + 1)})",
            wait=False,
            env=user,
        )[0]
        for i, folder in enumerate(folders)
    ]
    outputs = [process.communicate(timeout=900)[0] for process in processes]
    minutes = (time.monotonic() - begin) / 60
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
        assert "tracking:" not in output, output
        assert f"charts:   {server.address}" in output
    written = check(server, "team", folders)
    runs = SWEEPS * RUNS
    print(
        f"\n{SWEEPS} sweeps of {RUNS} runs at once: {60 * minutes:.0f} s with training and figures,"
        f" {runs / minutes:.0f} runs and {written / minutes:.0f} points a minute"
    )
    again = sync(folders[0], user, "team")
    assert again.returncode == 0, again.stderr
    assert check(server, "team", folders) == written
    secrets = [ANN, *PASSWORDS.values()]
    assert not holders([tmp_path, server.folder, server.postgres.folder], secrets)
    assert not any(secret in output for output in outputs for secret in secrets)


@pytest.mark.parametrize("case", ["wrong password", "deleted user", "no rights"])
def test_a_user_whom_the_server_refuses_is_told_in_one_line(server, team, tmp_path, case):
    owner, study = tmp_path / "owner", case.replace(" ", "-")
    done, output = run_command(
        owner, *words(study, "epochs=1", "seed=0"), env=server.user("ann", ANN)
    )
    assert done.returncode == 0, output
    refused = {
        "wrong password": server.user("ann", "wr0ng-passw0rd"),
        "deleted user": server.user("carl", "passw0rd-of-carl"),
        "no rights": server.user("bob", BOB),
    }[case]
    if case == "deleted user":
        team.create_user("carl", "passw0rd-of-carl")
        team.delete_user("carl")
    folder = tmp_path / "refused"
    done, output = run_command(folder, *words(study, "epochs=1", "seed=1,2"), env=refused)
    assert done.returncode == 0, output
    assert len(journals(folder)) == 2
    reason = {
        "no rights": "the server does not permit this user to write the study; its owner can give "
        "the permission EDIT",
    }.get(
        case,
        "the server does not accept this login; set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD",
    )
    assert [line for line in output.splitlines() if "not mirrored" in line] == [
        f"tracking: {server.address}: {reason}; 2 runs are not mirrored; "
        f"to mirror them later: python -m bpexp.sync {study}"
    ]
    assert "Traceback" not in output
    again = sync(folder, refused, study)
    assert again.returncode == 2
    assert again.stderr == f"sync: {server.address}: {reason}\n"

    if case == "no rights":
        (experiment,) = server.postgres.query(
            "SELECT experiment_id FROM experiments WHERE name = %s", study, database="mlflow"
        )
        team.grant_user_permission("bob", "experiment", str(*experiment), "EDIT")
    right = server.user("bob", BOB) if case == "no rights" else server.user("ann", ANN)
    later = sync(folder, right, study)
    assert later.returncode == 0, later.stderr
    assert later.stdout.startswith("2 runs mirrored to ")
    check(server, study, [owner, folder])
    secrets = [ANN, BOB, "wr0ng-passw0rd", "passw0rd-of-carl", *PASSWORDS.values()]
    assert not holders([tmp_path, server.folder, server.postgres.folder], secrets)
    assert not any(secret in output + later.stdout + later.stderr for secret in secrets)
