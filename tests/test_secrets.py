"""Secrets of addresses: cut from every file, store, message and argument."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import make_config

from bpexp.__main__ import main
from bpexp.console import SafeStream, warn
from bpexp.errors import BpexpError, one_of, out_of_range, reason
from bpexp.executors import Interrupt
from bpexp.record.history import first
from bpexp.record.layout import JOURNAL
from bpexp.secrets import has_secret, without_secrets, without_user
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import fail, train_stack
from bpexp.tracking import process
from bpexp.tracking.address import _free_port, pages

SECRETS = ("hunt3r2", "t0k3n")
ADDRESS = "http://me:hunt3r2@127.0.0.1:9/?token=t0k3n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:hunt3r2@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("http://t0k3n@host/a", "http://***@host/a"),
        ("http://me:hu/nt3r@host:9/x", "http://***@host:9/x"),
        ("http://me:s3#c?r@3t@host", "http://***@host"),
        ("at 'tracking.uri=http://me:hunt(' and", "at 'tracking.uri=http://*** and"),
        ("https://host/x?a=1&api_key=t0k3n#top", "https://host/x?a=1&api_key=***#top"),
        ("https://host/x?a=AbC123456789012345678", "https://host/x?a=***"),
        ("http:/me:hunt3r2@host/x.npz: no file", "http:/***@host/x.npz: no file"),
        ("postgresql://u:hunt3r2@h/db?sslmode=require", "postgresql://***@h/db?sslmode=require"),
        ("exceeded with url: /?token=t0k3n/api", "exceeded with url: /?token=***"),
        ("sqlite:////a/b.db?key=t0k3n", "sqlite:////a/b.db?key=***"),
        ("http://a:hunt3r2@h and http://b:hunt3r2@h", "http://***@h and http://***@h"),
    ],
)
def test_secrets_are_cut(text, expected):
    assert without_secrets(text) == expected
    assert has_secret(text)
    assert without_secrets([{"uri": text}]) == [{"uri": expected}]


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs?compareRunsMode=CHART&workflowType=machine",
        "http://host:5000', port",
        "http://[::1]:5000/x",
        "sqlite:////home/a@b/mlflow.db",
        "file:///home/a:b@c",
        "C:/Users/a@b/c.npz: no file",
        "s3://bucket/key@2x",
        "me:pass@host without a scheme",
        "a=1 token=2; key=3",
    ],
)
def test_what_is_no_secret_stays(text):
    assert without_secrets(text) == text


def test_a_link_has_no_user():
    assert without_user("http://me:hunt3r2@host:5000/a") == "http://host:5000/a"
    command, link, _ = pages(ADDRESS, "7")
    assert command is None
    assert "hunt3r2" not in link
    command, *_ = pages("postgresql://me:hunt3r2@host/db", "7")
    assert command.startswith('mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"')


def found(folder):
    """The files below a folder that hold a secret, and the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [(p, s) for p in files for s in SECRETS if s.encode() in p.read_bytes()]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep whose store is named by a secret address and cannot be reached, then mirrored."""
    folder = tmp_path_factory.mktemp("sweep")
    words = ["-m", "bpexp", "-m", "epochs=0", "depth=0,1", "width=4", "data.limit=64"]
    quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    first, second = (
        subprocess.run(
            [sys.executable, *command],
            cwd=folder, env={**os.environ, **extra}, capture_output=True, text=True, check=False,
        )
        for command, extra in (
            ([*words, f"tracking.uri='{ADDRESS}'", "log_model=best"], quick),
            (["-m", "bpexp.sync"], {}),
        )
    )  # fmt: skip
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    return folder, first, second


def test_no_file_no_store_and_no_output_of_a_sweep_holds_a_secret(swept):
    folder, *commands = swept
    names = {path.name for path in folder.rglob("*")}
    there = {JOURNAL, "config.yaml", "sweep.json", "summary.csv", "mlflow.db", "MLmodel"}
    assert there | {"layers.parquet", "mirror.log"} <= names
    assert found(folder) == []
    for command in commands:
        assert not any(secret in command.stdout + command.stderr for secret in SECRETS)
    assert "MLFLOW_TRACKING_URI=ADDRESS python -m bpexp.sync bpexp" in commands[0].stderr
    (sweep,) = folder.glob("runs/bpexp/sweeps/*/sweep.json")
    assert "\"tracking.uri='http://***@127" in json.loads(sweep.read_text())["command"]


def test_the_store_has_the_sweeps_command_and_no_secret(swept):
    with sqlite3.connect(swept[0] / "mlflow.db") as connection:
        tags = connection.execute("SELECT value FROM tags WHERE key = 'command'").fetchall()
    assert len(tags) == 1
    assert "http://***@" in tags[0][0]


def test_an_address_in_the_environment_is_not_shown(swept, tmp_path):
    """The command that fails names the store by what may be printed."""
    environment = {"MLFLOW_TRACKING_URI": ADDRESS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "bpexp.sync", "--root", str(swept[0])],
        cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("sync: http://***@127.0.0.1:9")
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)


def test_the_mirror_process_receives_the_address_by_its_environment(tmp_path, monkeypatch):
    """Every user of a machine can read a process's arguments."""
    code = (
        "import os, sys, time; print(os.environ['MLFLOW_TRACKING_URI'], flush=True); time.sleep(9)"
    )
    popen = subprocess.Popen

    def record(command, **options):
        return popen([sys.executable, "-c", code, *command[1:]], **options)

    monkeypatch.setattr(process.subprocess, "Popen", record)
    mirror = process.MirrorProcess(tmp_path / "sweep.json", ADDRESS, tmp_path)
    try:
        assert mirror._output.readline().decode().strip() == ADDRESS
        arguments = Path(f"/proc/{mirror._process.pid}/cmdline").read_text()
        assert "bpexp.sync" in arguments
        assert not any(secret in arguments for secret in SECRETS)
    finally:
        mirror.abandon()
        mirror._process.wait()
        mirror._process.stdin.close()
        mirror._output.close()


