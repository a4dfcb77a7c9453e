"""What a store's address says: its database file, and how its pages are opened."""

from __future__ import annotations

import shlex
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bpexp.secrets import has_secret, without_user

SQLITE = "sqlite:///"
PORT = 5000  # of `mlflow ui`, unless another program has it
TRIED = 20  # ports from PORT on


def database(uri: str) -> Path | None:
    """Return the file of a local SQLite store, None for other stores."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0])


def local_folder(location: str) -> Path | None:
    """Return the folder of artifacts at a location, None unless it is on this machine."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else location)


def pages(uri: str, experiment: str) -> tuple[str | None, str]:
    """Return how to open a study's charts.

    Args:
        uri: the store.
        experiment: MLflow's id of the study's experiment.

    Returns:
        The command that serves MLflow's pages of this store, None if the store is a server and
        serves them itself; and the address of the study's charts.
    """
    view = f"#/experiments/{experiment}/runs?compareRunsMode=CHART&workflowType=machine_learning"
    if uri.startswith("http"):
        return None, f"{without_user(uri).rstrip('/')}/{view}"
    shown = '"$MLFLOW_TRACKING_URI"' if has_secret(uri) else shlex.quote(uri)
    port = _free_port()
    other = "" if port == PORT else f" --port {port}"
    return f"mlflow ui --backend-store-uri {shown}{other}", f"http://127.0.0.1:{port}/{view}"


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
