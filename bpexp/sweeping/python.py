"""A sweep from Python, with the keys of the command line as keyword arguments."""

from __future__ import annotations

import signal
from pathlib import Path

from bpexp.config.grid import configs, grid
from bpexp.config.shipped import tree
from bpexp.config.studies import study_grid
from bpexp.errors import ConfigError, StorageError, out_of_range, reason, require_folder
from bpexp.record.layout import RUNS
from bpexp.record.studies import Study
from bpexp.sweeping.signals import Signals


def sweep(*, root: str | Path = ".", figures: bool = False, **keys: object) -> Study:
    """Train every combination of the given values and return the runs as a study.

    The keys are those of the command line, with the same defaults except `tracking`, which is off.
    Runs are recorded and trained as by the command: finished runs are not trained again, and
    interrupted runs are resumed. Ctrl-C, or the kernel's interrupt, stops training at the end of
    the epoch and raises KeyboardInterrupt; the same call continues.

        study = bpexp.sweep(activation=["sigmoid", "relu"], depth=[2, 4, 8], seed=range(5))
        runs = bpexp.load_runs(study)

    Args:
        root: the folder that holds runs/.
        figures: whether to print the summary, draw the figures and write the report, as the command
            does.
        keys: one value or several for each key; the last key changes fastest. `probe__every=10` and
            `probe={"every": 10}` are the key `probe.every`. A group, such as `activation`, takes
            names, Choices and mappings: "relu", Choice("leaky", {"negative_slope": 0.2}) or
            {"name": "leaky", "negative_slope": 0.2}. `experiment` names a study in experiments/,
            whose settings and grid the other keys override.

    Returns:
        The study of these runs. Runs that failed are named on standard error, and have the status
        FAILED.

    Raises:
        ConfigError: a key is unknown, a value is out of range, or a combination is not valid. No
            run is trained.
        DataError: a data set cannot be read.
        StorageError: the disk is full or not writable.
        KeyboardInterrupt: training was interrupted.
    """
    require_folder()
    given = dict(keys)
    shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
    base: dict[str, list[object]] = {"tracking": ["off"]}
    if "experiment" in given:
        quick = bool(given.get("quick", False))
        base |= study_grid(given.pop("experiment"), tree("experiments"), ends=quick)
    runs = configs(base | grid(given))
    from bpexp.sweeping.driver import run_sweep  # imported here because refusals do not need it

    signals = Signals(ends_process=False)
    place = _folder(root)
    outcome = run_sweep(
        runs,
        root=place,
        multirun=True,
        command=f"bpexp.sweep({shown})",
        signals=signals,
        presented=figures,
    )
    if signals.interrupt.requested:
        signal.raise_signal(signals.interrupt.signal)
    return Study(place / RUNS / runs[0].study, frozenset(outcome.identities))


def _folder(root: str | Path) -> Path:
    """Return the folder of runs/, which is created if it does not exist.

    Raises:
        ConfigError: `root` is not a path.
        StorageError: the folder cannot be created.
    """
    if not isinstance(root, str | Path):
        raise ConfigError(out_of_range("root", root, "the path of a folder"))
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"root: {root}: {reason(error)}") from None
    return Path(root).resolve()
