"""What an exception of the mirror means: trouble with the store, or a defect of the mirror.

Trouble passes or is the user's to mend, so one line about the store suffices. A defect is neither:
its line names the exception and the file that holds the traceback.
"""

from __future__ import annotations

import os
import sqlite3
import traceback
from pathlib import Path

from bpexp.errors import BpexpError, reason
from bpexp.secrets import without_secrets

LOG = "mirror.log"  # in the sweep's folder, or in runs/ where no sweep is followed


class StoreError(BpexpError):
    """A store that cannot be written before a user acts; the message says how."""


def trouble(error: Exception, uri: str) -> str:
    """Return the line of trouble with a store, with the place that it is about."""
    if isinstance(error, BpexpError):
        return str(error)
    place = getattr(error, "filename", None) or uri
    return without_secrets(f"{place}: {reason(error)}")


def is_defect(error: Exception) -> bool:
    """Return whether an exception is a defect of the mirror.

    It is not if a user can cause it, if the operating system or the network raised it, if a module
    is missing, or if MLflow or its database raised it.
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
    """Append the traceback of a defect to a file and return the line that tells of it.

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
