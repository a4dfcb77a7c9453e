"""Exceptions of the mirror: trouble with the store, or a defect of the mirror.

Trouble is temporary or can be fixed by the user, so its message is one line about the store. The
message of a defect names the exception and the file that holds the traceback.
"""

from __future__ import annotations

import os
import sqlite3
import traceback
from pathlib import Path

from bpexp.errors import BpexpError, reason
from bpexp.secrets import without_secrets

LOG = "mirror.log"  # in the folder of the sweep that is followed, else in runs/
NO_LOGIN = (
    "the server does not accept this login; set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD"
)
NO_RIGHTS = (
    "the server does not permit this user to write the study; its owner can give the permission "
    "EDIT"
)


class StoreError(BpexpError):
    """A store that cannot be written until a user acts; the message names the action."""


def trouble(error: Exception, uri: str) -> str:
    """Return the message of trouble with a store: the file or address, and the reason."""
    if isinstance(error, BpexpError):
        return str(error)
    place = getattr(error, "filename", None) or uri
    return without_secrets(f"{place}: {_refusal(error) or reason(error)}")


def _refusal(error: Exception) -> str:
    """Return why a server with a login refused a request; empty for other errors."""
    # MLflow raises exceptions of its own, and for artifacts an HTTPError of the package requests.
    ask = getattr(error, "get_http_status_code", None)
    status = ask() if ask else getattr(getattr(error, "response", None), "status_code", None)
    if status == 403 and "Permission denied" not in str(error):  # MLflow checks the host name too
        return ""
    return {401: NO_LOGIN, 403: NO_RIGHTS}.get(status or 0, "")


def is_defect(error: Exception) -> bool:
    """Return whether an exception is a defect of the mirror.

    Errors that a user can cause, errors of the operating system and the network, missing modules,
    and errors of MLflow and its database are not.
    """
    if isinstance(error, BpexpError | OSError | ImportError | sqlite3.Error):
        return False
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        return True
    return not isinstance(error, MlflowException | SQLAlchemyError)


def report(error: Exception, log: Path) -> str:
    """Append the traceback of a defect to a file and return the message.

    Args:
        error: the defect.
        log: the file.
    """
    line = f"{type(error).__name__} in the mirror: {reason(error)}; this is a defect of bpexp"
    try:
        with log.open("a") as file:
            file.write(without_secrets("".join(traceback.format_exception(error))))
    except OSError as other:
        return f"{line}; {log} cannot be written: {reason(other)}"
    return f"{line}, see {os.path.relpath(log)}"
