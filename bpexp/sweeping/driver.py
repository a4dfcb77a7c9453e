"""Run a sweep: plan, train, summarise, draw, mirror."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bpexp.config import Config
from bpexp.config.identity import differing
from bpexp.console import say, warn
from bpexp.executors import EXECUTORS, Session
from bpexp.nn.tasks import find_task
from bpexp.progress import begin
from bpexp.record.files import make_folder, replacing
from bpexp.record.layout import SWEEP, SWEEPS, TRACEBACK
from bpexp.record.places import begun
from bpexp.record.run import Run
from bpexp.secrets import has_secret, without_secrets
from bpexp.sweeping.draws import assign_draws, train_and_draw
from bpexp.sweeping.ended import EndedRuns
from bpexp.sweeping.plan import Plan, cores, dataset, make_plan, varied
from bpexp.sweeping.presentation import import_figures, present
from bpexp.sweeping.signals import Signals
from bpexp.sweeping.stacks import fail
from bpexp.sweeping.terminal import result
from bpexp.theory import Score
from bpexp.tracking.client import TRACKING_URI
from bpexp.tracking.command import left_deleted
from bpexp.tracking.process import MirrorProcess


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        identities: of the runs that were asked for, each once.
        code: the exit code: 0, 1 where a run failed, 128 + the number of the signal that ended it.
        scores: the task's primary metric on the test split at the end of each run asked for, in
            order; NaN where it is not finite, None where there is no run.
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
    """Train what is not finished and leave summary, figures and the mirror up to date.

    Args:
        configs: the runs, all validated. The runtime keys of the first one are used for all.
        root: the folder that holds runs/.
        multirun: whether this is a sweep, which has a run of its own in MLflow.
        command: what the user called; None: the command line.
        signals: what signals do; None: as they do to a command.
        presented: whether to print the summary, draw the figures and write the report.

    Raises:
        ConfigError: a configuration does not fit its data.
        DataError: a data set cannot be read.
    """
    harness = configs[0]
    plan = make_plan(configs, root)
    for note in dict.fromkeys(note for c in configs for note in dataset(c).notes):
        warn(note)
    identities = [member.identity for member in plan.members]
    folder = _begin(plan, multirun, command or "python -m bpexp " + shlex.join(sys.argv[1:]))
    cells = None
    if harness.forecast != "off":
        from bpexp.sweeping import forecast_report

        cells = forecast_report.print_forecast(plan, folder)
        if harness.forecast == "only":
            forecast_report.draw(cells, folder)
            return Outcome(identities, 0, [None] * len(configs))
    tracked = harness.tracking.name != "off"
    signals = signals or Signals(ends_process=True)
    interrupt = signals.interrupt
    with signals.handled():
        uri = harness.tracking.parameters.get("uri")
        uri = None if uri is None else str(uri)
        mirror = MirrorProcess(folder / SWEEP, uri, root) if tracked else None
        with mirror or nullcontext():
            statuses = _train(plan, harness, signals, mirror)
            runs = [run for member in plan.members if (run := Run.at(member.folder))]
            if presented:
                present(runs, varied(plan), folder, harness, figures=not interrupt.requested)
            scored = None
            if cells is not None:
                scored = forecast_report.score_forecast(cells, runs, folder)
            _end(runs, folder, "none" if interrupt.requested else harness.log_model, scored)
            if mirror is not None:
                _await(mirror, len(plan.members), harness, signals)
    for run in runs:
        if statuses.get(run.identity) == "FAILED":
            error = run.end.get("error", "") if run.end else "no end in its journal"
            warn(f"{run.start['name']} failed: {error}; see {run.folder / TRACEBACK}")
    if interrupt.requested:
        warn("interrupted; the same command goes on from here")
        return Outcome(identities, 128 + interrupt.signal, _scores(configs, plan, runs))
    code = int("FAILED" in statuses.values())
    return Outcome(identities, code, _scores(configs, plan, runs))


def _begin(plan: Plan, multirun: bool, command: str) -> Path:
    """Write the sweep's record, which the mirror reads; its id is the hash of its members.

    A sweep that was begun before keeps the time of that.
    """
    identities = "".join(sorted(member.identity for member in plan.members))
    sweep_id = hashlib.sha256(identities.encode()).hexdigest()[:16]
    study = plan.members[0].folder.parent
    folder = study / SWEEPS / sweep_id
    make_folder(folder)
    before = json.loads((folder / SWEEP).read_text()) if (folder / SWEEP).exists() else None
    now = time.time()
    flats = [member.config.flat() for member in plan.members]
    record = {
        "id": sweep_id,
        "study": study.name,
        "begun": begun(before) if before else now,
        "time": now,
        "command": without_secrets(command).strip(),
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


def _train(
    plan: Plan, harness: Config, signals: Signals, mirror: MirrorProcess | None
) -> dict[str, str]:
    """Train what is not finished and return the statuses by identity."""
    waiting = [member for stack in plan.stacks for member in stack]
    finished = len(plan.members) - len(waiting)
    if finished:
        say(f"{finished} of {len(plan.members)} runs are finished already; force=true trains anew")
    if not waiting:
        return {}
    epochs = sum(member.config.epochs - member.epoch for member in waiting)
    label, ended = f"training {len(waiting)} runs", EndedRuns(waiting)
    troubled = False

    def report(done: int) -> None:
        nonlocal troubled
        for run in ended.poll():
            name, score, verdict = result(run)
            progress.result(name, score, verdict, good=verdict == "healthy")
        progress.advance(done)
        for message in mirror.poll() if mirror else []:
            if message.get("error") and not troubled:
                troubled = True
                line = f"tracking: {message['error']}; training goes on, journals are complete"
                progress.note(line)

    with (
        begin(label, epochs, "epoch", shown=harness.progress) as progress,
        signals.telling(progress.note),
    ):
        session = Session(
            train=partial(train_and_draw, assign_draws(plan)),
            fail=fail,
            report=report,
            interrupt=signals.interrupt,
            warn=progress.note,
            jobs=harness.jobs or cores(),
            fail_fast=harness.fail_fast,
            meanwhile=import_figures,
        )
        return harness.executor.build(EXECUTORS).run(plan.stacks, session)


def _end(runs: Sequence[Run], folder: Path, log_model: str, scored: Score | None = None) -> None:
    """Add to the sweep's record: its end, the runs that become models, the forecast's score."""
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
        which: best, all or none. Of an interrupted sweep none: the best of all is not known yet.
    """
    finished = [run for run in runs if run.finished]
    if which == "all":
        return [run.identity for run in finished]
    gains = {
        run.identity: find_task(run.task).gain(run.score("test"), run.chance)
        for run in finished
        if math.isfinite(run.score("test"))
    }
    return [max(gains, key=gains.__getitem__)] if which == "best" and gains else []


