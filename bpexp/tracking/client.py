"""MLflow's client: the default store, settings, connecting, and searching for runs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.config.address import STORE, is_store
from bpexp.errors import ConfigError, out_of_range
from bpexp.tracking.locks import initialising

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# With MLflow's default time-outs an unreachable server blocks a client for four minutes.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
LOGGERS = ("mlflow", "alembic")
TRACKING_URI = "MLFLOW_TRACKING_URI"  # the environment variable that holds a store's address
IS_RUN = "tags.kind = 'run'"  # the condition of `search` that excludes the runs of sweeps


def default_uri(root: Path) -> str:
    """Return the address of the store that `mlflow ui` shows when it is started in `root`.

    Raises:
        ConfigError: MLflow cannot write to the address in MLFLOW_TRACKING_URI.
    """
    given = os.environ.get(TRACKING_URI)
    return require_store(TRACKING_URI, given) if given else f"sqlite:///{root.resolve()}/mlflow.db"


def require_store(name: str, address: str) -> str:
    """Return the address of a store.

    Args:
        name: the name of the argument or variable, for the message.
        address: the address.

    Raises:
        ConfigError: MLflow cannot write to it.
    """
    if not is_store(address):
        raise ConfigError(out_of_range(name, address, STORE))
    return address


def configure() -> None:
    """Set MLflow's time-outs and silence its logs and warnings, for the rest of this process.

    Environment variables that are set keep their values.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  # its import sets filters, so ours must follow

    warnings.filterwarnings("ignore", module="mlflow")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def configured() -> Iterator[None]:
    """Configure MLflow in a context, then restore environment, log levels and warning filters."""
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
    """Return a client of a store. A local SQLite store is created if it does not exist."""
    from mlflow import MlflowClient

    with initialising(uri):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def search(
    client: MlflowClient, experiment: str, *conditions: str, **options: Any
) -> Iterator[Run]:
    """Yield the runs of an experiment that satisfy all conditions, page by page.

    Args:
        client: the client of the store.
        experiment: the experiment's id.
        conditions: in MLflow's filter language.
        options: arguments of MLflow's `search_runs`.
    """
    condition, token = " and ".join(conditions), None
    while True:
        page = client.search_runs(
            [experiment], condition, max_results=1000, page_token=token, **options
        )
        yield from page
        token = page.token
        if not token:
            return
