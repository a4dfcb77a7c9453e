"""Draw the figures of all runs of a study and write its report."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from bpexp.console import warn
from bpexp.errors import BpexpError
from bpexp.figures import draw_all
from bpexp.record.studies import Study
from bpexp.report.page import write_report
from bpexp.results import Tables
from bpexp.results.sample import sampled


def report_study(study: str | Study, *, root: str | Path = ".") -> Path:
    """Draw the figures of a study, write its report, and return the report's file.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.

    Raises:
        BpexpError: there is no such study, or none of its runs has started.
        StorageError: the disk is full or not writable.
    """
    place = study if isinstance(study, Study) else Study.named(study, Path(root))
    sample = sampled([*place.loaded()])
    if not sample.runs:
        raise BpexpError(f"study: {place.name} has no run that has started")
    if sample.note:
        warn(f"figures and report: {sample.note}")
    tables = Tables.of(sample.runs)
    commands = [*dict.fromkeys(sweep["command"] for sweep in place.sweeps)]
    with TemporaryDirectory() as folder:
        vectors = Path(folder)
        drawn = draw_all(
            tables,
            place.folder / "figures",
            metadata={"Title": place.name, "Keywords": " ".join(tables.runs["run"])},
            vectors=vectors,
            jobs=os.cpu_count() or 1,
            failed=lambda figure, error: warn(f"figure {figure}: not drawn: {error}"),
        )
        return write_report(sample, tables, place.folder, drawn, vectors, commands)
