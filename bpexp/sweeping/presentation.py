"""Present a sweep's results: summary, summary.csv, figures and report."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bpexp.config import Config
from bpexp.console import say, warn
from bpexp.errors import StorageError, reason
from bpexp.executors import cores
from bpexp.record.files import replacing
from bpexp.record.layout import SWEEP, TRACEBACK
from bpexp.record.run import Run
from bpexp.secrets import without_secrets
from bpexp.sweeping.terminal import summary

if TYPE_CHECKING:
    from bpexp.results import Tables
    from bpexp.results.sample import Sample


def import_figures() -> None:
    """Import the plotting libraries. Called while workers train, because it takes seconds.

    An exception is ignored, because the same import raises it again when figures are drawn.
    """
    with suppress(Exception):
        import bpexp.report.page  # noqa: F401, which imports figures and results


def warn_not_drawn(what: str, error: Exception, folder: Path, *, done: str = "drawn") -> None:
    """Warn that something could not be drawn, and write the traceback into the sweep's folder.

    Args:
        what: "figures", "report", or "figure" and its name; the last word begins the file's name.
        error: the exception.
        folder: the sweep's folder.
        done: the participle in "not drawn", "not written".
    """
    file = folder / f"{what.split()[-1]}-{TRACEBACK}"
    with suppress(StorageError), replacing(file) as stream:
        text = "".join(traceback.format_exception(error))
        stream.write(without_secrets(text).encode())
    warn(f"{what}: not {done}: {reason(error)}; see {os.path.relpath(file)}")


def present(
    runs: Sequence[Run], swept: Sequence[str], folder: Path, config: Config, *, figures: bool
) -> None:
    """Print the summary, write it as summary.csv, draw the figures and write the report.

    Args:
        runs: the sweep's runs.
        swept: the keys that differ between them.
        folder: the sweep's folder.
        config: a configuration of the sweep, for its runtime keys.
        figures: whether to draw the figures and write the report.
    """
    from bpexp.results import Tables
    from bpexp.results.sample import sampled

    sample = sampled(runs)
    tables = Tables.of(sample.runs)
    if tables.runs.empty:
        return
    rows = Tables.of_runs(runs) if sample.how else tables.runs
    say("", summary(rows, swept), "")
    with replacing(folder / "summary.csv") as file:
        file.write(rows.to_csv(index=False).encode())
    if figures:
        if sample.note:
            warn(f"figures and report: {sample.note}")
        # The report contains the figures as SVG, independently of the formats of their files.
        with TemporaryDirectory(dir=folder, prefix="vectors-") as vectors:
            drawn = _draw(tables, folder, Path(vectors), config)
            _report(sample, tables, folder, drawn, Path(vectors))


def _draw(tables: Tables, folder: Path, vectors: Path, config: Config) -> list[Path]:
    """Draw the figures and return their CSV files.

    A figure that cannot be drawn is skipped with a warning.
    """
    if config.progress:
        warn("drawing figures")
    formats = config.figures.format
    try:
        from bpexp.figures import draw_all

        drawn = draw_all(
            tables,
            folder / "figures",
            metadata={
                "Title": folder.parent.parent.name,
                "Keywords": " ".join(tables.runs["run"]),
                "Source": f"sweep {folder.name}",
            },
            formats=formats,
            vectors=vectors,
            instruments=config.draw,
            jobs=min(config.jobs or cores(), cores()),
            failed=lambda name, error: warn_not_drawn(f"figure {name}", error, folder),
        )
    except Exception as error:
        warn_not_drawn("figures", error, folder)
        return []
    written = ", ".join(form.upper() for form in formats)
    say(f"figures:  {os.path.relpath(folder)}/figures/ ({len(drawn)} as {written} and CSV)")
    return drawn


def _report(
    sample: Sample, tables: Tables, folder: Path, drawn: Sequence[Path], vectors: Path
) -> None:
    """Write the report; print a warning if that fails."""
    try:
        from bpexp.report.page import write_report

        command = json.loads((folder / SWEEP).read_text())["command"]
        file = write_report(sample, tables, folder, drawn, vectors, commands=[command])
    except Exception as error:
        warn_not_drawn("report", error, folder, done="written")
        return
    say(f"report:   {os.path.relpath(file)}")
