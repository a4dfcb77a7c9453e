"""Inline figures hold what matplotlib's files hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bpexp.report.vector import Drawings

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = r"-?[\d.]+(?:e-?\d+)?"


@pytest.fixture(scope="module")
def inlined(study):
    drawings = Drawings()
    figures = {
        data.stem: (
            data.with_suffix(".svg"),
            drawings.add(data.with_suffix(".svg"), f"{data.stem} <&>"),
        )
        for data in study.drawn
    }
    assert len(figures) > 5
    return figures, drawings


def parsed(text):
    """An inline figure as XML: a parser of HTML needs no namespaces."""
    return ElementTree.fromstring(text)


def test_texts_shapes_and_coordinates_stay(inlined):
    for file, text in inlined[0].values():
        before, after = ElementTree.parse(file).getroot(), parsed(text)
        words = ["".join(e.itertext()) for e in before.iter(f"{SVG}text")]
        assert words == ["".join(e.itertext()) for e in after.iter("text")]
        assert words
        for tag in ("path", "use", "image"):
            pairs = zip(before.iter(SVG + tag), after.iter(tag), strict=True)
            for old, new in pairs:
                for name in ("d", "x", "y"):
                    numbers = re.findall(NUMBER, old.get(name, ""))
                    short = re.findall(NUMBER, new.get(name, ""))
                    assert [float(n) for n in short] == pytest.approx(
                        [float(n) for n in numbers], abs=0.0501
                    )


def test_styles_stay(inlined):
    figures, drawings = inlined
    rules = dict(re.findall(r"\.(f\d+)\{([^}]*)\}", drawings.stylesheet))
    for name, (file, text) in figures.items():
        before = ElementTree.parse(file).getroot()
        old = [e.get("style") for e in before.iter() if e.get("style") and "text" in e.tag]
        new = [rules[e.get("class")] for e in parsed(text).iter("text") if e.get("class")]
        squeezed = [
            re.sub(r"([;:,]) ", r"\1", style.replace("url(#", f"url(#{name}-")) for style in old
        ]
        assert new == squeezed


def test_names_are_unique_and_references_lead_to_them(inlined):
    figures, drawings = inlined
    everything = "".join(text for _, text in figures.values())
    names = re.findall(r'\bid="([^"]+)"', everything)
    assert len(names) == len(set(names)) > 0
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', everything + drawings.stylesheet)
    assert {a or b for a, b in used} == set(names)


def test_figures_are_small_described_and_without_metadata(inlined):
    figures, drawings = inlined
    for name, (_, text) in figures.items():
        root = parsed(text)
        assert (root.get("role"), root.get("aria-label")) == ("img", f"{name} <&>")
        assert not list(root.iter("metadata"))
        assert "matplotlib" not in text
    before = sum(file.stat().st_size for file, _ in figures.values())
    assert sum(len(text) for _, text in figures.values()) + len(drawings.stylesheet) < before / 2
