"""Commands to Slurm's controller. None needs accounting, which small clusters do not have."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from bpexp.errors import ExecutorError

TIMEOUT = 60.0  # seconds for the controller to answer
MOST_TASKS = 1000  # jobs of an array, if the controller's limit is not known


def require() -> None:
    """Check that Slurm's commands are installed and that its controller answers.

    Raises:
        ExecutorError: a command is missing, or the controller does not answer.
    """
    if shutil.which("sbatch") is None:
        raise ExecutorError("executor=slurm: there is no sbatch here; is this a login node?")
    if states() is None:
        raise ExecutorError("executor=slurm: Slurm's controller does not answer (squeue)")


def states() -> dict[str, str] | None:
    """Return the state of each job of this user in the queue, such as {"12_3": "RUNNING"}.

    Returns:
        The states, or None if the controller does not answer.
    """
    text = _ask("squeue", "--me", "--array", "--noheader", "--format=%i %T")
    return None if text is None else dict(line.split() for line in text.splitlines())


def final_state(job: str) -> str:
    """Return the state of a job that has ended: COMPLETED, CANCELLED, TIMEOUT, and others.

    The controller keeps a job's state for some minutes after its end; later it is UNKNOWN.
    """
    text = _ask("scontrol", "show", "job", job, "--oneliner") or ""
    found = re.search(r"\bJobState=(\w+)", text)
    return found[1] if found else "UNKNOWN"


def largest_array() -> int:
    """Return the largest number of jobs that an array may have."""
    found = re.search(r"\bMaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "")
    return min(MOST_TASKS, int(found[1]) - 1) if found else MOST_TASKS


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs."""
    for begin in range(0, len(jobs), MOST_TASKS):
        _ask("scancel", *jobs[begin : begin + MOST_TASKS])


def _ask(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
