"""What a sweep prints: progress while it runs, a table when it ends."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from bpexp.analysis.verdict import AXES
from bpexp.console import SafeStream, aligned, warn
from bpexp.nn.tasks import TASKS

LOG_SECONDS = 30.0
WIDEST = 10_000  # characters of a line in a log
ROWS = 50  # further rows are in summary.csv
WORDS = ("verdict", "gradient", "training")
SPARE = ("training", "gradient", "ratio")  # columns that a narrow terminal does not show


class Bar(Protocol):
    """A progress display."""

    def update(self, n: float = 1) -> object:
        """Count n more units."""

    def close(self) -> None:
        """End the display."""


class LogLines:
    """Progress where there is no terminal: a line at the start and every 30 seconds."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        """Print the first line."""
        self._total, self._label, self._unit = total, label, unit
        self._done = 0.0
        self._printed = time.monotonic()
        warn(label)

    def update(self, n: float = 1) -> None:
        """Count n more, and print how far it is if 30 seconds have passed."""
        self._done += n
        if time.monotonic() - self._printed >= LOG_SECONDS:
            self._printed = time.monotonic()
            warn(f"{self._label}: {self._done:g} of {self._total} {self._unit}s")

    def close(self) -> None:
        """Do nothing: what follows is printed by others."""


def bar(total: int, label: str, unit: str, shown: bool) -> Bar:
    """Return a progress bar with ETA on standard error, or lines of a log if it is no terminal.

    Args:
        total: how many units there are.
        label: what is done, e.g. "training 9 runs".
        unit: the name of one.
        shown: whether anything is printed.
    """
    stream = SafeStream(sys.stderr)
    if shown and not stream.isatty():
        return LogLines(total, label, unit)
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # the monitor would be a thread; workers are forked without any
    made: Bar = tqdm(
        file=stream, total=total, desc=label, unit=unit, disable=not shown, dynamic_ncols=True
    )
    return made


def summary(rows: Sequence[dict[str, Any]], swept: Sequence[str]) -> str:
    """Return the table of a sweep, a row a run, as text.

    Args:
        rows: rows of `bpexp.results.load_runs`.
        swept: the configuration's keys that differ, shown first.

    Returns:
        A line a run, with a column for the primary metric of each task that occurs. A terminal that
        is too narrow shows less of it.
    """
    tasks = {row["task"] for row in rows}
    metrics = [task.metric for name, task in TASKS.items() if name in tasks]
    keys = ["activation", "depth", *[key for key in swept if key not in ("activation", "depth")]]
    head = [
        *keys,
        *metrics,
        "loss",
        "|dC/dW1|",
        "|dC/dWL|",
        "ratio",
        *WORDS,
        "seconds",
    ]
    body = [
        [*(_text(row.get(key)) for key in keys), *_numbers(row, metrics)] for row in rows[:ROWS]
    ]
    width = shutil.get_terminal_size((WIDEST, 0)).columns  # WIDEST where there is no terminal
    lines = aligned(head, body, {*keys, *WORDS})
    for name in SPARE:
        if len(max(lines, key=len)) > width:
            place = head.index(name)
            for cells in (head, *body):
                del cells[place]
            lines = aligned(head, body, {*keys, *WORDS})
    return "\n".join([*lines, *_rest(rows, "summary.csv")])


def _rest(rows: Sequence[object], file: str) -> list[str]:
    return [f"... and {len(rows) - ROWS} more: see {file}"] if len(rows) > ROWS else []


def forecasts(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of a forecast, a row a run, as text."""
    head = ["run", "expected", "chi_1", "6 xi_c", "first/last", "because"]
    body = [
        [
            row["name"],
            {None: "not known", True: "trains", False: "fails"}[row["trains"]],
            _number(row.get("chi_1"), "{:.3g}"),
            _number(row.get("deepest"), "{:.3g}"),
            _number(row.get("first_to_last"), "{:.1e}"),
            row["reason"],
        ]
        for row in rows[:ROWS]
    ]
    lines = aligned(head, body, left={"run", "expected", "because"})
    return "\n".join([*lines, *_rest(rows, "forecast.csv")])


def _numbers(row: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    first, last = row.get("start/grad_norm_first"), row.get("start/grad_norm_last")
    ratio = first / last if first and last else None
    return [
        *(_score(row.get(f"{metric}/test")) for metric in metrics),
        _number(row.get("loss/test"), "{:.3g}"),
        _number(first, "{:.1e}"),
        _number(last, "{:.1e}"),
        _number(ratio, "{:.1e}"),
        *_words(row),
        _number(row.get("seconds"), "{:.2f}"),
    ]


def _words(row: dict[str, Any]) -> list[str]:
    """Return the verdict, or how the run ended without one, and its axes as far as there are any.

    The gradient is that of step 0 and that of the end, as one word if these are the same.
    """
    names = ("verdict", *AXES)
    verdict, start, end, training = (
        row[name] if isinstance(row.get(name), str) else "" for name in names
    )
    gradient = "->".join(word for word in dict.fromkeys((start, end)) if word)
    return [verdict or str(row.get("status", "")).lower(), gradient or "-", training or "-"]


def _score(value: Any) -> str:
    return _number(value, "{:.3f}" if value is not None and abs(value) < 1000 else "{:.3g}")


def _number(value: Any, form: str) -> str:
    return "-" if value is None or value != value else form.format(value)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
