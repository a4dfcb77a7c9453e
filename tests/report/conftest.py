"""A small sweep that was trained, and pages as parsed documents."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from helpers import make_config

from bpexp.record import studies
from bpexp.report.page import write_report
from bpexp.results import Tables
from bpexp.results.sample import sampled
from bpexp.sweeping.driver import run_sweep

FORMATS = {"format": ["png", "svg"]}
VOID = {"meta", "input", "br", "img", "link", "hr"}


class Study(NamedTuple):
    """A study below a folder: its runs, frames, and the folder of its one sweep."""

    root: object
    runs: list
    tables: Tables
    sweep: object

    @property
    def drawn(self):
        return sorted((self.sweep / "figures").glob("*.csv"))


@pytest.fixture(scope="package")
def study(tmp_path_factory):
    """Twelve runs: sigmoid and ReLU, two depths, three seeds."""
    root = tmp_path_factory.mktemp("study")
    configs = [
        make_config(
            activation=name, depth=depth, seed=seed, study="small", width=16, figures=FORMATS
        )
        for name in ("sigmoid", "relu")
        for depth in (2, 3)
        for seed in range(3)
    ]
    assert run_sweep(configs, root=root, multirun=True).code == 0
    (sweep,) = (root / "runs" / "small" / "sweeps").iterdir()
    runs = [*studies.Study.named("small", root).loaded()]
    return Study(root, runs, Tables.of(runs), sweep)


class Document(HTMLParser):
    """Elements of a page: (name, attributes, text inside), and what was not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        self.unclosed = [self.elements[i][0] for i in self._open]

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.elements[self._open[-1]][0] == tag, (tag, self.getpos())
        self._open.pop()

    def handle_data(self, data):
        for i in self._open:
            self.elements[i][2] += data

    def find(self, tag, **attributes):
        return [
            text
            for name, own, text in self.elements
            if name == tag and all(own.get(key) == value for key, value in attributes.items())
        ]

    def attribute(self, *names):
        return [own[name] for _, own, _ in self.elements for name in names if own.get(name)]


@pytest.fixture
def page(tmp_path):
    """A function that writes a report and returns its text and the parsed document."""

    def written(study, runs=None, commands=("python -m bpexp -m depth=2,3",)):
        runs = study.runs if runs is None else runs
        tables = study.tables if runs is study.runs else Tables.of(runs)
        vectors = study.sweep / "figures"
        file = write_report(sampled(runs), tables, tmp_path, study.drawn, vectors, commands)
        text = file.read_text()
        return text, Document(text)

    return written
