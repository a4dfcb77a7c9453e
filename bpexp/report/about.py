"""The report's sections about the study: varied factors, versions, and how to cite."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from inspect import getdoc
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from bpexp.config.shipped import tree
from bpexp.figures import FIGURES
from bpexp.figures.parts.factors import describe, levels
from bpexp.record.run import Run
from bpexp.references import behind
from bpexp.version import VERSION

MOST_LEVELS = 12


def factors(runs: pd.DataFrame, varied: Iterable[str]) -> list[tuple[str, str]]:
    """Return each key that was varied with its values as text."""
    found = []
    for key in varied:
        values = [describe("", value).strip() for value in levels(runs, key)]
        more = f", ... ({len(values)} values)" if len(values) > MOST_LEVELS else ""
        found.append((key, ", ".join(values[:MOST_LEVELS]) + more))
    return found


def environment(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return the versions and data of the runs and of the report, as names and values."""
    made: dict[str, dict[str, None]] = {}
    for run in runs:
        start = run.start
        facts = {f"{name} of the runs": v for name, v in start.get("versions", {}).items()}
        facts["algorithm"] = start["algorithm"]
        facts["data"] = f"{start['data']['name']}, from {start['data']['source']}"
        facts["digest of the data"] = start.get("digest", "")
        for name, value in facts.items():
            made.setdefault(name, {})[str(value)] = None
    first, last = (pick(run.start["time"] for run in runs) for pick in (min, max))
    return [
        ("runs started", " to ".join(dict.fromkeys(map(_day, (first, last))))),
        *((name, ", ".join(values)) for name, values in made.items()),
        ("report written with", _here()),
    ]


@cache
def _here() -> str:
    packages = ("numpy", "pandas", "matplotlib", "hydra-core", "mlflow")
    return ", ".join(
        [
            f"bpexp {VERSION}",
            *(f"{name} {version(name)}" for name in packages),
            f"Python {platform.python_version()}",
            f"{platform.system()} {platform.machine()}",
        ]
    )


def citation() -> tuple[str, str]:
    """Return how to cite the package, as text and as BibTeX, from CITATION.cff."""
    file: dict[str, Any] = yaml.safe_load(tree("CITATION.cff").read_text())
    names = [_author(author) for author in file["authors"]]
    year = str(file["date-released"])[:4]
    text = f"{', '.join(names)} ({year}). {file['title']}. Version {file['version']}."
    fields = {
        "title": f"{{{file['title']}}}",
        "author": " and ".join(f"{{{name}}}" for name in names),
        "year": year,
        "version": file["version"],
        "license": file["license"],
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return text, "\n".join(["@software{bpexp,", *lines, "}"])


def references(runs: Sequence[Run], drawn: Sequence[Path]) -> str:
    """Return the papers behind the runs' configurations and the figures, as BibTeX.

    Args:
        runs: of the study.
        drawn: the figures' files, each named after a row of FIGURES.
    """
    figures = [getdoc(spec.draw) or "" for png in drawn if (spec := FIGURES.get(png.stem))]
    papers = behind((run.start["config"] for run in runs), figures)
    return "\n\n".join(paper.bibtex for paper in papers)


def _author(author: dict[str, str]) -> str:
    parts = [author.get("given-names", ""), author.get("family-names", "")]
    return author.get("name") or " ".join(filter(None, parts))


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
