"""Files of figures, and the processes that draw them."""

import os
import signal
import time
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from figures.made_up import only, tables
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from bpexp.figures import FIGURES, FigureSpec, draw_all, files
from bpexp.figures.processes import spread
from bpexp.results import Tables

METADATA = {"Title": "study", "Keywords": "0001 0002", "Source": "sweep 1", "Config hashes": "ab <"}
GIVEN = tables(("sigmoid", "relu"), (2, 4), epochs=2)
NAMES = [
    "gradient_norm_by_layer",
    "first_layer_by_depth",
    "decay_rate_by_depth",
    "accuracy_by_depth",
    "gradient_norm_by_epoch",
    "learning_curves",
    "verdicts",
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "new"
    formats = ["png", "svg", "pdf"]
    return draw_all(GIVEN, folder, metadata=METADATA, formats=formats, instruments=["q"])


def test_draw_all_writes_the_formats_and_the_csv_of_each_figure_and_no_others(drawn):
    names = [*NAMES, "q_through_training"]
    assert [path.stem for path in drawn] == names
    expected = {f"{name}.{suffix}" for name in names for suffix in ("png", "svg", "pdf", "csv")}
    assert {path.name for path in drawn[0].parent.iterdir()} == expected
    assert plt.get_fignums() == []


def test_png_carries_the_metadata(drawn):
    for path in drawn:
        with Image.open(path.with_suffix(".png")) as image:
            assert METADATA.items() <= image.text.items()
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_pdf_embeds_truetype_fonts_and_its_title(drawn):
    for path in drawn:
        content = path.with_suffix(".pdf").read_bytes()
        assert b"/CIDFontType2" in content
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        assert b"/Title (study)" in content


def test_by_default_a_figure_is_a_png_and_vectors_have_a_folder_of_their_own(tmp_path):
    (tmp_path / "vectors").mkdir()
    runs = only(runs=GIVEN.runs)
    drawn = draw_all(runs, tmp_path / "figures", metadata={}, vectors=tmp_path / "vectors")
    stems = {path.stem for path in drawn}
    assert {path.suffix for path in drawn} == {".csv"}
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    assert found == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "csv")}
    assert {path.name for path in (tmp_path / "vectors").iterdir()} == {f"{s}.svg" for s in stems}


def test_svg_carries_the_metadata_and_its_text_as_text(drawn):
    dublin_core = "{http://purl.org/dc/elements/1.1/}"
    for path in drawn:
        tree = ET.parse(path.with_suffix(".svg"))
        assert tree.find(f".//{dublin_core}title").text == "study"
        assert tree.find(f".//{dublin_core}description").text == "Config hashes: ab <"
        assert "0001 0002" in "".join(tree.find(f".//{dublin_core}subject").itertext())
        assert tree.find(f".//{dublin_core}date") is None
        assert list(tree.iter("{http://www.w3.org/2000/svg}text"))


def test_csv_is_what_was_drawn_to_the_last_bit(drawn):
    for path, name in zip(drawn, NAMES, strict=False):
        data = FIGURES[name.replace("accuracy", "score")].data(GIVEN)
        read = pd.read_csv(path.with_suffix(".csv"), dtype=str)
        assert list(read) == list(data)
        for column in read:
            if pd.api.types.is_numeric_dtype(data[column]):
                assert [float(text) for text in read[column]] == list(data[column])
            else:
                assert list(read[column]) == list(data[column])


def test_two_processes_write_the_same_bytes_as_one(drawn, tmp_path):
    formats = ["png", "svg", "pdf"]
    options = {"metadata": METADATA, "formats": formats, "instruments": ["q"], "jobs": 2}
    for path in draw_all(GIVEN, tmp_path, **options):
        for suffix in (".png", ".svg", ".pdf", ".csv"):
            other = (drawn[0].parent / path.name).with_suffix(suffix)
            assert path.with_suffix(suffix).read_bytes() == other.read_bytes()


def test_figures_without_data_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "save", lambda figure, files, metadata: None)
    runs = GIVEN.runs.assign(**{"accuracy/test": np.nan})
    some = Tables(runs, GIVEN.layers, GIVEN.curves.head(0))
    names = {path.stem for path in draw_all(some, tmp_path, metadata={})}
    assert {*NAMES} - names == {"accuracy_by_depth", "learning_curves"}


# A figure that cannot be drawn


def broken(runs):
    raise ZeroDivisionError("no figure")


@pytest.fixture
def one_fails(monkeypatch):
    good = FigureSpec(lambda runs: Figure(), "runs", ("verdict",))
    rows = {"broken": FigureSpec(broken, "runs", ("verdict",)), "good": good}
    monkeypatch.setattr(files, "FIGURES", rows)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_others_are_drawn_and_the_failed_one_is_named(tmp_path, one_fails, jobs):
    failed = {}
    drawn = draw_all(GIVEN, tmp_path, metadata={}, jobs=jobs, failed=failed.__setitem__)
    assert [path.stem for path in drawn] == ["good"]
    assert {path.name for path in tmp_path.iterdir()} == {"good.png", "good.csv"}
    assert [(name, str(error)) for name, error in failed.items()] == [("broken", "no figure")]


def test_by_default_its_exception_is_raised_once_the_others_are_drawn(tmp_path, one_fails):
    with pytest.raises(ZeroDivisionError):
        draw_all(GIVEN, tmp_path, metadata={})
    assert (tmp_path / "good.png").exists()


def test_a_failed_drawing_leaves_the_old_file(tmp_path, monkeypatch, one_fails):
    (tmp_path / "good.png").write_bytes(b"old")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    draw_all(GIVEN, tmp_path, metadata={}, failed=lambda name, error: None)
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]
    assert (tmp_path / "good.png").read_bytes() == b"old"


# Processes


@pytest.mark.parametrize("harm", ["none", "raises", "is killed"])
def test_tasks_that_fail_in_a_copy_of_the_process_are_run_here(tmp_path, capfd, harm):
    here = os.getpid()

    def task(index):
        if os.getpid() != here:
            (tmp_path / f"copy{os.getpid()}").touch()
            if harm == "raises":
                raise ZeroDivisionError
            if harm == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)  # so that the copies get their turn
        (tmp_path / str(index)).touch()

    assert spread(task, 8, 3) == {}
    assert [*tmp_path.glob("copy*")]
    assert {path.name for path in tmp_path.glob("?")} == {*"01234567"}
    assert capfd.readouterr().err == ""


def test_the_exceptions_of_tasks_are_returned_once_all_have_run():
    done = []

    def task(index):
        if index % 2:
            raise ValueError(index)
        done.append(index)

    errors = spread(task, 5, 1)
    assert done == [0, 2, 4]
    assert {index: error.args for index, error in errors.items()} == {1: (1,), 3: (3,)}
