"""A sweep from Python: the command line's keys as keyword arguments, the same machinery below."""

from __future__ import annotations

import signal
from pathlib import Path

from bpexp.config.grid import configs, grid
from bpexp.config.overrides import study_grid
from bpexp.config.shipped import tree
from bpexp.errors import ConfigError, StorageError, out_of_range, reason, require_folder
from bpexp.record.layout import RUNS
from bpexp.record.studies import Study
from bpexp.sweeping.signals import Signals


def sweep(*, root: str | Path = ".", figures: bool = False, **keys: object) -> Study:
    """Train every combination of the given values and return the runs as a study.

    The keys are those of the command line, with the same defaults but for `tracking`, which is off.
    Journals, stacks, workers and resuming are the same as well: runs that are finished already are
    not trained again. Ctrl-C, or the kernel's interrupt, stops at the end of the epoch and raises
    KeyboardInterrupt; the same call goes on from there.

        study = bpexp.sweep(activation=["sigmoid", "relu"], depth=[2, 4, 8], seed=range(5))
        runs = bpexp.load_runs(study)

    Args:
        root: the folder that holds runs/.
        figures: print the summary, draw the figures and write the report, as the command does.
        keys: a value or several by key, of which the last changes fastest. `probe__every=10` and
            `probe={"every": 10}` are the key `probe.every`. A group, such as `activation`, takes
            names, Choices and mappings: "relu", Choice("leaky", {"negative_slope": 0.2}) or
            {"name": "leaky", "negative_slope": 0.2}. `experiment` names a study in experiments/,
            whose settings and grid the other keys override.

    Returns:
        The runs that were asked for. Those that failed are named on standard error, and have the
        status FAILED.

    Raises:
        ConfigError: a key is unknown, a value out of range, or a combination not valid; nothing is
            trained then.
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
    from bpexp.sweeping.driver import run_sweep  # its imports wait until all keys are valid

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
    """Return the folder that will hold runs/, which is made if it does not exist.

    Raises:
        ConfigError: it is not a path.
        StorageError: it cannot be made.
    """
    if not isinstance(root, str | Path):
        raise ConfigError(out_of_range("root", root, "the path of a folder"))
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"root: {root}: {reason(error)}") from None
    return Path(root).resolve()
