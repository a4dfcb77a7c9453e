"""A stack in training on a Dask worker, with messages to the process that sent it."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bpexp.executors.protocol import DEFERRED, Interrupt, PlannedRun, RunStack, Train
from bpexp.executors.remote import check_versions, import_all, train_rest
from bpexp.executors.transfer import FolderChanges, apply

INTERVAL = 0.5  # seconds between messages
ANSWER = 60.0  # seconds for the sweep's process to send a run's files
ONE = threading.Lock()  # one stack at a time: the number of BLAS threads is the process's


def train_stack_for(
    train: Train[Any],
    stack: RunStack[Any],
    token: str,
    shared: bool,
    expected: dict[str, str],
    imports: Sequence[str],
) -> dict[str, str]:
    """Train a stack and return each run's status by identity.

    Args:
        train: trains a stack.
        stack: the runs as they were planned. If another worker died with them, training continues
            from its checkpoints.
        token: names the queue and the event of the sweep's process.
        shared: whether the runs' folders are this machine's too.
        expected: the versions with which the sweep was planned.
        imports: modules to import first.

    Raises:
        ExecutorError: another version is installed here.
    """
    check_versions(expected)
    import_all(imports)
    with ONE, ExitStack() as resources:
        link = _Link(token)
        if shared:
            return train_rest(train, stack, link.report, link)
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        files = link.begin([run.identity for run in stack])
        away = [run.away(folder / run.identity) for run in stack if run.identity in files]
        for run in away:
            apply(files[run.identity], run.folder)
        link.follow(away)
        resources.callback(link.close)
        statuses = train_rest(train, away, link.report, link) if away else {}
        link.send()
        return {run.identity: statuses.get(run.identity, DEFERRED) for run in stack}


class _Link(Interrupt):
    """The messages to the sweep's process, and whether training must stop."""

    def __init__(self, token: str) -> None:
        from distributed import Event, Queue, get_client

        super().__init__()
        self._client = get_client()
        self._messages = Queue(token, client=self._client)
        self._stop = Event(f"{token}-stop", client=self._client)
        self._attempt = f"{token}-{uuid.uuid4().hex}"
        self._folders: dict[str, FolderChanges] = {}
        self._epochs = 0
        self._sent = time.monotonic()

    def begin(self, identities: Sequence[str]) -> dict[str, Any]:
        """Return the files of the runs that this worker may train, by identity."""
        from distributed import Queue

        self._put({"kind": "begin", "runs": list(identities)})
        answer: dict[str, Any] = Queue(self._attempt, client=self._client).get(timeout=ANSWER)
        return answer

    def follow(self, runs: Sequence[PlannedRun]) -> None:
        """Send what changes in the folders of these runs from now on."""
        self._folders = {run.identity: FolderChanges(run.folder) for run in runs}
        for changes in self._folders.values():
            changes.read()

    def report(self, epochs: int) -> None:
        """Count epochs; send a message and look for a stop if the last one was long ago."""
        self._epochs += epochs
        if time.monotonic() - self._sent >= INTERVAL:
            self.send()
            if self._stop.is_set():
                self.signal = -1

    def send(self) -> None:
        """Send the epochs done and what has changed in the folders."""
        self._sent = time.monotonic()
        files = {key: found for key, of in self._folders.items() if (found := of.read())}
        self._put({"kind": "progress", "epochs": self._epochs, "files": files})
        self._epochs = 0

    def close(self) -> None:
        """Close the files."""
        for changes in self._folders.values():
            changes.close()

    def _put(self, message: dict[str, Any]) -> None:
        self._messages.put({"attempt": self._attempt, **message})
