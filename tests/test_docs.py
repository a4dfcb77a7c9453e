"""The site: every row of every table is in the reference, and every snippet of a page runs.

Blocks of a page run in order in one empty folder. `python` blocks share their names; `bash` blocks
are commands that succeed; `console` blocks are commands after `$ ` with what they print, where
`...` stands for any text. Blocks in other languages, such as `text`, are not run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from helpers import ROOT

import bpexp
from bpexp.config.keys import Group
from bpexp.config.schema import KEYS

DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
RUN = ("python", "bash", "console")


def pages():
    """Return the README and the pages of the site, without built files."""
    found = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [path for path in found if "_build" not in path.parts]


def blocks(path):
    """Return the language, the text and the number of the first line of each block that runs."""
    text = path.read_text()
    return [
        (m[2], m[3], text[: m.start(3)].count("\n") + 1)
        for m in FENCE.finditer(text)
        if m[2] in RUN
    ]


QUICK = ROOT / "README.md"
PAGES = [
    pytest.param(
        path,
        id=str(path.relative_to(ROOT)),
        marks=[] if path == QUICK else [pytest.mark.full],
    )
    for path in pages()
    if blocks(path)
]


def run(path):
    """Run the blocks of a page in the current folder; a warning in Python is an error."""
    warnings.simplefilter("error")
    names = {"__name__": "__main__"}
    for language, text, line in blocks(path):
        where = f"{path}:{line}"
        if language == "python":
            if "import mlflow" in text:  # MLflow and SQLAlchemy warn of each other
                warnings.simplefilter("ignore")
            exec(compile("\n" * (line - 1) + text, str(path), "exec"), names)
        elif language == "bash":
            code, printed = shell(text)
            assert code == 0, f"{where}\n{printed}"
        else:
            for command, shown in commands(text):
                _, printed = shell(command)
                assert matches(shown, printed), f"{where}: $ {command}\n{printed}"


def shell(command):
    """Run a command line and return its exit code and all it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def commands(text):
    """Return each command of a console block with the output below it."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.M)
    assert parts[0] == "", "a console block begins with '$ '"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def matches(shown, printed):
    """Return whether the output is that of the page, up to `...` and space at the ends."""
    parts = map(re.escape, shown.strip().split("..."))
    return re.fullmatch(".*?".join(parts), printed.strip(), re.S) is not None


@pytest.mark.parametrize("path", PAGES)
def test_the_snippets_of_a_page_run(path, tmp_path):
    """Each page has a process of its own: MLflow and matplotlib keep settings."""
    if "import torch" in path.read_text():
        pytest.importorskip("torch")
    settings = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "MPLBACKEND": "agg",
    }
    done = subprocess.run(
        [sys.executable, __file__, str(path)],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr


def test_what_a_console_block_shows_is_compared():
    assert commands("$ a b\nx\n$ c\n") == [("a b", "x\n"), ("c", "")]
    assert matches("first\n... last\n", "first\nsecond line and last\n")
    assert not matches("first\n", "first\nsecond\n")
    assert not matches("", "an error\n")


@pytest.fixture(scope="module")
def tables():
    path = DOCS / "_ext" / "tables.py"
    spec = importlib.util.spec_from_file_location("tables", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tables"] = module  # where its dataclasses look up their annotations
    spec.loader.exec_module(module)
    return module


def test_every_table_is_on_one_page(tables):
    text = "\n".join(path.read_text() for path in pages())
    assert sorted(re.findall(r"^```\{bpexp-table\} (\S+)$", text, re.M)) == sorted(tables.TABLES)


def test_every_row_of_every_table_is_in_the_reference(tables):
    """The expected rows are the files of conf/ and the names in the tables of the code."""
    from bpexp.analysis.verdict import AXES, VERDICTS
    from bpexp.commands import COMMANDS
    from bpexp.figures import FIGURES
    from bpexp.nn.tasks import TASKS
    from bpexp.probes import INSTRUMENTS
    from bpexp.record.metrics import final_names

    rows = {name: {*make().rows} for name, make in tables.TABLES.items()}
    for folder in (path for path in (ROOT / "conf").iterdir() if path.is_dir()):
        assert rows.pop(folder.name) == {path.stem for path in folder.glob("*.yaml")}, folder.name
    assert rows.pop("identity-keys") | rows.pop("runtime-keys") == {*KEYS}
    assert rows.pop("instrument") == {*INSTRUMENTS}
    assert rows.pop("figure") == {*FIGURES}
    assert rows.pop("command") == {*COMMANDS}
    assert rows["task"] == {*TASKS}
    finals = {name for task in rows.pop("task") for name in final_names(task)}
    assert finals < rows["metric"]
    numbers = {name for name, row in INSTRUMENTS.items() if not row.dims}
    assert rows.pop("metric") - finals - numbers == {
        *("distance/first", "distance/last", "grad_norm/layer_001 ...", "epoch")
    }
    assert rows.pop("verdict") == {*VERDICTS}
    assert rows["gradient"] == {*AXES["verdict/gradient_start"]}
    assert rows.pop("gradient") == {*AXES["verdict/gradient_end"]}
    assert rows.pop("training") == {*AXES["verdict/training"]}
    assert rows == {}


def test_every_row_has_a_meaning(tables):
    for name, make in tables.TABLES.items():
        table = make()
        for row, cells in table.rows.items():
            assert len(cells) == len(table.columns) - 1, (name, row)
            assert len(cells[0]) > 5, (name, row)


def test_every_parameter_has_its_key_its_default_and_its_range(tables):
    """The ranges are what the factories say when they refuse a value."""
    momentum = tables.group("optimizer").rows["momentum"][1]
    assert momentum[0] == "`optimizer.momentum` = `0.9`: a number in [0, 1)"
    assert momentum[2] == "`optimizer.clip_norm` = `null`: number or null; a finite number above 0"
    for name, key in KEYS.items():
        if isinstance(key, Group) and name not in ("data", "tracking", "executor"):
            for row, (_, lines) in tables.group(name).rows.items():
                for line in lines:
                    about = line.partition(": ")[2].rpartition("; ")[2]
                    assert about not in {*tables.KINDS.values()}, (row, line)


def test_the_public_names_have_a_page_and_a_docstring():
    text = (DOCS / "reference" / "python.rst").read_text()
    for module in ("bpexp", "bpexp.figures", "bpexp.theory"):
        assert f".. automodule:: {module}\n   :members:" in text
    for name in bpexp.__all__:
        assert getattr(bpexp, name).__doc__


def test_the_readme_leads_to_the_site_and_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / target).exists(), target
    for page in ("tutorial", "how-to/index", "reference/index", "explanation/index", "performance"):
        assert f"(docs/{page}.md)" in text


def test_the_two_forms_of_a_teams_server_have_the_same_options():
    folder = DOCS / "how-to"
    texts = [(folder / name).read_text() for name in ("team.md", "team/compose.yaml")]
    commands = [
        re.search(r"^.*mlflow server ((.|\n)+?--artifacts.*)$", text, re.M) for text in texts
    ]
    options = [re.findall(r"--[\w-]+", command[1]) for command in commands]
    assert options[0] == options[1]
    assert len(options[0]) == 5


def test_the_compose_file_has_the_schema_of_compose_files():
    schema = ["--builtin-schema", "vendor.compose-spec"]
    file = str(DOCS / "how-to" / "team" / "compose.yaml")
    command = [sys.executable, "-m", "check_jsonschema", *schema, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    run(Path(sys.argv[1]))
