"""The page: write the whole report as one HTML file that needs no other file.

The figures are inline SVG. The page's own script draws the chart through training: chart libraries
take 0.8 MB and more, have no text alternatives, and would look different from the other figures.
"""

from __future__ import annotations

import csv
import inspect
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bpexp.config.questions import question
from bpexp.figures.catalogue import FIGURES
from bpexp.figures.instruments import of_instrument
from bpexp.figures.parts.scores import score_name
from bpexp.figures.verdicts import COLOURS
from bpexp.nn.tasks import TASKS
from bpexp.probes import INSTRUMENTS
from bpexp.record.files import replacing
from bpexp.report import about
from bpexp.report.findings import findings, verdicts
from bpexp.report.paired import differences
from bpexp.report.runs import columns, rows, varied_keys
from bpexp.report.settings import settings
from bpexp.report.training import norms_through_training
from bpexp.report.vector import Drawings
from bpexp.results import Tables
from bpexp.results.forecasts import outcomes
from bpexp.results.sample import Sample

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
MAP = "verdicts"  # the figure with a section of its own
MOST_ROWS = 120  # rows of a figure's data that the page shows


@dataclass(frozen=True)
class Drawn:
    """A figure on the page.

    Attributes:
        name: the name of its files.
        caption: one sentence about its contents.
        reading: the explanation of axes, lines and bands.
        svg: the figure.
        head, body: the column names and rows of its data; `body` is empty above MOST_ROWS rows.
        n_rows: the number of rows of its data.
    """

    name: str
    caption: str
    reading: str
    svg: Markup
    head: list[str]
    body: list[list[str]]
    n_rows: int


def write_report(
    sample: Sample,
    tables: Tables,
    folder: Path,
    drawn: Sequence[Path],
    vectors: Path,
    commands: Sequence[str],
) -> Path:
    """Write the report of runs of a study and return the path of its file.

    Args:
        sample: the runs, at least one.
        tables: their frames.
        folder: where to write, beside the folder of the figures.
        drawn: the CSV files that the figures were drawn from.
        vectors: the folder of the figures as SVG.
        commands: the commands that made the runs.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    file = folder / REPORT
    page = environment.get_template("report.html").render(
        _content(sample, tables, drawn, vectors, commands)
    )
    with replacing(file, durable=False) as stream:
        stream.write(page.encode())
    return file


def _content(
    sample: Sample,
    tables: Tables,
    drawn: Sequence[Path],
    vectors: Path,
    commands: Sequence[str],
) -> dict[str, Any]:
    """Return the variables of the template."""
    runs = sample.runs
    study = str(runs[0].start["config"]["study"])
    varied = varied_keys(tables.runs)
    found = settings(tables, outcomes(runs))
    paired = differences(tables.runs)
    metric = score_name(tables.runs, "test")
    table = rows(runs, tables, varied)
    drawings = Drawings()
    descriptions = {MAP: verdicts(found)}
    figures = [_drawn(file, vectors, drawings, descriptions) for file in drawn]
    text, bibtex = about.citation()
    return {
        "study": study,
        "question": question(study, varied),
        "factors": about.factors(tables.runs, varied),
        "commands": commands,
        "sample": sample.note,
        "verdicts": Counter(row.verdict for row in table),
        "colours": COLOURS,
        "findings": findings(found, paired, metric),
        "map": next((figure for figure in figures if figure.name == MAP), None),
        "figures": [figure for figure in figures if figure.name != MAP],
        "figure_styles": Markup(drawings.stylesheet),
        "settings": found,
        "paired": paired,
        "metric": metric,
        "columns": columns(tables, varied),
        "rows": table,
        "failed": [row for row in table if row.failed],
        "environment": about.environment(runs),
        "citation": text,
        "bibtex": bibtex,
        "references": about.references(runs, drawn),
        "training": _json(norms_through_training(tables.runs, tables.layers)),
        "style": Markup((TEMPLATES / "report.css").read_text()),
        "script": Markup((TEMPLATES / "report.js").read_text()),
    }


def _drawn(data: Path, vectors: Path, drawings: Drawings, descriptions: Mapping[str, str]) -> Drawn:
    """Return a figure from its files.

    Args:
        data: the CSV file that it was drawn from.
        vectors: the folder of its SVG.
        drawings: the figures of the page.
        descriptions: texts that are added to the captions in text alternatives, by figure.
    """
    caption, reading = _explained(data.stem)
    with data.open(newline="") as file:
        head, *body = csv.reader(file)
    kept = [i for i, name in enumerate(head) if name != "run"]
    n = len(body)
    description = " ".join(filter(None, [caption, descriptions.get(data.stem)]))
    return Drawn(
        name=data.stem,
        caption=caption,
        reading=reading,
        svg=Markup(drawings.add(vectors / f"{data.stem}.svg", description)),
        head=[head[i] for i in kept],
        body=[[_short(line[i]) for i in kept] for line in body] if n <= MOST_ROWS else [],
        n_rows=n,
    )


def _explained(stem: str) -> tuple[str, str]:
    """Return a figure's caption and explanation, from the docstring of its function."""
    draws = {stem: spec.draw for stem, spec in _specs()}
    draw = draws.get(stem)
    if draw is None:
        return f"{stem.replace('_', ' ').capitalize()}.", ""
    doc = inspect.getdoc(draw.func if isinstance(draw, partial) else draw) or ""
    first, _, rest = doc.partition("\n\n")
    reading = rest.partition("Args:")[0].replace("`", "")
    caption = first.removeprefix("Draw ")
    return caption[:1].upper() + caption[1:], " ".join(reading.split())


def _specs() -> Iterator[tuple[str, Any]]:
    """Yield every figure with the stem of its files, in which "score" is the metric's name."""
    for name, spec in FIGURES.items():
        for metric in ("score", *(task.metric for task in TASKS.values())):
            yield name.replace("score", metric), spec
    yield from map(of_instrument, INSTRUMENTS)


def _number(value: float, form: str) -> str:
    """Return a number as text; empty if it is not finite."""
    return form.format(value) if math.isfinite(value) else ""


def _short(cell: str) -> str:
    """Return a number of a CSV file with four digits, other text unchanged."""
    try:
        return f"{float(cell):.4g}"
    except ValueError:
        return cell


def _json(value: Mapping[str, Any]) -> Markup:
    """Return JSON in which <, > and & are escaped, so that it can stand in a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
