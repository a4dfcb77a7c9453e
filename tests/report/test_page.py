"""The page: complete, self-contained, and safe against hostile names."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import pytest
import yaml
from helpers import ROOT, make_config

from bpexp.report import about
from bpexp.report.command import main
from bpexp.report.runs import varied_keys
from bpexp.sweeping.driver import run_sweep

HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }}'\""


def test_the_page_refers_to_nothing_outside(study, page):
    text, document = page(study)
    assert document.unclosed == []
    targets = document.attribute("href", "src", "xlink:href", "srcset", "action", "data")
    assert targets
    for target in targets:
        inside = target.startswith("#") or target.startswith("data:image/png;base64,")
        beside = target.startswith("figures/") and (study.sweep / target).exists()
        assert inside or beside, target
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    assert not re.search(r"\b(fetch|XMLHttpRequest|import)\b *\(", text)


def test_names_are_unique_and_every_reference_finds_its_own(study, page):
    _, document = page(study)
    names = document.attribute("id")
    assert len(names) == len(set(names))
    references = [target[1:] for target in document.attribute("href") if target[0] == "#"]
    for words in document.attribute("for", "aria-controls", "aria-labelledby", "aria-describedby"):
        references += words.split()
    assert {*references} <= {*names}
    assert len(references) > 30


def test_the_page_shows_every_section_run_and_figure(study, page):
    _, document = page(study)
    headings = document.find("h2")
    assert headings == [
        "Findings", "Verdicts", "Through training", "Figures", "Theory against measurement",
        "Paired differences", "Failed and diverged runs", "Runs", "Environment and versions",
        "How to cite",
    ]  # fmt: skip
    assert document.find("h1") == ["small"]
    captions = document.find("figcaption")
    assert len(captions) == len(study.drawn)
    assert all(label for label in document.attribute("aria-label"))
    for run in study.runs:
        assert run.start["name"] in document.find("button", **{"class": "fold"})
        assert run.end["evidence"] in document.find("p")
    (data,) = document.find("script", id="data")
    assert len(json.loads(data)["runs"]) == 12


def test_a_runs_command_names_it(study, page):
    _, document = page(study)
    commands = [shlex.split(code) for code in document.find("code") if "seed=2" in code]
    assert len(commands) == 4
    for words in commands:
        assert words[:3] == ["python", "-m", "bpexp"]
        assert {"study=small", "width=16", "epochs=2", "data.limit=96"} <= {*words}


def test_the_same_runs_give_the_same_bytes(study, page):
    assert page(study)[0] == page(study)[0]


def test_hostile_names_and_errors_are_text(study, page):
    runs = [
        dataclasses.replace(
            run,
            start={**run.start, "name": HOSTILE},
            end={"status": "FAILED", "error": HOSTILE, "epoch": 0, "final": {}, "initial": {}},
        )
        for run in study.runs[:2]
    ]
    _, document = page(study, runs, commands=[HOSTILE])
    assert document.unclosed == []
    assert document.find("img") == []
    assert not document.attribute("onerror")
    assert len(document.find("script")) == 2
    assert "49" not in document.find("button", **{"class": "fold"})
    assert document.find("button", **{"class": "fold"}) == [HOSTILE] * 2
    assert HOSTILE in document.find("code")
    (data,) = document.find("script", id="data")
    assert json.loads(data)["runs"][0]["name"] == HOSTILE
    failed = [item for item in document.find("li") if HOSTILE in item]
    assert len(failed) == 2


def test_a_page_without_figures_and_with_one_run(study, page, tmp_path):
    alone = study._replace(sweep=tmp_path, runs=study.runs[:1])
    text, document = page(alone, study.runs[:1])
    assert "No figures were drawn." in document.find("p")
    assert "Verdicts" not in document.find("h2")
    assert "No runs differ" in text


def test_a_sweep_ends_with_its_report(study, capsys):
    text = (study.sweep / "report.html").read_text()
    command = json.loads((study.sweep / "sweep.json").read_text())["command"]
    assert command.split()[0] in text
    assert text.count("<figure ") == len(study.drawn)


def test_a_report_that_cannot_be_written_is_one_warning(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("no such template")

    monkeypatch.setattr("bpexp.report.page.write_report", fail)
    assert run_sweep([make_config()], root=tmp_path, multirun=False).code == 0
    error = capsys.readouterr().err
    assert error.count("report: not written: no such template; see ") == 1
    (trace,) = tmp_path.glob("runs/*/sweeps/*/report-traceback.txt")
    assert "RuntimeError: no such template" in trace.read_text()


def test_the_command_line_writes_a_studys_report(study, capsys):
    assert main(["small", "--root", str(study.root)]) == 0
    out = capsys.readouterr().out
    file = study.root / "runs" / "small" / "report.html"
    assert out.startswith("report:")
    assert out.strip().endswith("report.html")
    assert file.read_text().count("<figure ") == len(study.drawn)
    assert main(["smal", "--root", str(study.root)]) == 2
    assert "did you mean 'small'?" in capsys.readouterr().err


def test_citation_is_that_of_the_file():
    file = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for text in about.citation():
        assert file["title"] in text
        assert file["version"] in text
        assert file["authors"][0]["name"] in text


def test_varied_keys_do_not_include_parameters_that_follow_from_a_row(study):
    assert varied_keys(study.tables.runs) == ["depth", "activation", "seed"]
    runs = study.tables.runs.assign(**{"activation.negative_slope": None})
    runs.loc[runs["activation"] == "relu", "activation.negative_slope"] = 0.1
    assert varied_keys(runs) == ["depth", "activation", "seed"]
    runs.loc[runs["seed"] == 1, "activation.negative_slope"] = 0.2
    assert "activation.negative_slope" in varied_keys(runs)


@pytest.mark.parametrize("name", ["algorithm", "bpexp of the runs", "data", "report written with"])
def test_the_environment_names_what_made_the_runs(study, name):
    assert dict(about.environment(study.runs))[name]
