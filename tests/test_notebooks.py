"""Notebooks: each runs from top to bottom on a fresh study, and is committed with its outputs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from browser import chromium
from run_notebooks import NOTEBOOKS, code, execute, read, studies

LARGEST = 2**20  # bytes; code hosts do not display larger notebooks
TALLEST = 4000  # pixels: one idea each, the rest is in docs/

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# executing one takes up to a minute; .ci/run full takes all
sampled = pytest.mark.parametrize(
    "path",
    [NOTEBOOKS[0], *(pytest.param(path, marks=pytest.mark.full) for path in NOTEBOOKS[1:])],
    ids=lambda path: path.stem,
)


def shows(cell):
    return [output.output_type for output in cell.outputs]


@sampled
def test_a_notebook_runs_on_a_fresh_study(path, tmp_path):
    notebook = read(path)
    for name in studies(notebook):
        words = ["-m", f"experiment={name}", "quick=true", "seed=0,1,2", "tracking=off"]
        subprocess.run([sys.executable, "-m", "bpexp", *words], cwd=tmp_path, check=True)
    committed = [shows(cell) for cell in code(notebook)]
    folder = tmp_path / "notebooks"
    folder.mkdir()
    execute(notebook, folder)  # raises what a cell raises
    assert [shows(cell) for cell in code(notebook)] == committed
    assert not list(folder.iterdir())


@each
def test_a_notebook_is_committed_as_it_ran(path):
    notebook = read(path)
    assert [cell.execution_count for cell in code(notebook)] == [*range(1, len(code(notebook)) + 1)]
    assert any(
        "image/png" in output.get("data", {}) for cell in code(notebook) for output in cell.outputs
    )
    assert not any(cell.metadata for cell in notebook.cells)
    assert notebook.metadata.language_info == {"name": "python"}
    assert path.stat().st_size < LARGEST
    text = path.read_text()
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert "stderr" not in {
        output.get("name") for cell in code(notebook) for output in cell.outputs
    }


@each
def test_formulas_need_no_renderer(path):
    """MathJax is loaded over a network where a notebook is a web page."""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert "$" not in cell.source


@pytest.mark.full
@each
def test_a_notebook_is_short_and_shows_without_a_network(path, tmp_path):
    exporter = pytest.importorskip("nbconvert").HTMLExporter()
    page = tmp_path / "notebook.html"
    page.write_text(exporter.from_notebook_node(read(path))[0])
    with chromium() as browser:
        shown = browser.new_page(viewport={"width": 1100, "height": 800})
        shown.route(re.compile("^http"), lambda route: route.abort())
        shown.goto(page.as_uri())
        assert shown.evaluate("document.documentElement.scrollHeight") <= TALLEST
        loaded = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
        assert shown.evaluate(loaded)
