"""Runs that are written in one transaction have the rows that MLflow's client writes."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from helpers import make_config

from bpexp.executors import Interrupt
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import fail, train_stack
from bpexp.tracking import run as run_module
from bpexp.tracking import whole
from bpexp.tracking.mirror import Mirror

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other

DRAWN = {"dataset_uuid", "source_id", "input_uuid", "creation_time", "last_update_time"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return finished, diverged, interrupted and failed runs, and the folder of all."""
    folder = tmp_path_factory.mktemp("study")
    configs = [make_config(epochs=2), make_config(lr=1e30), make_config(seed=1, epochs=3)]
    *stacked, failed = make_plan([*configs, make_config(seed=2)], folder).members
    statuses = []
    for member in stacked:
        interrupt = Interrupt()

        def report(epochs, interrupt=interrupt, member=member):
            interrupt.signal = 2 * (member.config.seed == 1)

        statuses += train_stack([member], report, interrupt)
    fail(failed, "Traceback ...\nValueError: no")
    assert statuses[0] == "FINISHED"
    assert statuses[2] == "KILLED"
    return folder, [member.folder for member in (*stacked, failed)]


def mirrored(folder, runs, name):
    mirror = Mirror(f"sqlite:///{folder}/{name}.db", folder)
    assert all(mirror.run(run) for run in runs)
    return folder / f"{name}.db"


def contents(database):
    """Return all rows of a store by table, without random ids and without times."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        )]  # fmt: skip
        ids = dict(
            connection.execute("SELECT run_uuid, value FROM tags WHERE key = 'identity'").fetchall()
        )

        def same(value):
            for run_id, identity in ids.items() if isinstance(value, str) else ():
                value = value.replace(run_id, identity)
            return value

        return {
            name: sorted(
                repr({k: same(v) for k, v in sorted(dict(row).items()) if k not in DRAWN})
                for row in connection.execute(f"SELECT * FROM {name}")
            )
            for name in names
        }


def test_the_rows_and_files_are_those_of_the_client(study, monkeypatch):
    folder, runs = study
    direct = contents(mirrored(folder, runs, "direct"))
    files = artifacts(folder)
    monkeypatch.setattr(whole, "is_known", lambda database: False)
    client = contents(mirrored(folder, runs, "client"))
    assert direct == client
    assert len(direct["runs"]) == 4
    assert len(direct["inputs"]) == 4
    assert len(direct["metrics"]) > 100
    assert {"config.yaml", "layers.parquet", "weights.npz"} <= {file[1] for file in files}
    added = artifacts(folder)
    assert sorted(f[1:] for f in added) == sorted(2 * [f[1:] for f in files])


def artifacts(folder):
    """Return the run, the name and the contents of each file below mlruns/."""
    found = sorted(path for path in (folder / "mlruns").rglob("*") if path.is_file())
    return [
        (path.parents[1].name, path.name, path.read_text().replace(path.parents[1].name, "")
         if path.suffix in (".svg", ".yaml", ".txt") else path.read_bytes())
        for path in found
    ]  # fmt: skip


def test_nothing_but_the_clients_calls_is_used_with_other_tables(study, tmp_path):
    folder, runs = study
    database = tmp_path / "other.db"
    uri = f"sqlite:///{database}"
    Mirror(uri, folder)
    assert whole.is_known(database)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE latest_metrics ADD COLUMN new INTEGER")
    assert not whole.is_known(database)
    mirror = Mirror(uri, folder)
    assert mirror.run(runs[0])
    assert len(contents(database)["runs"]) == 1


def test_a_mirror_that_was_killed_before_the_transaction_begins_again(study, tmp_path, monkeypatch):
    _, runs = study
    with monkeypatch.context() as patch:

        def killed(*_):
            raise KeyboardInterrupt

        patch.setattr(run_module, "insert", killed)
        with pytest.raises(KeyboardInterrupt):
            Mirror(f"sqlite:///{tmp_path}/again.db", tmp_path).run(runs[0])
    assert contents(tmp_path / "again.db")["runs"] == []
    mirrored(tmp_path, runs[:1], "again")
    assert len(contents(tmp_path / "again.db")["runs"]) == 1
    assert len([*(tmp_path / "mlruns").rglob("weights.npz")]) == 1


def test_a_run_that_the_store_has_is_refused_and_nothing_changes(study, tmp_path, monkeypatch):
    _, runs = study
    inserted = []
    real = whole.insert
    monkeypatch.setattr(run_module, "insert", lambda *a: inserted.append(a) or real(*a))
    database = mirrored(tmp_path, runs[:1], "twice")
    before = contents(database)
    with pytest.raises(sqlite3.IntegrityError):
        whole.insert(*inserted[0])
    assert contents(database) == before


def test_a_transaction_that_fails_at_its_end_leaves_nothing(study, tmp_path, monkeypatch):
    _, runs = study

    def fails(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(whole, "_insert_input", fails)
    mirror = Mirror(f"sqlite:///{tmp_path}/full.db", tmp_path)
    with pytest.raises(sqlite3.OperationalError):
        mirror.run(runs[0])
    found = contents(tmp_path / "full.db")
    assert not any(found[name] for name in ("runs", "tags", "params", "metrics", "latest_metrics"))
