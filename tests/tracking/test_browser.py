"""MLflow's pages in a real browser, from the links that a sweep prints.

The shared view is in a format of MLflow's own: this test tells when a version changes it.
BPEXP_SCREENSHOTS=FOLDER keeps pictures of the pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import chromium, open_page

from bpexp.palette import ACTIVATIONS

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]

SWEEPS = (
    ["activation=sigmoid,relu", "depth=2,12", "lr=0.2"],
    ["activation=sigmoid,relu", "depth=2,12", "lr=0.2,0.4"],
)
SMALL = ["width=6", "epochs=2", "data.limit=200", "progress=false"]
COLUMNS = [
    "activation", "depth", "lr", "verdict", "verdict/gradient_start", "verdict/training",
    "final/accuracy_test", "final/gradient_first_to_last", "final/loss_test",
]  # fmt: skip
# Without it MLflow opens its assistant over a third of the page at the first visit.
NO_ASSISTANT = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def printed(tmp_path_factory, browser):
    """Yield the output of two sweeps of one study, while the printed command serves the pages."""
    folder = tmp_path_factory.mktemp("browser")
    for words in SWEEPS:
        command = [sys.executable, "-m", "bpexp", "-m", *words, *SMALL]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    lines = dict(re.findall(r"^(\w+): +(\S.*)$", done.stdout, re.MULTILINE))
    site = lines["table"].partition("/#/")[0]
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    port = ["--port", site.rpartition(":")[2], "--workers", "1"]
    with subprocess.Popen(
        [*lines["tracking"].split(), *port],
        cwd=folder,
        env=os.environ | {"PATH": binaries},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            _await(f"{site}/health", server)
            yield lines
        finally:
            os.killpg(server.pid, 15)


def _await(address, server):
    for _ in range(240):
        assert server.poll() is None, "mlflow ui ended"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer")


@pytest.fixture
def page(browser, request):
    page = open_page(browser, NO_ASSISTANT)
    yield page
    if folder := os.environ.get("BPEXP_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{request.node.name}.png")
    page.close()


def cells(page, column):
    """Return the cells of a column of the table of runs, from top to bottom."""
    found = page.locator(f".ag-center-cols-container [col-id='{column}']")
    found.first.wait_for()
    return found.all_inner_texts()


def test_the_table_shows_what_was_swept_and_what_came_of_it(printed, page):
    page.goto(printed["table"])
    page.get_by_text("relu-d12-lr0.4").first.wait_for()
    heads = page.locator("[role=columnheader][col-id*='`']")
    heads.first.wait_for()
    boxes = [(head.bounding_box()["x"], head.inner_text()) for head in heads.all()]
    shown = [text for _, text in sorted(boxes) if text in COLUMNS]
    assert list(dict.fromkeys(shown)) == COLUMNS
    assert cells(page, "params.`activation`") == ["sigmoid"] * 4 + ["relu"] * 4
    assert cells(page, "params.`depth`") == ["2", "2", "12", "12"] * 2
    assert cells(page, "params.`lr`") == ["0.2", "0.4"] * 4
    assert cells(page, "tags.`verdict/gradient_start`")[2:4] == ["vanishing", "vanishing"]
    numbers = [float(text.rstrip("…")) for text in cells(page, "metrics.`final/accuracy_test`")]
    assert all(0 <= number <= 1 for number in numbers)
    assert page.get_by_text("sweep-").count() == 0, "the sweeps' own runs stand apart"


def test_runs_have_the_colours_of_our_figures(printed, page):
    page.goto(printed["table"])
    page.get_by_text("relu-d12-lr0.4").first.wait_for()
    shown = page.evaluate(
        """() => [...document.querySelectorAll("[data-testid='experiment-view-table-run-color']")]
           .map(label => [label.nextElementSibling.innerText, label.innerText])"""
    )
    assert len(shown) == 8
    for name, colour in shown:
        assert colour == ACTIVATIONS[name.partition("-")[0]][0]


def test_charts_begin_with_accuracy_loss_and_gradients_on_logarithmic_axes(printed, page):
    page.goto(printed["charts"])
    area = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    area.get_by_text("accuracy/test").first.wait_for()
    heads = page.get_by_test_id("experiment-view-compare-runs-section-header").all_inner_texts()
    names = [text.split("\n")[0].strip() for text in heads]
    assert names[:4] == ["accuracy", "loss", "gradient", "grad_norm"]
    kinds = {}
    while "grad_norm/layer_002" not in kinds:  # a chart is drawn when it becomes visible
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot .ytick').length > 0")
        kinds |= page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll('.js-plotly-plot')]
               .filter(plot => plot._fullLayout && plot.data.length)
               .map(plot => [plot.data[0].metricKey, plot._fullLayout.yaxis.type]))"""
        )
        area.evaluate("area => area.scrollBy(0, 200)")
        page.wait_for_timeout(500)
    for metric in ("gradient/first_to_last", "grad_norm/layer_001"):
        assert kinds[metric] == "log"
    for metric in ("accuracy/test", "loss/test", "gradient/decay_rate"):
        assert kinds[metric] == "linear"


def test_the_description_leads_to_the_sweep_with_its_table_and_figures(printed, page):
    page.goto(printed["table"])
    note = page.get_by_text("How do the gradient of each layer").first
    note.wait_for()
    page.get_by_test_id("experiment-notes").or_(note).first.click()
    link = page.get_by_role("link", name=re.compile("8 runs: summary and figures")).first
    address = link.get_attribute("href")
    page.goto(f"{printed['table'].partition('#')[0]}{address}")
    page.get_by_text("Show more", exact=True).first.click()
    page.get_by_role("columnheader", name="first_to_last").first.wait_for()
    _loaded(page, "figures%2Fverdicts.png")
    _loaded(page, "figures%2Fgradient_norm_by_layer.png")
    assert page.get_by_text("runs/finished").first.is_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("summary.csv").first.wait_for()


def _loaded(page, path):
    """Wait for the pixels of an artifact that is shown as an image."""
    seen = "path => [...document.images].some(i => i.src.includes(path) && i.naturalWidth > 9)"
    page.wait_for_function(seen, arg=f"path={path}&")


def test_a_run_shows_its_layer_figure(printed, page):
    page.goto(printed["table"])
    page.get_by_role("link", name="sigmoid-d12-lr0.4").first.click()
    page.get_by_text("Show more", exact=True).first.click()
    _loaded(page, "gradient_norm_by_layer.svg")


def test_the_model_shows_final_metrics_description_and_data_set(printed, page):
    page.goto(re.sub(r"/runs\?.*", "/models?workflowType=machine_learning", printed["table"]))
    page.get_by_role("link", name="network").first.click()
    page.get_by_text("final/accuracy_test").first.wait_for()
    page.get_by_text("Verdict:").first.wait_for()
    page.get_by_text("Datasets used").first.wait_for()
    assert page.get_by_text(re.compile("digits \\(#")).first.is_visible()