def _await(mirror: MirrorProcess, runs: int, harness: Config, signals: Signals) -> None:
    """Wait for the mirror, showing its progress, and print where the runs are."""
    label = f"writing {runs} runs to MLflow"
    last: dict[str, Any] = {}
    interrupt, done = signals.interrupt, 0
    before = interrupt.signal  # of an interrupted training, whose end is still to be mirrored
    with begin(label, runs, "run", shown=harness.progress) as progress:
        for message in mirror.finish(stopped=lambda: interrupt.signal != before):
            last = message
            if "mirrored" in message and "error" not in message:
                progress.advance(message["mirrored"] - done)
                done = message["mirrored"]
    if "charts" in last:
        ui = [f"tracking: {last['ui']}"] if last["ui"] else []
        say(*ui, f"table:    {last['table']}", f"charts:   {last['charts']}")
        if last["deleted"]:
            say(left_deleted(last["deleted"], harness.study))
    if "charts" not in last or last["error"]:
        left = last.get("left", last.get("total", 0) - last.get("mirrored", 0))
        reason = "stopped" if interrupt.signal != before else "the mirror process died"
        line = f"tracking: {last.get('error', reason)}; {left or 'all'} runs are not mirrored"
        warn(line if last.get("final") else f"{line}; later: {_sync_command(harness)}")


def _sync_command(harness: Config) -> str:
    """Return the command that mirrors the study later."""
    command = ["python", "-m", "bpexp.sync", harness.study]
    uri = harness.tracking.parameters.get("uri")
    if uri and has_secret(str(uri)):
        return f"{TRACKING_URI}=ADDRESS {shlex.join(command)}"
    return shlex.join([*command, *(["--tracking-uri", str(uri)] if uri else [])])


def _scores(configs: Sequence[Config], plan: Plan, runs: Sequence[Run]) -> list[float | None]:
    """Return the final test score of each configuration asked for, as sweepers optimise it."""
    scores = {run.identity: run.score("test") for run in runs}
    by_config = {_key(member.config): scores.get(member.identity) for member in plan.members}
    return [by_config.get(_key(config)) for config in configs]


def _key(config: Config) -> str:
    return json.dumps(config.nested(), sort_keys=True)


def _write(folder: Path, record: dict[str, Any]) -> None:
    with replacing(folder / SWEEP) as file:
        file.write(json.dumps(record, indent=1).encode())
