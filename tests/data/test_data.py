"""Data sets: their contents, and files and parameters that are refused."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import multiprocessing
import shutil
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from helpers import IMAGES, LABELS, MNIST, idx, needs_mnist
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from bpexp.data import DATASETS, images, load
from bpexp.data.dataset import make_dataset
from bpexp.data.idx import PART, read_idx
from bpexp.data.preparation import standardised
from bpexp.errors import BpexpError, ConfigError, DataError


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    data = load("digits")
    assert (len(data.x_train), len(data.x_test)) == (1438, 359)
    theirs = {
        (*row, label)
        for row, label in zip((x / 16).tolist(), y.tolist(), strict=True)
        for row in [tuple(row)]
    }
    ours = {
        (*row, label)
        for a, b in ((data.x_train, data.y_train), (data.x_test, data.y_test))
        for row, label in zip(map(tuple, a.tolist()), b.tolist(), strict=True)
    }
    assert ours == theirs
    assert data.x_train.dtype == np.float32
    assert data.image_shape == (8, 8)


def test_the_split_is_stratified_and_its_own():
    one, again, other = load("digits"), load("digits"), load("digits", seed=1)
    total = np.bincount(np.concatenate([one.y_train, one.y_test]))
    assert np.bincount(one.y_test).tolist() == [round(n / 5) for n in total.tolist()]
    assert one.digest == again.digest != other.digest
    assert (one.x_train == again.x_train).all()


def test_arrays_cannot_be_changed():
    data = load("digits")
    with pytest.raises(ValueError, match="read-only"):
        data.x_train[0, 0] = 1


def test_one_pixel_changes_the_digest(tmp_path):
    x, y = np.random.default_rng(0).random((40, 3)), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    x[7, 1] += 1e-9
    np.savez(tmp_path / "b.npz", x=x, y=y)
    a, b = (load("npz", path=str(tmp_path / f"{name}.npz")) for name in "ab")
    assert a.digest != b.digest


def test_limit_keeps_the_first_of_the_training_split():
    whole, few = load("digits"), load("digits", limit=50)
    assert (few.x_train == whole.x_train[:50]).all()
    assert (few.x_test == whole.x_test).all()


def test_parity_is_the_texts():
    data = load("parity")
    assert data.x_train[6].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert (data.y_train == (np.arange(700) % 2 == 0)).all()
    assert len(data.x_test) == 324
    assert data.chance == 0.5


def test_gaussian_is_standard_normal():
    data = load("gaussian", features=50, examples=2000, classes=4)
    assert data.x_train.mean() == pytest.approx(0, abs=0.02)
    assert data.x_train.std() == pytest.approx(1, rel=0.02)
    assert set(data.y_train.tolist()) == {0, 1, 2, 3}


def test_chance_is_the_best_constant_guess():
    """On the training split, and so whatever the test split has."""
    x, y = np.zeros((10, 2)), np.array([0] * 7 + [1] * 3)
    data = make_dataset("made", "here", (x, y), (x, 1 - y))
    assert data.chance == 0.7
    assert data.chance_test == 0.3  # class 0 is the most frequent one of the training split


def test_diabetes_is_scikit_learns():
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    data = load("diabetes", scale=False)
    assert (data.x_train.shape, data.y_train.shape) == ((354, 10), (354, 1))
    assert (data.x_test.shape, data.y_test.shape) == ((88, 10), (88, 1))
    theirs = np.column_stack([x, y])
    ours = np.vstack(
        [np.hstack([data.x_train, data.y_train]), np.hstack([data.x_test, data.y_test])]
    )
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))
    assert data.task == "regression"


def test_diabetes_is_standardised_by_its_training_split():
    from sklearn.preprocessing import StandardScaler

    raw, data = load("diabetes", scale=False), load("diabetes")
    for name in ("x", "y"):
        scaler = StandardScaler().fit(getattr(raw, f"{name}_train"))
        for split in ("train", "test"):
            expected = scaler.transform(getattr(raw, f"{name}_{split}"))
            np.testing.assert_allclose(getattr(data, f"{name}_{split}"), expected, atol=1e-12)


def test_a_constant_column_is_shifted_only():
    train, test = np.array([[3.0, 1.0], [3.0, 3.0]]), np.array([[4.0, 2.0]])
    found = standardised(train, test)
    assert [array.tolist() for array in found] == [[[0, -1], [0, 1]], [[1, 0]]]


def test_teacher_is_a_random_network_on_normal_inputs():
    arguments = {"features": 5, "outputs": 3, "depth": 2, "width": 7, "activation": "softplus"}
    data = load("teacher", **arguments, examples=900, test=100, seed=4)
    inputs, weights, _ = (np.random.default_rng(s) for s in np.random.SeedSequence(4).spawn(3))
    x = inputs.standard_normal((1000, 5))
    first, second, last = (weights.standard_normal(shape) for shape in ((5, 7), (7, 7), (7, 3)))
    a = np.log1p(np.exp(x @ first * np.sqrt(2 / 5)))
    a = np.log1p(np.exp(a @ second * np.sqrt(2 / 7)))
    y = a @ last * np.sqrt(2 / 7)
    y = (y - y[:900].mean(axis=0)) / y[:900].std(axis=0)
    np.testing.assert_array_equal(data.x_train, x[:900])
    np.testing.assert_allclose(data.y_train, y[:900], atol=1e-6)
    np.testing.assert_allclose(data.y_test, y[900:], atol=1e-6)
    assert (data.y_train == data.y_train.astype(np.float32)).all()


def test_the_teachers_noise_is_in_units_of_its_outputs():
    clean, noisy = load("teacher", examples=9000), load("teacher", examples=9000, noise=0.5)
    noise = noisy.y_train - clean.y_train
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert np.corrcoef(noise[:, 0], clean.y_train[:, 0])[0, 1] == pytest.approx(0, abs=0.04)
    assert (noisy.x_train == clean.x_train).all()
    assert clean.digest != noisy.digest


def test_chance_of_a_regression_is_the_mean_of_the_training_targets():
    data = load("diabetes")
    assert data.chance == pytest.approx(0, abs=1e-15)  # R2's own reference
    guess = np.full_like(data.y_test, data.y_train.mean())
    assert data.chance_test == pytest.approx(r2_score(data.y_test, guess), rel=1e-9, abs=0)
    assert data.chance_test < 0


@pytest.mark.parametrize(
    ("y", "task", "shape"),
    [
        (np.arange(40) % 4, "classification", (32,)),
        (np.arange(40) / 3, "regression", (32, 1)),
        (np.arange(40, dtype=np.float32), "regression", (32, 1)),
        (np.arange(80.0).reshape(40, 2), "regression", (32, 2)),
    ],
)
def test_the_task_depends_on_the_dtype_of_y(tmp_path, y, task, shape):
    np.savez(tmp_path / "mine.npz", x=np.arange(80.0).reshape(40, 2), y=y)
    data = load("npz", path=str(tmp_path / "mine.npz"))
    assert (data.task, data.y_train.shape) == (task, shape)
    if task == "regression":
        assert data.y_train.dtype == np.float64
        everything = np.concatenate([data.y_train, data.y_test])
        assert sorted(everything[:, 0]) == sorted(y.reshape(40, -1)[:, 0])


def test_one_target_and_the_task_change_the_digest():
    x, y = np.random.default_rng(0).random((40, 3)), np.arange(40.0)[:, None]
    other = y.copy()
    other[3] += 1e-12
    sets = [
        make_dataset("made", "here", (x, targets), (x, targets), task="regression")
        for targets in (y, other)
    ]
    assert sets[0].digest != sets[1].digest


@pytest.fixture
def folder(tmp_path):
    for file in images.FILES:
        (tmp_path / file).write_bytes(idx(IMAGES if "images" in file else LABELS))
    return tmp_path


def test_idx_files_are_read_gzipped_or_not(folder):
    data = load("fashion_mnist", root=str(folder))
    np.testing.assert_array_equal(data.x_train * 255, IMAGES.reshape(30, 20))
    assert data.image_shape == (4, 5)
    for file in images.FILES:
        path = folder / file
        (folder / f"{file}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load("fashion_mnist", root=str(folder)).digest == data.digest
    assert load("fashion_mnist", root=str(folder), scale=False).x_train.max() == IMAGES.max()


def bomb():
    """A gzip of a valid header and a great many zeros: 30 images promised, 64 MiB there."""
    return gzip.compress(idx(IMAGES) + bytes(2**26))


def liar():
    """A gzip that claims 100 GB."""
    return gzip.compress(
        b"\0\0\x08\3" + b"".join(n.to_bytes(4, "big") for n in (10**5, 10**3, 10**3))
    )


IMAGE_FILE, LABEL_FILE = images.FILES[0], images.FILES[1]
DAMAGED = {
    "truncated": (IMAGE_FILE, idx(IMAGES)[:-1], "only 599 bytes of values"),
    "longer": (IMAGE_FILE, idx(IMAGES) + b"x", "more bytes of values"),
    "short header": (IMAGE_FILE, b"\0\0\x08", "too short"),
    "empty file": (IMAGE_FILE, b"", "too short"),
    "wrong magic": (IMAGE_FILE, idx(IMAGES, magic=b"PK"), "not an IDX file"),
    "wrong type": (IMAGE_FILE, idx(IMAGES, type_code=13), "type 0x0d"),
    "wrong dimensions": (IMAGE_FILE, idx(LABELS[:20]), "1 dimensions, not 3"),
    "no images": (IMAGE_FILE, idx(IMAGES[:0]), "empty"),
    "huge": (IMAGE_FILE, b"\0\0\x08\x03" + b"\xff" * 12, "empty or over"),
    "fewer labels": (LABEL_FILE, idx(LABELS[:-1]), "30 images but 29 labels"),
    "label 10": (LABEL_FILE, idx(np.full(30, 10)), "labels from 10 to 10 for 10 classes"),
    "bad gzip": (f"{IMAGE_FILE}.gz", b"\x1f\x8bhello", "cannot be read"),
    "torn gzip": (f"{IMAGE_FILE}.gz", gzip.compress(idx(IMAGES))[:-9], "cannot be read"),
    "bomb": (f"{IMAGE_FILE}.gz", bomb(), "more bytes of values"),
    "bomb that lies": (f"{IMAGE_FILE}.gz", liar(), "empty or over"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_idx_file_is_refused_in_one_line(case, folder):
    file, content, line = DAMAGED[case]
    (folder / file.removesuffix(".gz")).unlink()
    (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=line) as error:
        load("fashion_mnist", root=str(folder))
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_files_that_are_not_mnist_are_refused_unless_allowed(folder):
    with pytest.raises(DataError, match="SHA-256 of the content is"):
        load("mnist", root=str(folder))
    assert len(load("mnist", root=str(folder), checksum=False).x_train) == 30


def test_a_missing_file_is_named(folder):
    (folder / LABEL_FILE).unlink()
    with pytest.raises(DataError, match=f"no {LABEL_FILE} or"):
        load("mnist", root=str(folder))
    with pytest.raises(ConfigError, match="not a folder"):
        load("mnist", root=str(folder / "nowhere"))


NAMES = {
    "dots": lambda file: file.replace("-idx", ".idx"),
    "packed, with dots": lambda file: file.replace("-idx", ".idx") + ".gz",
    "as torchvision has them": lambda file: f"FashionMNIST/raw/{file}",
    "below another name": lambda file: f"fashion-mnist/{file}.gz",
    "a folder a file": lambda file: f"{file}/{file}",
    "capitals": lambda file: file.upper(),
    "a raw folder": lambda file: f"raw/{file}",
}


@pytest.mark.parametrize("case", NAMES)
def test_the_files_are_found_under_their_usual_names(case, folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("elsewhere")
    for file in images.FILES:
        path = root / NAMES[case](file)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (folder / file).read_bytes()
        path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    found = load("fashion_mnist", root=str(root))
    assert found.digest == load("fashion_mnist", root=str(folder)).digest


def test_gzip_is_detected_by_the_first_bytes(folder):
    digest = load("fashion_mnist", root=str(folder)).digest
    first, second, *_ = (folder / file for file in images.FILES)
    first.write_bytes(gzip.compress(first.read_bytes()))  # packed, without the ending
    second.rename(f"{second}.gz")  # the ending, and not packed
    assert load("fashion_mnist", root=str(folder)).digest == digest


def test_another_data_sets_folder_is_not_taken(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    shutil.copytree(folder, root / "MNIST" / "raw")
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte or .*; it holds MNIST$"):
        load("fashion_mnist", root=str(root))
    assert len(load("mnist", root=str(root), checksum=False).x_train) == 30


@needs_mnist
def test_mnist_is_mnist():
    data = load("mnist", root=str(MNIST))
    assert data.x_train.shape == (60000, 784)
    assert data.x_test.shape == (10000, 784)
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.x_train.max() == 1


def save(path, **arrays):
    np.savez(path, **arrays)


GOOD = {"x": np.random.default_rng(0).random((40, 3)), "y": np.arange(40) % 4}
BAD_ARRAYS = {
    "no labels": ({"x": GOOD["x"]}, "holds x, not x and y"),
    "counts differ": (
        {"x": GOOD["x"], "y": GOOD["y"][:-1]},
        r"not \(N, \.\.\.\), and \(N,\) or \(N, K\)",
    ),
    "two labels": ({"x": GOOD["x"], "y": np.zeros((40, 2), int)}, r"\(40, 2\) are not \(N,\)"),
    "one number": ({"x": GOOD["x"], "y": GOOD["x"][:, 0] * 0 + 0.5}, "all equal"),
    "one truth": ({"x": GOOD["x"], "y": GOOD["y"] >= 0}, "all labels are True: there is nothing"),
    "one whole number": ({"x": GOOD["x"], "y": np.ones(40)}, "all labels are 1: there is nothing"),
    "complex labels": (
        {"x": GOOD["x"], "y": GOOD["y"] * 1j},
        "y holds complex numbers, not labels",
    ),
    "text and numbers": (
        {
            "x_train": GOOD["x"],
            "y_train": GOOD["y"],
            "x_test": GOOD["x"],
            "y_test": GOOD["y"].astype(str),
        },
        "text in one split and numbers in the other",
    ),
    "a NaN": ({"x": GOOD["x"], "y": np.where(GOOD["y"], 1, np.nan)}, "not finite"),
    "no numbers": ({"x": GOOD["x"], "y": GOOD["x"][:, :0]}, "not finite"),
    "cubes": ({"x": GOOD["x"], "y": np.zeros((40, 2, 2))}, r"are not .*\(N, K\)"),
    "numbers differ": (
        {
            "x_train": GOOD["x"],
            "y_train": GOOD["x"],
            "x_test": GOOD["x"],
            "y_test": GOOD["x"][:, :2],
        },
        "3 targets in training, 2 in test",
    ),
    "one class": (
        {"x": GOOD["x"], "y": GOOD["y"] * 0},
        "all labels are 0: there is nothing to learn",
    ),
    "another class": ({"x": GOOD["x"], "y": GOOD["y"] * 0 + 3}, "all labels are 3: there is"),
    "nan": ({"x": GOOD["x"] * np.nan, "y": GOOD["y"]}, "not finite"),
    "text": ({"x": GOOD["x"].astype(str), "y": GOOD["y"]}, "x holds text, not real numbers"),
    "complex": ({"x": GOOD["x"] * 1j, "y": GOOD["y"]}, "x holds complex numbers, not real"),
    "too few": ({"x": GOOD["x"][:3], "y": GOOD["y"][:3]}, "N >= 10"),
    "no features": ({"x": GOOD["x"][:, :0], "y": GOOD["y"]}, "have no columns"),
    "flat": ({"x": GOOD["x"][:, 0], "y": GOOD["y"]}, "are not"),
    "widths differ": (
        {
            "x_train": GOOD["x"],
            "y_train": GOOD["y"],
            "x_test": GOOD["x"][:, :2],
            "y_test": GOOD["y"],
        },
        "3 features in training, 2 in test",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_npz_file_that_is_no_data_set_is_refused(case, tmp_path):
    arrays, line = BAD_ARRAYS[case]
    path = tmp_path / "mine.npz"
    save(path, **arrays)
    with pytest.raises(DataError, match=line) as error:
        load("npz", path=str(path))
    assert "\n" not in str(error.value)


def mine(folder, **arrays):
    """The data set of an npz file."""
    save(folder / "mine.npz", **arrays)
    return load("npz", path=str(folder / "mine.npz"))


PLAIN = np.arange(60) % 3
X60 = np.random.default_rng(1).random((60, 2))


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (PLAIN + 1, ("1", "2", "3")),
        (np.array([0, 5, 900])[PLAIN], ("0", "5", "900")),
        (np.array([-1, 0, 10**9])[PLAIN], ("-1", "0", "1000000000")),
        (np.array([0, 1, 2**64 - 1], np.uint64)[PLAIN], ("0", "1", "18446744073709551615")),
        (np.array(["cat", "dog", "ölf"])[PLAIN], ("cat", "dog", "ölf")),
        (np.array([b"a", b"b", b"c"])[PLAIN], ("a", "b", "c")),
        (PLAIN + 4.0, ("4", "5", "6")),
    ],
)
def test_labels_are_mapped_by_what_occurs(y, names, tmp_path):
    plain, data = mine(tmp_path, x=X60, y=PLAIN), mine(tmp_path, x=X60, y=y)
    assert data.classes == names
    assert data.n_outputs == 3
    np.testing.assert_array_equal(data.y_train, plain.y_train)
    np.testing.assert_array_equal(data.x_train, plain.x_train)
    assert data.digest != plain.digest
    assert f"the labels {', '.join(names)} are classes 0 to 2, in this order" in data.notes[-1]
    assert repr(data).endswith(f"2 inputs, 3 classes {', '.join(names)}>")


@pytest.mark.parametrize("dtype", ["i1", "u8", "f4", "f8"])
def test_the_numbers_from_0_on_are_the_classes(dtype, tmp_path):
    plain, data = mine(tmp_path, x=X60, y=PLAIN), mine(tmp_path, x=X60, y=PLAIN.astype(dtype))
    assert data.classes is None
    assert data.digest == plain.digest
    assert len(data.notes) == (dtype[0] == "f"), "whole floats are told"


def test_booleans_are_two_classes(tmp_path):
    data = mine(tmp_path, x=X60, y=PLAIN > 1)
    assert (data.classes, data.n_outputs) == (("False", "True"), 2)
    assert data.y_train.mean() == pytest.approx(1 / 3)


def test_the_task_may_be_given(tmp_path):
    path = str(tmp_path / "mine.npz")
    save(path, x=X60, y=PLAIN)
    ages = load("npz", path=path, task="regression")
    assert (ages.task, ages.y_train.shape) == ("regression", (48, 1))
    save(path, x=X60, y=np.arange(60.0) // 4)
    assert load("npz", path=path).task == "regression"
    assert load("npz", path=path, task="classification").n_outputs == 15
    save(path, x=X60, y=PLAIN / 2)
    with pytest.raises(DataError, match="fractions"):
        load("npz", path=path, task="classification")
    with pytest.raises(
        ConfigError, match=r"data\.task: 'ranking' is not one of classification, reg"
    ):
        load("npz", path=path, task="ranking")


def test_a_class_without_training_examples_is_reported(tmp_path):
    arrays = {"x_train": X60, "y_train": PLAIN, "x_test": X60[:4], "y_test": np.arange(4)}
    data = mine(tmp_path, **arrays)
    assert (data.n_outputs, data.classes) == (4, None)
    assert data.notes == (f"{tmp_path}/mine.npz: no training example is of class 3",)


def test_what_is_not_used_of_a_file_is_not_read(tmp_path):
    plain = mine(tmp_path, x=X60, y=PLAIN)
    names = np.array(["a", None], dtype=object)
    assert mine(tmp_path, x=X60, y=PLAIN, feature_names=names).digest == plain.digest
    assert mine(tmp_path, X=X60, Y=PLAIN, meta=np.array(1j)).digest == plain.digest
    assert mine(tmp_path, X=X60, y=PLAIN, z=names).digest == plain.digest


def test_a_file_of_another_kind_is_named(tmp_path):
    from scipy.sparse import csr_matrix, save_npz

    path = tmp_path / "mine.npz"
    cases = {
        "holds a sparse matrix and no y": lambda: save_npz(path, csr_matrix(X60)),
        "is a single array": lambda: (
            np.save(tmp_path / "one", X60) or (tmp_path / "one.npy").rename(path)
        ),
        "is an HDF5 file": lambda: path.write_bytes(b"\x89HDF\r\n"),
        "is a pickle, which is never read": lambda: path.write_bytes(b"\x80\x04\x95"),
        "is compressed with gzip": lambda: path.write_bytes(gzip.compress(b"1,2")),
        "cannot be read: File is not a zip file": lambda: path.write_text("1,2,3"),
    }
    for told, write in cases.items():
        write()
        with pytest.raises(DataError, match=f"mine.npz: {told}"):
            load("npz", path=str(path))


def test_the_home_folder_is_a_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "mine.npz", x=X60, y=PLAIN)
    assert load("npz", path="~/mine.npz").n_outputs == 3
    with pytest.raises(ConfigError, match=r"data\.root: '/.* is not a folder"):
        load("mnist", root="~/nowhere")


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def test_a_pickle_in_an_npz_file_is_never_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("evil.npz", x=np.array([Evil()], dtype=object), y=np.arange(1))
    with pytest.raises(DataError, match=r"holds objects \(a pickle, which is never read\): a"):
        load("npz", path="evil.npz")
    assert not Path("executed").exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("bpexp.data.arrays.LARGEST", 10_000)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(10**6))
        archive.writestr("y.npy", b"")
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="1000000 bytes unpacked"):
        load("npz", path=str(path))


def test_images_in_an_npz_file_are_flattened_and_own_splits_kept(tmp_path):
    path = tmp_path / "mine.npz"
    x = np.arange(240, dtype=np.uint8).reshape(20, 3, 4)
    save(path, x_train=x, y_train=np.arange(20) % 2, x_test=x[:4], y_test=np.arange(4) % 2)
    data = load("npz", path=str(path))
    assert data.x_train.shape == (20, 12)
    assert data.x_test.shape == (4, 12)
    assert data.x_train[1, 0] == 12


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_mutated_files_load_or_raise_our_error(tmp_path, data):
    buffer = io.BytesIO()
    np.savez(buffer, **GOOD)
    originals = {"a.npz": buffer.getvalue(), "b": idx(IMAGES), "c.gz": gzip.compress(idx(IMAGES))}
    name = data.draw(st.sampled_from(sorted(originals)))
    content = bytearray(originals[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    path = tmp_path / name
    path.write_bytes(content)
    tracemalloc.start()
    try:
        if name == "a.npz":
            load("npz", path=str(path))
        else:
            read_idx(path, 3)
    except BpexpError as error:
        assert "\n" not in str(error)  # noqa: PT017 (a file that loads is right too)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 * PART  # whatever a header claims


class Served(NamedTuple):
    folder: Path
    handler: type


@pytest.fixture
def server(folder, monkeypatch):
    """The four files on a server of this machine, as their real one serves them."""
    served = {}
    for file in images.FILES:
        packed = gzip.compress((folder / file).read_bytes(), mtime=0)
        (folder / f"{file}.gz").write_bytes(packed)
        served[file] = hashlib.sha256(packed).hexdigest()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(images, "FASHION_URL", f"http://127.0.0.1:{httpd.server_port}/")
    monkeypatch.setattr(images, "FASHION_SERVED", served)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    yield Served(folder, Quiet)
    httpd.shutdown()
    httpd.server_close()


def test_a_download_is_cached_and_checked(server):
    data = load("fashion_mnist")
    assert data.x_train.shape == (30, 20)
    for file in images.FILES:
        (server.folder / f"{file}.gz").unlink()
    assert load("fashion_mnist").digest == data.digest


def test_a_download_that_breaks_off_is_tried_again(server, monkeypatch):
    handler, broken = server.handler, []

    def break_off(self, source, target):
        if not broken:
            broken.append(target.write(source.read(20)))
            self.close_connection = True
        else:
            shutil.copyfileobj(source, target)

    monkeypatch.setattr(handler, "copyfile", break_off)
    assert load("fashion_mnist").x_train.shape == (30, 20)
    assert broken


def test_a_download_with_a_wrong_checksum_is_refused_and_not_kept(server):
    (server.folder / f"{IMAGE_FILE}.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"cannot be downloaded.*data\.root") as error:
        load("fashion_mnist")
    assert "\n" not in str(error.value)
    assert not list(server.folder.glob(f"cache/**/{IMAGE_FILE}*"))


def test_two_downloads_at_once_do_not_damage_each_other(server):
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        digests = pool.map(_digest, range(4))
    assert len(set(digests)) == 1


def _digest(_):
    return load("fashion_mnist").digest


def test_every_loader_has_a_docstring():
    assert all(loader.__doc__ for loader in DATASETS.values())
