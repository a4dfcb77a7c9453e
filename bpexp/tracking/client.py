"""A tracking store: where it is by default, and how it is opened without harm or noise."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient


def default_uri(root: Path) -> str:
    """Return the store that `mlflow ui` shows, with no flags, in the folder `root`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve()}/mlflow.db"


def connect(uri: str) -> MlflowClient:
    """Return a client that gives up soon and prints nothing; create a local store if need be."""
    # A server that is down would hang a client for four minutes by MLflow's defaults.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    warnings.filterwarnings("ignore", module="mlflow")  # whose import sets filters of its own
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with initialising(uri):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def runs_of(
    client: MlflowClient, experiment: str, which: str = "", **options: Any
) -> Iterator[Any]:
    """Yield an experiment's runs, page by page; sweeps' own runs are none.

    Args:
        client: of the store.
        experiment: its id.
        which: a further condition, " and ...", in MLflow's filter language.
        options: of MLflow's `search_runs`.
    """
    token: str | None = ""
    while token is not None:
        page = client.search_runs(
            [experiment], f"tags.kind = 'run'{which}", max_results=1000, page_token=token or None,
            **options,
        )  # fmt: skip
        yield from page
        token = page.token or None


@contextlib.contextmanager
def initialising(uri: str) -> Iterator[None]:
    """Let one process at a time create or migrate a local SQLite store.

    Several at once race in MLflow's migration and leave the file unusable. Write-ahead logging is
    switched on once: it lets several writers in more often.
    """
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield
