"""Run a sweep: plan, train, summarise, draw, mirror."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bpexp.config import Config
from bpexp.config.command import joined
from bpexp.config.identity import differing
from bpexp.console import warn
from bpexp.nn.tasks import find_task
from bpexp.record.files import make_folder, replacing
from bpexp.record.finished import list_finished
from bpexp.record.layout import SWEEP, SWEEPS, TRACEBACK
from bpexp.record.locks import has_locks
from bpexp.record.order import first_begun
from bpexp.record.run import Run
from bpexp.secrets import without_secrets
from bpexp.sweeping.member import dataset
from bpexp.sweeping.mirroring import await_mirror
from bpexp.sweeping.plan import Plan, make_plan, varied
from bpexp.sweeping.presentation import import_figures, present
from bpexp.sweeping.signals import Signals
from bpexp.sweeping.training import train_plan
from bpexp.theory import Score
from bpexp.tracking.client import default_uri
from bpexp.tracking.process import MirrorProcess

MANY = 5000  # runs; reading more takes seconds


@dataclass(frozen=True)
class Outcome:
    """The outcome of a sweep.

    Attributes:
        identities: the identities of its runs, each once.
        code: the exit code: 0, or 1 if a run failed, or 128 + the number of the signal that ended
            the sweep.
        scores: the task's primary metric on the test split at the end, of each configuration, in
            order; NaN if it is not finite, None if the run was not trained.
    """

    identities: list[str]
    code: int
    scores: list[float | None]


def run_sweep(
    configs: Sequence[Config],
    *,
    root: Path,
    multirun: bool,
    command: str | None = None,
    signals: Signals | None = None,
    presented: bool = True,
) -> Outcome:
    """Train the unfinished runs; write the summary, figures and report; mirror runs into MLflow.

    Args:
        configs: the validated configurations. The runtime keys of the first one are used for all.
        root: the folder that holds runs/.
        multirun: whether this is a sweep, which has a run of its own in MLflow.
        command: the command or call of the user; None for the command line.
        signals: the handling of signals; None: as for a command.
        presented: whether to print the summary, draw the figures and write the report.

    Raises:
        ConfigError: a configuration does not fit its data, or MLFLOW_TRACKING_URI is not an
            address.
        DataError: a data set cannot be read.
    """
    runtime = configs[0]
    plan = make_plan(configs, root, "" if command else _script())
    for note in dict.fromkeys(note for c in configs for note in dataset(c).notes):
        warn(note)
    identities = [member.identity for member in plan.members]
    if runtime.plan == "only":
        from bpexp.sweeping.estimate import print_plan

        print_plan(plan, runtime)
        return Outcome(identities, 0, [None] * len(configs))
    tracked = runtime.tracking.name != "off"
    uri = runtime.tracking.parameters.get("uri")
    uri = None if uri is None else str(uri)
    if tracked and uri is None:
        default_uri(root)  # refuses a wrong address in the environment before training
    folder = _begin(plan, multirun, command)
    _list_finished(plan, [member.folder.name for member in plan.members if member.finished])
    if not has_locks(folder / SWEEP):
        warn(
            "runs: this file system has no locks (flock), so a second command could train the same "
            "runs at the same time; start one command at a time"
        )
    cells = None
    if runtime.forecast != "off":
        from bpexp.sweeping import forecast_report

        cells = forecast_report.print_forecast(plan, folder)
        if runtime.forecast == "only":
            forecast_report.draw_forecast(cells, folder, runtime.figures.format)
            return Outcome(identities, 0, [None] * len(configs))
    signals = signals or Signals(ends_process=True)
    interrupt = signals.interrupt
    with signals.handled():
        mirror = MirrorProcess(folder / SWEEP, uri, root) if tracked else None
        with mirror or nullcontext():
            statuses = train_plan(
                plan, runtime, signals, mirror, import_figures if presented else lambda: None
            )
            if runtime.progress and len(plan.members) > MANY:
                warn(f"reading {len(plan.members)} runs")
            runs = [run for member in plan.members if (run := Run.at(member.folder))]
            _check_finished(plan, statuses, runs)
            if presented:
                present(runs, varied(plan), folder, runtime, figures=not interrupt.requested)
            scored = None
            if cells is not None:
                formats = runtime.figures.format
                scored = forecast_report.score_forecast(cells, runs, folder, formats)
            _end(runs, folder, "none" if interrupt.requested else runtime.log_model, scored)
            if mirror is not None:
                await_mirror(mirror, len(plan.members), runtime, signals)
    for run in runs:
        if statuses.get(run.identity) == "FAILED":
            error = run.end.get("error", "") if run.end else "no end in its journal"
            warn(f"{run.start['name']} failed: {error}; see {run.folder / TRACEBACK}")
    if interrupt.requested:
        warn("interrupted; the same command continues")
        return Outcome(identities, 128 + interrupt.signal, _scores(configs, plan, runs))
    code = int("FAILED" in statuses.values())
    return Outcome(identities, code, _scores(configs, plan, runs))


def _begin(plan: Plan, multirun: bool, command: str | None = None) -> Path:
    """Write the sweep's record, which the mirror reads, and return the sweep's folder.

    The id is the hash of the members. If the sweep was begun before, `begun` keeps that time.
    """
    identities = "".join(sorted(member.identity for member in plan.members))
    sweep_id = hashlib.sha256(identities.encode()).hexdigest()[:16]
    study = plan.members[0].folder.parent
    folder = study / SWEEPS / sweep_id
    make_folder(folder)
    now = time.time()
    flats = [member.config.flat() for member in plan.members]
    record = {
        "id": sweep_id,
        "study": study.name,
        "begun": first_begun(folder / SWEEP) or now,
        "time": now,
        "command": without_secrets(command or _command_line()),
        "multirun": multirun,
        "swept": {
            key: [*dict.fromkeys(flat[key] for flat in flats if key in flat)]
            for key in differing(flats)
        },
        "members": [
            {"identity": m.identity, "attempt": m.attempt, "name": m.name, "folder": m.folder.name}
            for m in plan.members
        ],
    }
    _write(folder, record)
    return folder


def _list_finished(plan: Plan, finished: Collection[str]) -> None:
    """Write the list of the study's finished runs, which the next plan reads.

    Args:
        plan: the plan.
        finished: the names of the folders of those of its runs that are finished.
    """
    study = plan.members[0].folder.parent
    list_finished(study, [member.folder.name for member in plan.members], finished)


def _check_finished(plan: Plan, statuses: Mapping[str, str], runs: Sequence[Run]) -> None:
    """Write the list of finished runs, and warn of listed runs that are not finished any more.

    The plan does not read the journals of listed runs, which may have been replaced or deleted.

    Args:
        plan: the plan.
        statuses: the statuses of the runs that were trained, by identity.
        runs: the runs as they are recorded now.
    """
    planned = {member.identity for member in plan.members if member.finished}
    trained = {identity for identity, status in statuses.items() if status == "FINISHED"}
    finished = {run.identity: run.folder.name for run in runs if run.finished}
    _list_finished(plan, [finished[each] for each in planned | trained if each in finished])
    if lost := len(planned - finished.keys()):
        warn(
            f"{lost} of the runs that were finished have no end in their journals any more; the "
            "same command trains them"
        )


def _command_line() -> str:
    """Return the command line, which begins with `python` and the script or `-m bpexp`."""
    program = [script] if (script := _script()) else ["-m", "bpexp"]
    return joined(["python", *program, *without_secrets(sys.argv[1:])])


def _script() -> str:
    """Return the path of the script as in the command line; empty for `python -m bpexp`."""
    script = Path(sys.argv[0])
    return sys.argv[0] if script.suffix == ".py" and script.name != "__main__.py" else ""


def _end(runs: Sequence[Run], folder: Path, log_model: str, scored: Score | None = None) -> None:
    """Add the end, the runs that become models and the forecast's score to the sweep's record."""
    record = json.loads((folder / SWEEP).read_text())
    record["ended"] = time.time()
    record["models"] = _models(runs, log_model)
    if scored is not None:
        record["forecast"] = {"accuracy": scored.accuracy, **asdict(scored)}
    _write(folder, record)


def _models(runs: Sequence[Run], which: str) -> list[str]:
    """Return the identities of the runs whose networks become models.

    Args:
        runs: all runs of the sweep.
        which: best, all or none. It is none for an interrupted sweep, whose best run is not known.
    """
    finished = [run for run in runs if run.finished]
    if which == "all":
        return [run.identity for run in finished]
    gains = {
        run.identity: find_task(run.task).gain(run.score("test"), run.guess("test"))
        for run in finished
        if math.isfinite(run.score("test"))
    }
    return [max(gains, key=gains.__getitem__)] if which == "best" and gains else []


def _scores(configs: Sequence[Config], plan: Plan, runs: Sequence[Run]) -> list[float | None]:
    """Return the final test score of each configuration, which sweepers optimise."""
    scores = {run.identity: run.score("test") for run in runs}
    by_config = {_key(member.config): scores.get(member.identity) for member in plan.members}
    return [by_config.get(_key(config)) for config in configs]


def _key(config: Config) -> str:
    return json.dumps(config.nested(), sort_keys=True)


def _write(folder: Path, record: dict[str, Any]) -> None:
    with replacing(folder / SWEEP) as file:
        file.write(json.dumps(record, indent=1).encode())
