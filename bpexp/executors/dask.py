"""Training on the workers of a running Dask cluster."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Generic

from bpexp.errors import ExecutorError, reason
from bpexp.executors.dask_worker import train_stack_for
from bpexp.executors.held import HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.remote import regrouped, require_package, versions
from bpexp.executors.transfer import FolderChanges, apply

if TYPE_CHECKING:
    from distributed import Client, Future

POLL = 0.1  # seconds to wait for messages
TIMEOUT = 10.0  # seconds for a scheduler to answer
RETRY = 2.0  # seconds between attempts to connect to a scheduler again


class DaskExecutor:
    """Train on the workers of a Dask scheduler, which is found by its address."""

    def __init__(self, *, address: str = "", shared: bool = True) -> None:
        """Store the settings.

        Args:
            address: the address of the scheduler, such as tcp://host:8786.
            shared: whether this machine's folders have the same paths on the workers. If not, the
                record of each run is sent to this machine during training.

        Raises:
            ValueError: the package distributed is not installed.
        """
        require_package("distributed", "dask")
        self._address, self._shared = address, shared

    def workers(self) -> int:
        """Return the number of workers that the scheduler has; see `Executor.workers`."""
        with self._connected() as client:
            return max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def least_operations(self) -> float:
        """About half a second of training, which is the time for sending a stack."""
        return 5e8

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`.

        If the connection to the scheduler is lost, training waits for a scheduler at the same
        address.
        """
        client = self._connected()
        session.note(f"dask: {self._address}; dashboard: {client.dashboard_link}")
        session.meanwhile()
        work = _Work(stacks, session)
        while True:
            try:
                with client, _Connection(client, work, self._shared) as connection:
                    connection.follow()
                    return work.statuses
            except (OSError, _SchedulerLostError):
                session.note(f"dask: no connection to {self._address}; waiting for a scheduler")
            while (found := self._again(session)) is None:
                if session.interrupt.requested:
                    return work.statuses
            client = found

    def _connected(self) -> Client:
        from distributed import Client

        if "://" not in self._address:
            raise ExecutorError(
                f"executor.address: {self._address!r} is not an address such as tcp://host:8786"
            )
        try:
            return Client(self._address, timeout=TIMEOUT, set_as_default=False, name="bpexp")
        except (OSError, ValueError) as error:
            raise ExecutorError(
                f"executor.address: {self._address}: {reason(error)}; is the scheduler running?"
            ) from None

    def _again(self, session: Session[Run]) -> Client | None:
        """Wait for RETRY seconds, then return a client, or None without a scheduler."""
        end = time.monotonic() + RETRY
        while time.monotonic() < end and not session.interrupt.requested:
            time.sleep(POLL)
        with suppress(ExecutorError):
            return self._connected()
        return None


class _SchedulerLostError(Exception):
    """The connection to the scheduler, or a task that was sent to it, is lost."""


