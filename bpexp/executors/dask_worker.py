"""Training of a stack on a Dask worker, with messages to the sweep's process."""

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
ANSWER = 60.0  # seconds to wait for the files of runs from the sweep's process
# One stack at a time, because the number of BLAS threads is a setting of the whole process.
ONE = threading.Lock()


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
        stack: the runs as they were planned. If they were trained before on a worker that died,
            training continues from their checkpoints.
        token: the prefix of the names of the sweep's queues and event.
        shared: whether the runs' folders have the same paths on this machine.
        expected: the versions on the sweep's machine.
        imports: modules to import first.

    Raises:
        ExecutorError: this machine has other versions.
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
    """Messages to the sweep's process; an interrupt that this process can set."""

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
        """Begin to record the changes in the folders of these runs, for `send`."""
        self._folders = {run.identity: FolderChanges(run.folder) for run in runs}
        for changes in self._folders.values():
            changes.read()

    def report(self, epochs: int) -> None:
        """Count epochs; every INTERVAL seconds send a message and check for a stop."""
        self._epochs += epochs
        if time.monotonic() - self._sent >= INTERVAL:
            self.send()
            if self._stop.is_set():
                self.signal = -1

    def send(self) -> None:
        """Send the number of epochs and the changes in the folders since the last message."""
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
