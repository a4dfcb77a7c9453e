"""`bpexp show`: one study or one run as text."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from bpexp.commands.text import bytes_text, counted, moment
from bpexp.config import flatten
from bpexp.console import count_of, say, warn
from bpexp.nn.tasks import TASKS
from bpexp.record.layout import SWEEPS
from bpexp.record.run import Run
from bpexp.record.studies import Study, size, state


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp show`."""
    parser.add_argument("study", help="the study's name")
    parser.add_argument("run", nargs="?", help="a run's identity, its first characters, or a name")


def show(options: argparse.Namespace) -> int:
    """Print the contents of a study, or the configuration and results of one run."""
    study = Study.named(options.study, options.root)
    named = options.run is not None
    say(*(_run_text(study.find(options.run)) if named else _study_text(study)))
    warn(*study.damaged)
    return 1 if study.damaged else 0


def _study_text(study: Study) -> list[str]:
    """Return the lines of `bpexp show STUDY`."""
    states = counted(state(run) for run in study.runs)
    lines = [
        f"study:    {study.name}, {count_of(len(study.runs), 'run')} ({states}), "
        f"{bytes_text(size([study.folder]))}",
        f"folder:   {study.folder}",
    ]
    for sweep in study.sweeps:
        ended = sweep.get("ended")
        lines += [
            "",
            f"sweep:    {sweep['id']}, {count_of(len(sweep['members']), 'run')}, "
            f"started {moment(sweep['time'])}, "
            + (f"ended {moment(ended)}" if ended else "not ended"),
            f"command:  {sweep['command']}",
        ]
        figures = study.folder / SWEEPS / sweep["id"] / "figures"
        if figures.is_dir():
            lines.append(f"figures:  {figures}")
    for metric, runs in _by_metric(study.runs).items():
        best = max(runs, key=lambda run: run.score("test"))
        lines += ["", f"best:     {best.start['name']}, {metric} {best.score('test'):.3f} (test)"]
        lines.append(f"          {best.folder}")
    return lines


def _run_text(run: Run) -> list[str]:
    """Return the lines of `bpexp show STUDY RUN`."""
    end = run.end or {}
    lines = [
        f"run:      {run.folder.name}, {run.start['name']}",
        f"state:    {state(run)}, {run.metrics.epoch:g} of {run.start['config']['epochs']} epochs",
        f"started:  {moment(run.start['time'])}",
    ]
    if "verdict" in end:
        lines.append(f"verdict:  {end['verdict']} ({end['evidence']})")
    if "error" in end:
        lines.append(f"error:    {end['error']}")
    files = sorted(path.name for path in run.folder.iterdir() if path.is_file())
    lines += [f"files:    {', '.join(files)}", f"          in {run.folder}", "", "metrics"]
    lines += _pairs((name, f"{value:.6g}") for name, value in run.metrics.final.items())
    lines += ["", "configuration"]
    lines += _pairs((key, str(value)) for key, value in flatten(run.start["config"]).items())
    return lines


def _pairs(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and values as two columns."""
    found = list(entries)
    width = max((len(name) for name, _ in found), default=0)
    return [f"  {name:{width}}  {value}" for name, value in found]


def _by_metric(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs that have a score, by the metric that scores them."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.score("test") == run.score("test"):
            found.setdefault(TASKS[run.task].metric, []).append(run)
    return found
