"""Stores that users copied, moved or share, and stores with parts deleted in MLflow's pages."""

from __future__ import annotations

import shutil
import socket
import sqlite3

import pytest
from helpers import make_config

from bpexp.executors import Interrupt
from bpexp.sweeping.driver import _begin, _end
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack
from bpexp.tracking.address import PORT, database, local_folder, pages
from bpexp.tracking.client import connect
from bpexp.tracking.command import main
from bpexp.tracking.experiment import Experiment
from bpexp.tracking.failures import StoreError
from bpexp.tracking.mirror import Mirror
from bpexp.tracking.relocation import former_folder, relocate
from bpexp.tracking.removal import delete

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other


def make_study(root, seed=0):
    """Train a run below `root` and return its folder."""
    plan = make_plan([make_config(epochs=0, width=3, seed=seed)], root)
    train_stack(plan.stacks[0], lambda done: None, Interrupt())
    _begin(plan, multirun=False, command="python -m bpexp -m depth=2,4")
    return plan.members[0].folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return a folder with a study that is mirrored into its store; tests do not change it."""
    folder = tmp_path_factory.mktemp("original") / "proj"
    make_study(folder)
    assert main(["--root", str(folder)]) == 0
    return folder


@pytest.fixture
def proj(original, tmp_path):
    """Return a copy of that folder, which a test may change."""
    folder = tmp_path / "proj"
    shutil.copytree(original, folder)
    assert relocate(uri(folder), folder) > 0
    return folder


def test_two_users_of_a_server_mirror_the_same_run_once(tmp_path, monkeypatch):
    """Both opened the study before the run was there; the server is a store that is not local."""
    monkeypatch.setattr("bpexp.tracking.experiment.refuse_misplaced", lambda *_: None)
    monkeypatch.setattr("bpexp.tracking.mirror.database", lambda uri: None)
    store = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [make_study(tmp_path / user) for user in ("ann", "bob")]
    mirrors = [Mirror(store, tmp_path / user) for user in ("ann", "bob")]
    for each in mirrors:
        each._experiment("bpexp")
    assert all(each.run(folder) for each, folder in zip(mirrors, folders, strict=True))
    client = connect(store)
    (study,) = client.search_experiments(filter_string="name = 'bpexp'")
    assert len(client.search_runs([study.experiment_id])) == 1


def uri(folder):
    return f"sqlite:///{folder}/mlflow.db"


def files(folder):
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("mlflow.db"))


def locations(folder):
    with sqlite3.connect(folder / "mlflow.db") as connection:
        return [
            value
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"))
            for (value,) in connection.execute(f"SELECT {column} FROM {table}")
        ]


@pytest.mark.parametrize("move", [False, True])
def test_a_copied_or_moved_folder_does_not_change_the_old_one(proj, move, capsys):
    copy = proj.with_name("a copy")
    (shutil.move if move else shutil.copytree)(proj, copy)
    before = files(proj.parent / "proj")
    assert main(["--root", str(copy)]) == 1
    told = capsys.readouterr().err
    assert told == (
        f"study: the artifacts of 'bpexp' are in {proj}, from which this folder was "
        f"copied or moved; `python -m bpexp.sync --relocate` changes their paths to {copy}\n"
    )
    assert main(["--relocate", "--root", str(copy)]) == 0
    assert "1 run mirrored" in capsys.readouterr().out
    assert files(proj.parent / "proj") == before
    assert proj.exists() != move
    assert len(locations(copy)) == 3
    assert all(place.startswith((copy / "mlruns").as_uri()) for place in locations(copy))
    make_study(copy, seed=1)
    assert main(["--root", str(copy)]) == 0


def test_a_restored_artifact_is_read_from_the_copy(proj):
    copy = proj.with_name("copy")
    shutil.copytree(proj, copy)
    relocate(uri(copy), copy)
    shutil.rmtree(proj)
    client = Mirror(uri(copy), copy)._client
    (run,) = client.search_runs([client.get_experiment_by_name("bpexp").experiment_id])
    assert "layers.parquet" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_an_artifact_location_chosen_by_a_user_is_kept(proj, tmp_path):
    root = tmp_path / "other"
    folder = make_study(root)
    mirror = Mirror(uri(root), root)
    own = tmp_path / "artifacts"
    mirror._client.create_experiment("bpexp", own.as_uri())
    assert mirror.run(folder)
    assert list(own.rglob("layers.parquet"))
    assert former_folder(uri(root), root, "s3://bucket/mlruns/bpexp") is None


def test_folders_share_a_store_that_lies_in_none_of_them(tmp_path):
    shared = f"sqlite:///{tmp_path}/store/mlflow.db"
    for root in (tmp_path / "one", tmp_path / "two"):
        assert Mirror(shared, root).run(make_study(root))
    assert not (tmp_path / "two" / "mlruns").exists()


def test_an_experiment_that_another_machine_creates_meanwhile_is_used(proj, monkeypatch):
    client = Mirror(uri(proj), proj)._client
    there = client.get_experiment_by_name
    answers = iter([None, there("bpexp")])
    monkeypatch.setattr(client, "get_experiment_by_name", lambda name: next(answers))
    found = Experiment(client, uri(proj), "bpexp", proj)
    assert found.id == there("bpexp").experiment_id
    assert len([*client.search_runs([found.id])]) == 1


def test_a_run_that_was_deleted_stays_so_until_it_is_restored(proj, capsys):
    client = Mirror(uri(proj), proj)._client
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    (run,) = client.search_runs([experiment])
    client.delete_run(run.info.run_id)
    assert main(["--root", str(proj)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "1 run is deleted in MLflow; `python -m bpexp.sync --restore` restores them"
    )
    assert client.search_runs([experiment]) == []
    assert main(["bpexp", "--restore", "--root", str(proj)]) == 0
    assert "were deleted" not in capsys.readouterr().out
    assert [found.info.run_id for found in client.search_runs([experiment])] == [run.info.run_id]


def test_a_deleted_experiment_is_named_with_the_way_out(proj, capsys):
    client = Mirror(uri(proj), proj)._client
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    client.delete_experiment(experiment)
    assert main(["--root", str(proj)]) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"study: the experiment 'bpexp' is deleted in {uri(proj)}; ")
    assert f"`mlflow experiments restore -x {experiment}`" in message
    assert "study=NAME" in message
    client.restore_experiment(experiment)
    assert main(["--root", str(proj)]) == 0


def test_one_deleted_experiment_stops_no_other_study(proj, capsys):
    client = Mirror(uri(proj), proj)._client
    client.delete_experiment(client.get_experiment_by_name("bpexp").experiment_id)
    plan = make_plan([make_config(epochs=0, width=3, study="other")], proj)
    train_stack(plan.stacks[0], lambda done: None, Interrupt())
    with pytest.raises(StoreError):
        Mirror(uri(proj), proj).study(proj / "runs" / "bpexp")
    assert main(["--root", str(proj)]) == 1
    assert "1 run mirrored" in capsys.readouterr().out
    assert client.get_experiment_by_name("other") is not None


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("a file/mlflow.db", "a file: Not a directory"),
        ("a file/below/mlflow.db", "a file: Not a directory"),
        ("a folder", "a folder: unable to open database file"),
    ],
)
def test_messages_of_other_libraries_are_shown_with_the_place(
    original, tmp_path, place, told, capsys
):
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    address = f"sqlite:///{tmp_path}/{place}"
    assert main(["--root", str(original), "--tracking-uri", address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sync: ")
    assert line.endswith(told) or str(tmp_path) in line


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("sqlite:////a/mlflow.db", "mlflow ui --backend-store-uri sqlite:////a/mlflow.db"),
        ("sqlite:////a b/x.db", "mlflow ui --backend-store-uri 'sqlite:////a b/x.db'"),
        ("file:///a/mlruns", "mlflow ui --backend-store-uri file:///a/mlruns"),
    ],
)
def test_the_command_shows_the_store_that_was_written(address, command):
    shown, link, _ = pages(address, "7")
    assert shown.partition(" --port")[0] == command
    assert "/#/experiments/7/runs?" in link


def test_a_server_is_its_own_link():
    for address in ("https://host/mlflow", "https://host/mlflow/"):
        shown, link, _ = pages(address, "7")
        assert shown is None
        assert link.startswith("https://host/mlflow/#/experiments/7/runs?")


def test_a_port_that_another_program_has_is_left_to_it(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setattr("bpexp.tracking.address.PORT", port)
        shown, link, _ = pages("sqlite:////a", "7")
    assert f"--port {port}" not in shown
    assert f":{shown.rpartition(' ')[2]}/" in link
    assert PORT == 5000


def test_addresses_of_files():
    assert str(database("sqlite:////a/b.db?key=1")) == "/a/b.db"
    assert database("http://host") is None
    assert str(local_folder("file:///a%20b/mlruns/c")) == "/a b/mlruns/c"
    assert local_folder("mlflow-artifacts:/1") is None


def test_a_run_that_was_trained_anew_after_its_deletion_is_another(proj):
    client = Mirror(uri(proj), proj)._client
    experiment = client.get_experiment_by_name("bpexp").experiment_id
    (run,) = client.search_runs([experiment])
    client.delete_run(run.info.run_id)
    (folder,) = (path.parent for path in proj.glob("runs/bpexp/*/journal.jsonl"))
    shutil.rmtree(folder)
    assert make_study(proj) == folder
    assert main(["--root", str(proj)]) == 0
    (anew,) = client.search_runs([experiment])
    assert anew.info.run_id != run.info.run_id
    assert anew.data.tags["identity"] == run.data.tags["identity"]


def test_rm_in_a_copy_does_not_change_the_original(proj):
    copy = proj.with_name("copy")
    shutil.copytree(proj, copy)
    before = files(proj)
    with pytest.raises(StoreError, match="copied or moved"):
        delete("bpexp", None, None, copy)
    assert files(proj) == before


def test_a_sweeps_own_run_that_was_deleted_stays_so(proj):
    plan = make_plan([make_config(epochs=0, width=3)], proj)
    folder = _begin(plan, multirun=True, command="python -m bpexp -m depth=2,4")
    _end([], folder, "none")
    mirror = Mirror(uri(proj), proj)
    mirror.sweep(folder)
    found = mirror._experiment("bpexp").find_sweep(folder.name)
    mirror._client.delete_run(found.info.run_id)
    again = Mirror(uri(proj), proj)
    again.sweep(folder)
    assert again.left_deleted == {found.info.run_id}
    assert again._experiment("bpexp").find_sweep(folder.name).info.lifecycle_stage == "deleted"
    shutil.rmtree(plan.members[0].folder)
    make_study(proj)
    _end([], folder, "none")
    again.sweep(folder)
    assert again._experiment("bpexp").find_sweep(folder.name).info.lifecycle_stage == "active"
