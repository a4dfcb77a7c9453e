"""The bibliography: each citation of a docstring has an entry, and each entry is cited."""

from __future__ import annotations

import inspect
import re
from itertools import chain

import pytest
from helpers import ROOT, make_config

from bpexp.commands import main
from bpexp.config.keys import Group
from bpexp.config.schema import KEYS
from bpexp.figures import FIGURES
from bpexp.probes import INSTRUMENTS
from bpexp.references import REFERENCES, behind, find_cited

CITATION = re.compile(r"[A-Z][\w'-]+(?: et al\.| & [A-Z][\w'-]+)?,? \(?(?:19|20)\d\d(?!\d)")
GROUPS = [key.table.values() for key in KEYS.values() if isinstance(key, Group)]
DOCUMENTED = {
    **{row.__name__: inspect.getdoc(row) for row in chain(*GROUPS) if hasattr(row, "__name__")},
    **{name: inspect.getdoc(row.measure) for name, row in INSTRUMENTS.items()},
    **{name: inspect.getdoc(spec.draw) for name, spec in FIGURES.items()},
    **{path.name: path.read_text() for path in (ROOT / "bpexp" / "theory").glob("*.py")},
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_citation_has_an_entry(name):
    """The text is what remains when all known citations are taken away."""
    text = re.sub(r"[(),#\s]+|arXiv \d+", " ", DOCUMENTED[name] or "")
    for paper in REFERENCES:
        text = text.replace(paper.cited, "")
    assert CITATION.findall(text) == []


def test_every_entry_is_cited_and_is_one_paper():
    assert find_cited(text or "" for text in DOCUMENTED.values()) == [*REFERENCES]
    for values in ([p.key for p in REFERENCES], [p.cited for p in REFERENCES]):
        assert len({*values}) == len(values)
    assert [p.year for p in REFERENCES] == sorted(p.year for p in REFERENCES)


@pytest.mark.parametrize("paper", REFERENCES, ids=lambda paper: paper.key)
def test_an_entry_agrees_with_its_citation(paper):
    """Its year, its first author, and how many authors there are."""
    assert paper.cited.endswith(str(paper.year))
    family = paper.authors[0].split()[-1]
    assert paper.cited.startswith(re.sub(r"\{\\.(\w)\}", r"\1", family))
    if "et al." in paper.cited:
        assert len(paper.authors) > 2
    else:
        assert paper.cited.count("&") == (len(paper.authors) > 1)
    assert paper.venue or paper.arxiv
    if paper.arxiv:  # a preprint is not younger than its paper, and at most three years older
        number = re.fullmatch(r"(\d\d)(\d\d)\.\d{4,5}", paper.arxiv)
        assert 0 <= paper.year - (2000 + int(number[1])) <= 3
        assert 1 <= int(number[2]) <= 12
    entry = paper.bibtex
    assert re.match(rf"@(article|inproceedings|misc)\{{{paper.key},\n", entry)
    assert entry.count("{") == entry.count("}")


def keys(**changes):
    return {paper.key for paper in behind([make_config(**changes).nested()])}


def test_the_papers_are_those_of_the_configuration():
    plain = keys(activation="tanh", init="normal")
    assert {"poole2016", "schoenholz2017"} <= plain  # mean field is drawn over every measurement
    assert not plain & {"he2015", "kingma2015", "pennington2017", "nair2010", "loshchilov2017"}
    chosen = keys(
        activation="leaky", init="he_normal", optimizer="adam", schedule="cosine",
        probe={"every": None, "examples": 512, "jacobian": 4}, forecast="on",
    )  # fmt: skip
    added = {"maas2013", "he2015", "kingma2015", "loshchilov2017", "pennington2017"}
    assert chosen - plain == added | {"jacot2018", "lee2019", "hanin2020"}


def test_the_command_prints_them_for_a_sweep(capsys):
    assert main(["cite", "activation=elu,selu", "norm=batch", "data.limit=10"]) == 0
    printed = capsys.readouterr().out
    found = {*re.findall(r"@\w+\{(\w+),", printed)}
    assert {"clevert2016", "klambauer2017", "ioffe2015", "alpaydin1998"} <= found
    assert "nair2010" not in found
    assert "author = {Sergey Ioffe and Christian Szegedy}," in printed
    assert main(["cite", "experiment=isometry"]) == 0
    assert "saxe2014" in capsys.readouterr().out
