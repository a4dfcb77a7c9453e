"""`bpexp export`: a study as one zip file."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bpexp.commands.text import bytes_text
from bpexp.console import count_of, say
from bpexp.errors import BpexpError
from bpexp.record.files import replacing
from bpexp.record.layout import RUNS
from bpexp.record.studies import Study

COMPRESSED = {".parquet", ".npz", ".png", ".pdf"}  # stored without further compression


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp export`."""
    parser.add_argument("study", help="the study's name")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="the file to write; STUDY.zip by default"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def export(options: argparse.Namespace) -> int:
    """Write journals, tables, weights, figures, report and configurations of a study as a zip file.

    The file holds runs/STUDY/... After unpacking it in any folder, the study can be loaded there,
    and the same command continues its unfinished runs.

    Raises:
        BpexpError: there is no such study, or the file exists.
    """
    study = Study.named(options.study, options.root)
    target = options.to or Path(f"{study.name}.zip")
    if target.exists() and not options.force:
        raise BpexpError(f"{target}: exists; --force replaces it")
    count = 0
    with replacing(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in exported(study.folder):
            stored = zipfile.ZIP_STORED if path.suffix in COMPRESSED else zipfile.ZIP_DEFLATED
            name = Path(RUNS) / study.name / path.relative_to(study.folder)
            archive.write(path, name, stored)
            count += 1
    say(
        f"{target}: {count_of(count, 'file')} of {count_of(len(study.runs), 'run')}, "
        f"{bytes_text(target.stat().st_size)}",
        f'to load it: unzip {target.name}, then bpexp.load_runs("{study.name}") in that folder',
    )
    return 0


def exported(folder: Path) -> Iterator[Path]:
    """Yield a study's files, except locks, logs and temporary files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".lock", ".log", ".tmp"):
            yield path
