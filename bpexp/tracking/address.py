"""Addresses of stores: the database file, the artifact folder, and the addresses of pages."""

from __future__ import annotations

import shlex
import socket
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bpexp.secrets import has_secret, without_user

SQLITE = "sqlite:///"
PORT = 5000  # the default of `mlflow ui`; used unless another program listens on it
TRIED = 20  # number of ports tried, from PORT on


def database(uri: str) -> Path | None:
    """Return the file of a local SQLite store; None for other stores."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0])


def local_folder(location: str) -> Path | None:
    """Return the folder of an artifact location; None unless it is on this machine."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else location)


class Pages(NamedTuple):
    """How to open a study's pages in MLflow.

    Attributes:
        ui: the command that serves them; None if the store is a server, which serves them itself.
        table: the address of the table of runs.
        charts: the address of the charts.
    """

    ui: str | None
    table: str
    charts: str


def pages(uri: str, experiment: str, view: str | None = None) -> Pages:
    """Return how to open a study's pages.

    Args:
        uri: the store's address.
        experiment: MLflow's id of the study's experiment.
        view: the key of the shared view to open; None for MLflow's default view.
    """
    # Without a type MLflow shows an experiment's traces instead of its runs.
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    if view is not None:
        page += f"&viewStateShareKey={view}"
    if uri.startswith("http"):
        return _opened(None, without_user(uri).rstrip("/"), page)
    shown = '"$MLFLOW_TRACKING_URI"' if has_secret(uri) else shlex.quote(uri)
    port = _free_port()
    other = "" if port == PORT else f" --port {port}"
    ui = f"mlflow ui --backend-store-uri {shown}{other}"
    return _opened(ui, f"http://127.0.0.1:{port}", page)


def _opened(ui: str | None, site: str, page: str) -> Pages:
    return Pages(ui, f"{site}/{page}", f"{site}/{page}&compareRunsMode=CHART")


def _free_port() -> int:
    for port in range(PORT, PORT + TRIED):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return PORT
