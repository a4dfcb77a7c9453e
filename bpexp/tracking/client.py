"""A tracking store: its default address, and MLflow's client with settings that suit us."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.tracking.locks import initialising

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# By MLflow's defaults a server that is down blocks a client for four minutes.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
LOGGERS = ("mlflow", "alembic")
TRACKING_URI = "MLFLOW_TRACKING_URI"  # the environment variable that holds a store's address


def default_uri(root: Path) -> str:
    """Return the store that `mlflow ui`, started in the folder `root`, shows by default."""
    return os.environ.get(TRACKING_URI) or f"sqlite:///{root.resolve()}/mlflow.db"


def configure() -> None:
    """Set MLflow's time-outs and silence it, in this process from now on.

    Environment variables that are set keep their values.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  # before the filters, because its import sets others

    warnings.filterwarnings("ignore", module="mlflow")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def configured() -> Iterator[None]:
    """Configure MLflow and restore environment, log levels and warning filters at the end."""
    environment = {name: os.environ.get(name) for name in SETTINGS}
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        try:
            configure()
            yield
        finally:
            for name, value in environment.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def connect(uri: str) -> MlflowClient:
    """Return a client of a store; a local SQLite store is created if it does not exist."""
    from mlflow import MlflowClient

    with initialising(uri):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def runs_of(
    client: MlflowClient, experiment: str, condition: str = "", **options: Any
) -> Iterator[Run]:
    """Yield the runs of an experiment without those that stand for sweeps.

    Args:
        client: of the store.
        experiment: its id.
        condition: a further condition, " and ...", in MLflow's filter language.
        options: of MLflow's `search_runs`.
    """
    token: str | None = ""
    while token is not None:
        page = client.search_runs(
            [experiment], f"tags.kind = 'run'{condition}", max_results=1000,
            page_token=token or None, **options,
        )  # fmt: skip
        yield from page
        token = page.token or None
