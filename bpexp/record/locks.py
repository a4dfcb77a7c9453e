"""Locks of files between processes."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

# What flock raises on a file system without locks, such as NFS if the mount has switched them off.
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def lock(file: IO[bytes] | IO[str], *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed, and return whether that succeeded.

    The lock is the operating system's (flock), which releases it when the process ends, even if it
    is killed. On a file system without locks nothing is locked, and the result is True.

    Args:
        file: the file.
        shared: whether other processes may have shared locks at the same time.
        wait: whether to wait while another process has a lock; otherwise the result is then False.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    return True


def has_locks(path: Path) -> bool:
    """Return whether the file system of a file has locks."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            return error.errno not in UNSUPPORTED
    return True