class _Work(Generic[Run]):
    """The stacks that wait and the statuses so far, which are kept if the scheduler is lost."""

    def __init__(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> None:
        self.session = session
        self.waiting = deque(stacks)
        self.held = HeldRuns(session)
        self.statuses: dict[str, str] = {}
        self._retried: set[str] = set()

    def finish(self, stack: RunStack[Run], outcome: dict[str, str]) -> None:
        self.statuses |= self.held.keep_deferred(stack, [outcome[run.identity] for run in stack])

    def retry(self, stack: RunStack[Run], why: str) -> None:
        """Queue the unfinished runs of a stack whose workers died, each alone and only once."""
        for planned in stack:
            run = planned.refreshed()
            if run.finished:
                self.statuses[run.identity] = "FINISHED"
            elif run.identity in self._retried:
                self.session.fail(run, why)
                self.statuses[run.identity] = "FAILED"
            else:
                self._retried.add(run.identity)
                self.waiting.append((run,))

    def put_back(self, stacks: Sequence[RunStack[Run]]) -> None:
        """Queue the unfinished runs of stacks that a lost scheduler had."""
        for stack in stacks:
            done = [run for run in stack if run.refreshed().finished]
            self.statuses |= {run.identity: "FINISHED" for run in done}
        self.waiting += regrouped(stacks)


class _Connection(Generic[Run]):
    """A connection to one scheduler: the stacks that were sent, and the workers' messages."""

    def __init__(self, client: Client, work: _Work[Run], shared: bool) -> None:
        from distributed import Event, Queue

        self._client, self._work, self._shared = client, work, shared
        self._token = f"bpexp-{uuid.uuid4().hex}"
        self._messages = Queue(self._token, client=client)
        self._stop = Event(f"{self._token}-stop", client=client)
        self._stopping = False
        self._sent: dict[Future, RunStack[Run]] = {}
        self._runs = {run.identity: run for stack in work.waiting for run in stack}
        self._attempts: dict[str, str] = {}  # the attempt that trains each run, by identity
        self._locks = ExitStack()

    def __enter__(self) -> _Connection[Run]:
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()
        with suppress(Exception):  # the scheduler may be gone
            self._messages.close()
        self._work.put_back([*self._sent.values()])

    def follow(self) -> None:
        """Train until all stacks have ended, or a signal has stopped those in training.

        Raises:
            _SchedulerLostError: the connection to the scheduler, or a task, is lost.
        """
        work, session = self._work, self._work.session
        while True:
            work.waiting += work.held.release(work.statuses)
            while work.waiting and len(self._sent) < session.jobs and not self._ending():
                self._send(work.waiting.popleft())
            if not self._sent and (self._ending() or not (work.waiting or work.held)):
                return
            self._receive()
            for future in [future for future in self._sent if future.done()]:
                self._collect(future, self._sent.pop(future))
            if self._client.status != "running":
                raise _SchedulerLostError
            if session.interrupt.requested and not self._stopping:
                self._stopping = True
                self._stop.set()

    def _ending(self) -> bool:
        return self._work.session.ending(self._work.statuses)

    def _send(self, stack: RunStack[Run]) -> None:
        future = self._client.submit(
            train_stack_for,
            self._work.session.train,
            stack,
            self._token,
            self._shared,
            versions(),
            [*self._work.session.imports],
            key=f"{self._token}-{stack[0].identity}-{time.monotonic_ns()}",
            pure=False,
        )
        self._sent[future] = stack

    def _collect(self, future: Future, stack: RunStack[Run]) -> None:
        """Record the statuses of an ended task; queue its runs again if its worker died."""
        if future.status in ("cancelled", "lost"):
            self._sent[future] = stack
            raise _SchedulerLostError
        if future.status == "finished":
            self._receive_all()
            self._work.finish(stack, future.result())
        else:
            error: Any = future.exception()
            if type(error).__name__ != "KilledWorker":  # raised in training, such as StorageError
                raise error
            self._work.retry(stack, f"the Dask workers that trained it died ({reason(error)})")

    def _receive_all(self) -> None:
        while self._receive():
            pass

    def _receive(self) -> bool:
        """Handle the messages received so far, and return whether there were any."""
        try:
            messages = self._messages.get(timeout=POLL, batch=True)
        except TimeoutError:
            return False
        for message in messages:
            self._handle(message)
        return bool(messages)

    def _handle(self, message: dict[str, Any]) -> None:
        attempt = message["attempt"]
        if message["kind"] == "begin":
            self._begin(attempt, message["runs"])
            return
        if message.get("epochs"):
            self._work.session.report(message["epochs"])
        for identity, changes in message.get("files", {}).items():
            if self._attempts.get(identity) == attempt:  # else another worker has replaced this one
                apply(changes, self._runs[identity].folder)

    def _begin(self, attempt: str, identities: Sequence[str]) -> None:
        """Send a worker that begins a stack the files of the runs that it may train."""
        from distributed import Queue

        files = {}
        for identity in identities:
            run = self._runs[identity]
            ours = identity in self._attempts or self._locks.enter_context(run.held())
            if ours:
                self._attempts[identity] = attempt
                changes = FolderChanges(run.folder)
                files[identity] = changes.read()
                changes.close()
        Queue(attempt, client=self._client).put(files)