def test_a_failed_runs_record_holds_no_secret(tmp_path):
    config = make_config(tracking={"name": "mlflow", "uri": ADDRESS})
    (member,) = make_plan([config], tmp_path).members
    fail(member, f"Traceback:\nOSError: {ADDRESS} is away")
    assert found(tmp_path) == []
    assert "http://***@" in (member.folder / "traceback.txt").read_text()


def test_identity_does_not_depend_on_the_address(tmp_path):
    plans = [
        make_plan([make_config(tracking={"name": "mlflow", "uri": uri})], tmp_path)
        for uri in (ADDRESS, None)
    ]
    assert plans[0].members[0].identity == plans[1].members[0].identity


def test_a_record_of_an_older_version_is_read_without_its_secret(tmp_path):
    (member,) = make_plan([make_config(epochs=0)], tmp_path).members
    train_stack([member], lambda done: None, Interrupt())
    path = member.folder / JOURNAL
    line, *rest = path.read_text().splitlines(keepends=True)
    start = json.loads(line)
    start["config"]["tracking"] = {"name": "mlflow", "uri": ADDRESS}
    path.write_text(json.dumps(start) + "\n" + "".join(rest))
    assert "hunt3r2" not in str(first(member.folder))


def test_messages_and_errors_hold_no_secret(capsys):
    warn(f"cannot reach {ADDRESS}")
    SafeStream(sys.stderr).write(f"again {ADDRESS}")
    told = [
        capsys.readouterr().err,
        str(BpexpError(f"study: {ADDRESS} has no experiment")),
        one_of("key", ADDRESS, ["a"]),
        out_of_range("data.path", "x" * 60 + ADDRESS, "a path"),  # cut in the middle of it
        reason(OSError(f"{'x' * 170} {ADDRESS}")),
    ]
    assert not any("hunt" in text or "t0k3n" in text for text in told), told


def test_hydras_own_output_holds_no_secret(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bpexp", f"tracking.uri='{ADDRESS}'", "--cfg", "job"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr()
    assert "uri: http://***@127.0.0.1:9" in told.out
    assert not any(secret in told.out + told.err for secret in SECRETS)


def test_a_defects_traceback_holds_no_secret(monkeypatch, capsys):
    def broken(arguments):
        raise RuntimeError(f"no answer from {ADDRESS}")

    monkeypatch.setattr("bpexp.command_line._main", broken)
    monkeypatch.setattr(sys, "argv", ["bpexp"])
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr().err
    assert stop.value.code == 1
    assert "RuntimeError: no answer from http://***@127.0.0.1:9" in told


@pytest.mark.full
def test_a_server_receives_no_secret(tmp_path, monkeypatch):
    """The whole way, to a server that is reached by an address with a password."""
    port = _free_port()
    words = ["server", "--backend-store-uri", f"sqlite:///{tmp_path}/server/mlflow.db"]
    words += ["--artifacts-destination", str(tmp_path / "server" / "artifacts")]
    (tmp_path / "server").mkdir()
    command = [sys.executable, "-m", "mlflow", *words, "--port", str(port), "--workers", "1"]
    address = f"http://me:hunt3r2@127.0.0.1:{port}"
    server = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0,
    )  # fmt: skip
    try:
        wait_for(port)
        run = ["-m", "bpexp", "-m", "epochs=0", "depth=0,1", "width=4", "data.limit=64"]
        done = subprocess.run(
            [sys.executable, *run, f"tracking.uri='{address}'"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    assert done.returncode == 0, done.stderr
    assert f"charts:   http://127.0.0.1:{port}/#/experiments/" in done.stdout
    assert "mlflow ui" not in done.stdout
    assert list((tmp_path / "server").rglob("summary.csv"))
    assert found(tmp_path) == []
    assert "hunt3r2" not in done.stdout + done.stderr


def wait_for(port):
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError(port)
