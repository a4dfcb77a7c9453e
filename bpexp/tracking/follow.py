"""The main loop of the mirror process: it mirrors a sweep's journals while they are written."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from bpexp.console import SafeStream
from bpexp.tracking.client import configure
from bpexp.tracking.failures import LOG, StoreError, is_defect, report, trouble

if TYPE_CHECKING:
    from bpexp.tracking.mirror import Mirror

POLL = 1.0  # seconds between two rounds over the journals of a running sweep
LIVE = 10.0  # seconds between two writes of a run that is still in training
NICENESS = 5  # lowers the scheduling priority below that of training
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds after a failure, doubled each time


def follow(path: Path, uri: str, root: Path) -> int:
    """Follow a sweep until it ends, mirror the rest, and return the exit code.

    Bytes on standard input mean that the sweep has ended. If standard input closes without any, the
    sweep was killed and the process exits; the next run of the command starts another mirror.

    Each line on standard output is a JSON object: {"mirrored", "total"}, with "error" and "final"
    (whether a user has to act first) if there is trouble; the last one is {"ui", "table",
    "charts", "left", "deleted", "error"}.

    Args:
        path: the sweep's sweep.json.
        uri: the store's address.
        root: the folder that holds runs/.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # clusters signal all processes; the sweep ends this
    os.nice(NICENESS)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of libraries goes to the log
    sys.stdout = sys.stderr = cast(TextIO, SafeStream(sys.stderr))

    def send(**fields: object) -> None:
        print(json.dumps(fields), file=channel, flush=True)

    followed = _Followed(path, uri, send)
    mirror: Mirror | None = None
    pause, troubled, over = FIRST_PAUSE, False, False
    while True:
        try:
            mirror = mirror or connected(uri, root)
            followed.write(mirror, over)
            if over:
                followed.finish(mirror)
                return 0
            pause, troubled = FIRST_PAUSE, False
        except Exception as error:
            followed.send_error(error)
            mirror, troubled = None, True
            if over:
                return 1
        if select.select([sys.stdin], [], [], pause if troubled else POLL)[0]:
            over = bool(os.read(sys.stdin.fileno(), 64))
            if not over:
                return 1
        pause = min(2 * pause, LONGEST_PAUSE)


class _Followed:
    """A sweep that is followed: the runs that are left to mirror, and those that failed."""

    def __init__(self, path: Path, uri: str, send: Callable[..., None]) -> None:
        """Begin with all runs left to mirror.

        Args:
            path: the sweep's sweep.json.
            uri: the store's address.
            send: sends a message to the sweep's process.
        """
        self._path, self._uri, self._send = path, uri, send
        self._sweep = json.loads(path.read_text())
        self._left = {m["folder"]: path.parents[2] / m["folder"] for m in self._sweep["members"]}
        self._total = len(self._left)
        self._written = dict.fromkeys(self._left, time.monotonic())
        self._failed: set[Path] = set()
        self._defect: str | None = None  # the first one

    def write(self, mirror: Mirror, over: bool) -> None:
        """Mirror runs that have ended or were not written for LIVE seconds; all runs if `over`.

        A run whose mirroring raises a defect is reported once and then skipped.
        """
        for name, folder in list(self._left.items()):
            try:
                live = time.monotonic() - self._written[name] > LIVE
                if not (live or over or mirror.ended(folder)):
                    continue
                self._written[name] = time.monotonic()
                if mirror.run(folder):
                    del self._left[name]
                    if over:
                        self._send(mirrored=self._mirrored, total=self._total)
            except Exception as error:
                if not is_defect(error):
                    raise
                self._failed.add(self._left.pop(name))
                self.send_error(error)

    def finish(self, mirror: Mirror) -> None:
        """Mirror the sweep's own run and send the last message."""
        try:
            mirror_sweep(mirror, self._path, without=self._failed)
        except Exception as error:
            if not is_defect(error):
                raise
            self.send_error(error)
        left = len(self._left) + len(self._failed)
        opened = mirror.study(self._path.parents[2])._asdict()
        deleted = len(mirror.left_deleted)
        self._send(**opened, left=left, deleted=deleted, error=self._defect)

    def send_error(self, error: Exception) -> None:
        """Send the message of an exception; write the traceback of a defect to the log."""
        message = trouble(error, self._uri)
        if is_defect(error):
            message = report(error, self._path.parent / LOG)
            self._defect = self._defect or message
        final = isinstance(error, StoreError)
        self._send(mirrored=self._mirrored, total=self._total, error=message, final=final)

    @property
    def _mirrored(self) -> int:
        return self._total - len(self._left) - len(self._failed)


def mirror_sweep(mirror: Mirror, path: Path, without: Collection[Path]) -> None:
    """Mirror a sweep's members, add its models, and mirror its own run.

    Args:
        mirror: the mirror of the store.
        path: the sweep's sweep.json.
        without: folders of members to skip.
    """
    sweep = json.loads(path.read_text())
    for member in sweep["members"]:
        model = member["identity"] in sweep.get("models", [])
        folder = path.parents[2] / member["folder"]
        if folder not in without:
            mirror.run(folder, model)
    if "ended" in sweep and sweep["multirun"]:
        mirror.sweep(path.parent)


def connected(uri: str, root: Path, restore: bool = False) -> Mirror:
    """Configure MLflow and return the mirror of a store.

    Args:
        uri: the store's address.
        root: the folder that holds runs/.
        restore: see `Mirror`.
    """
    from bpexp.tracking.mirror import Mirror

    configure()
    return Mirror(uri, root, restore=restore)
