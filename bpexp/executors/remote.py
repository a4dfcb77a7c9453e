"""Training on another machine of a stack that may be partly trained already."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby

from bpexp.errors import ExecutorError
from bpexp.executors.protocol import Interrupt, Report, Run, RunStack, Train

CHECKED = ("bpexp", "numpy")  # packages whose versions affect a run's numbers


def require_package(package: str, extra: str) -> None:
    """Check that an engine's package is installed.

    Args:
        package: the package's name.
        extra: the extra of bpexp that installs the package, and the executor's name.

    Raises:
        ValueError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"name: {extra} needs the package {package}: pip install 'bpexp[{extra}]'")


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect a run's numbers, and the processor type."""
    found = {"machine": platform.machine()}
    for package in CHECKED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # imported from the path without being installed
            found[package] = "unknown"
    return found


def check_versions(expected: dict[str, str]) -> None:
    """Compare the versions on this machine with those on the sweep's machine.

    Raises:
        ExecutorError: a version differs, so that runs could have other numbers.
    """
    here = versions()
    for name, wanted in expected.items():
        if here[name] != wanted:
            raise ExecutorError(
                f"executor: the worker on {platform.node()} has {name} {here[name]}, and this "
                f"process has {wanted}"
            )


def train_rest(
    train: Train[Run], stack: RunStack[Run], report: Report, interrupt: Interrupt
) -> dict[str, str]:
    """Train the unfinished runs of a stack and return each run's status by identity.

    Runs at different epochs are trained as separate stacks. Epochs differ if a worker died between
    the checkpoints of two runs.

    Args:
        train: trains a stack whose runs are at the same epoch.
        stack: the runs as they were when the work was sent.
        report: called with the number of epochs done.
        interrupt: stops training.
    """
    runs = [run.refreshed() for run in stack]
    statuses = {run.identity: "FINISHED" for run in runs if run.finished}
    left = sorted((run for run in runs if not run.finished), key=_epoch)
    for _, group in groupby(left, key=_epoch):
        part = tuple(group)
        outcome = train(part, report, interrupt)
        statuses |= {run.identity: status for run, status in zip(part, outcome, strict=True)}
    return statuses


def import_all(modules: Sequence[str]) -> None:
    """Import the modules that register functions of runs; see `Session.imports`."""
    for module in modules:
        importlib.import_module(module)


def regrouped(stacks: Sequence[RunStack[Run]]) -> list[RunStack[Run]]:
    """Return the unfinished runs of stacks, as stacks whose runs are at the same epoch."""
    found: list[RunStack[Run]] = []
    for stack in stacks:
        runs = sorted((run.refreshed() for run in stack), key=_epoch)
        left = [run for run in runs if not run.finished]
        found += [tuple(group) for _, group in groupby(left, key=_epoch)]
    return found


def _epoch(run: Run) -> int:
    return run.epoch
