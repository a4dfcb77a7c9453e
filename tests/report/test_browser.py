"""The page in a real browser: it sorts, filters, folds out, slides and prints, by keyboard too.

With PAGE=FOLDER screenshots are kept there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser import chromium

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser, study):
    """A function that opens the sweep's page; all that it prints and requests is checked."""
    said, contexts = [], []

    def open_page(**options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        asked = []
        page.goto((study.sweep / "report.html").as_uri())
        assert len(asked) == 1
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def names(page):
    """The runs that the table shows, in its order."""
    return page.locator("#table tbody:not([hidden]) .fold").all_inner_texts()


def column(page, number):
    return page.locator(f"#table tbody tr:first-child > :nth-child({number})").all_inner_texts()


def test_the_table_sorts_by_numbers_and_by_words_and_shows_the_order(opened, study):
    page = opened()
    heads = page.locator("#table thead th")
    titles = [text.strip(" ▲▼") for text in heads.all_inner_texts()]
    place = titles.index("test accuracy")
    heads.nth(place).locator("button").click()
    assert heads.nth(place).get_attribute("aria-sort") == "ascending"
    scores = [float(text) for text in column(page, place + 1)]
    assert scores == sorted(scores)
    assert len(set(scores)) > 1
    page.keyboard.press("Enter")  # the button has the focus
    assert heads.nth(place).get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(page, place + 1)] == scores[::-1]
    heads.nth(0).locator("button").click()
    assert heads.nth(place).get_attribute("aria-sort") == "none"
    assert names(page) == sorted(run.start["name"] for run in study.runs)


def test_the_table_filters_by_words_and_verdict_and_counts(opened, study):
    page = opened()
    page.locator("#filter").fill("RELU d3")
    assert sorted(names(page)) == [f"relu-d3-s{seed}" for seed in range(3)]
    assert page.locator("#count").inner_text() == "3 of 12 runs"
    page.locator("#filter").fill("")
    verdict = study.runs[0].end["verdict"]
    page.locator("#verdict").select_option(verdict)
    expected = [run.start["name"] for run in study.runs if run.end["verdict"] == verdict]
    assert sorted(names(page)) == sorted(expected)


def test_a_run_folds_out_by_keyboard(opened, study):
    page = opened()
    run = study.runs[0]
    fold = page.locator(f"[aria-controls=more-{run.identity}]")
    more = page.locator(f"#more-{run.identity}")
    assert not more.is_visible()
    fold.focus()
    page.keyboard.press("Space")
    assert more.is_visible()
    assert fold.get_attribute("aria-expanded") == "true"
    assert run.end["evidence"] in more.inner_text()
    assert "python -m bpexp" in more.locator("code").inner_text()
    label = more.locator("svg").get_attribute("aria-label")
    assert run.start["name"] in label
    page.keyboard.press("Space")
    assert not more.is_visible()


def test_the_slider_moves_through_training_and_runs_are_chosen_by_click(opened, study):
    page = opened()
    slider, when, chart = page.locator("#step"), page.locator("#when"), page.locator("#chart svg")
    steps = sorted(study.tables.layers["step"].unique())
    assert when.inner_text() == f"step 0 of {steps[-1]}"
    before = chart.inner_html()
    assert 'stroke-dasharray="4 3"' in before  # theory
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert when.inner_text() == f"step {steps[1]} of {steps[-1]}"
    assert slider.get_attribute("aria-valuetext") == f"step {steps[1]} of {steps[-1]}"
    assert page.locator("#chart svg").inner_html() != before
    shown = page.locator("#shown tbody tr")
    assert shown.count() == 2
    page.locator("#choice button[aria-pressed=false]").first.click()
    assert shown.count() == 3
    layers = study.tables.layers.query(f"source == 'measured' and step == {steps[1]}")
    for row in shown.all():
        name, first, last, *_ = row.locator("th, td").all_inner_texts()
        norms = layers[layers["name"] == name.strip()].sort_values("layer")["grad_norm"]
        assert float(first) == pytest.approx(norms.iloc[0], rel=0.06)  # two digits
        assert float(last) == pytest.approx(norms.iloc[-1], rel=0.06)


def test_play_runs_to_the_end_and_stops(opened, study):
    page = opened()
    page.locator("#play").click()
    last = study.tables.layers["step"].max()
    page.wait_for_function(
        f"document.getElementById('when').textContent.startsWith('step {last} ')"
    )
    page.wait_for_function("document.getElementById('play').textContent === 'Play'")


def test_it_prints_on_pages_with_every_section(opened, tmp_path):
    page = opened()
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") > 2
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#filter").is_visible()
    assert page.locator("#table").is_visible()
    assert page.locator("#chart svg").is_visible()
    keep(page, "print")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(opened, scheme):
    """WCAG requires a contrast of 4.5 for text of this size."""
    page = opened(color_scheme=scheme)
    keep(page, scheme)
    colours = page.evaluate(
        """() => [...document.querySelectorAll("p, td, dd, li, a, summary, button, caption")].map(
          (e) => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor])"""
    )
    for colour, background in {tuple(pair) for pair in colours}:
        if colour != background:  # a pressed button, which has the accent behind it
            assert contrast(colour, background) >= 4.5, (colour, background)
    paper = luminance(colours[0][1])
    assert paper > 0.9 if scheme == "light" else paper < 0.05


def test_a_narrow_screen_does_not_scroll_sideways(opened):
    page = opened()
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_without_scripts_figures_and_evidence_are_there(opened, study):
    page = opened(java_script_enabled=False)
    assert page.locator("figure svg").count() == len(study.drawn)
    assert page.locator("tr.more").first.is_visible()
    assert not page.locator("#filter").is_visible()


def keep(page, name):
    if folder := os.environ.get("PAGE"):
        page.screenshot(path=Path(folder) / f"report-{name}.png", full_page=True)


def luminance(colour):
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
