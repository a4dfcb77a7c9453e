"""A user's own data: arrays, frames, Bunches and tensors in memory, CSV and Parquet files."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import bpexp
from bpexp.data import load
from bpexp.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = np.arange(60) % 3
NAMES = np.array(["ash", "birch", "cedar"])


def same(one, other):
    """Return whether two data sets hold the same arrays, task and classes."""
    arrays = ("x_train", "y_train", "x_test", "y_test")
    equal = all(np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays)
    return equal and (one.digest, one.task, one.classes) == (
        other.digest,
        other.task,
        other.classes,
    )


class DLPack:
    """An array of another library, which has DLPack alone."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda: (X, Y), id="arrays"),
        pytest.param(lambda: (X.tolist(), Y.tolist()), id="lists"),
        pytest.param(lambda: (DLPack(X), DLPack(Y)), id="DLPack"),
        pytest.param(lambda: (pd.DataFrame(X), pd.Series(Y)), id="frame"),
        pytest.param(lambda: (pd.DataFrame(X, index=Y), pd.DataFrame(Y)), id="frame of targets"),
        pytest.param(lambda: (pd.DataFrame(X).assign(wood=Y), "wood"), id="column of a frame"),
        pytest.param(lambda: (pd.DataFrame(X).astype("Float64"), pd.Series(Y, dtype="Int64")),
                     id="nullable"),
        pytest.param(lambda: torch_tensors(X, Y), id="tensors"),
        pytest.param(lambda: sparse(X, Y), id="sparse matrix"),
    ],
)  # fmt: skip
def test_one_data_set_in_memory_is_that_of_the_npz_file(given, tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    assert same(bpexp.dataset(*given()), load("npz", path=str(tmp_path / "d.npz")))


def torch_tensors(x, y):
    torch = pytest.importorskip("torch")
    return torch.tensor(x), torch.tensor(y)


def sparse(x, y):
    from scipy.sparse import csr_array

    return csr_array(x), y


def test_a_tensor_that_numpy_cannot_read_is_refused_with_the_reason():
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match=r"x cannot be read as an array: .*detach"):
        bpexp.dataset(torch.tensor(X, requires_grad=True), Y)


def test_torch_and_pandas_are_not_imported_for_arrays():
    code = "import bpexp, sys; bpexp.dataset([[0, 1], [1, 0]] * 10, [0, 1] * 10); "
    code += "print({'torch', 'pandas', 'sklearn', 'pyarrow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_bunches_bring_their_names():
    from sklearn.datasets import load_diabetes, load_digits, load_iris

    iris = bpexp.dataset(load_iris())
    assert iris.classes == ("setosa", "versicolor", "virginica")
    assert same(iris, bpexp.dataset(load_iris(as_frame=True)))
    assert bpexp.dataset(load_digits()).classes is None  # the names are 0 to 9
    diabetes = bpexp.dataset(load_diabetes(scaled=False), standardize=True, task="regression")
    shipped = load("diabetes")
    np.testing.assert_allclose(diabetes.x_train, shipped.x_train, rtol=1e-12)
    np.testing.assert_allclose(diabetes.y_test, shipped.y_test, rtol=1e-12)


def test_names_of_classes_reach_the_network():
    data = bpexp.dataset(X, Y, names=NAMES)
    net = bpexp.Network.create([3, 4, 3])
    bpexp.train(net, data, epochs=1)
    assert data.classes == ("ash", "birch", "cedar")
    words = bpexp.dataset(X, NAMES[Y], names=NAMES[::-1])
    assert words.classes == ("cedar", "birch", "ash")
    assert (words.y_train == 2 - bpexp.dataset(X, Y).y_train).all()
    assert same(bpexp.dataset(X, NAMES[Y]), data)


def test_the_test_split_may_be_given_and_nothing_of_the_caller_is_changed():
    x, y = X.copy(), Y.copy()
    data = bpexp.dataset(x[:40], y[:40], test=(x[40:], y[40:]))
    assert (data.x_test == X[40:]).all()
    assert not np.shares_memory(data.x_train, x)
    x[0] = y[0] = 1  # still writeable
    frame = pd.DataFrame({"a": X[:, 0], "b": NAMES[Y], "y": Y})
    by_frame = bpexp.dataset(frame[:40], "y", test=frame[40:])
    assert by_frame.x_test.shape == (20, 4)
    assert (by_frame.y_test == Y[40:]).all()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((X,), "y: missing; labels or targets, or a Bunch with data and target"),
        ((X, "y"), "y: 'y' names a column, and x is a ndarray"),
        ((pd.DataFrame({"a": [1.0], "bb": [1]}), "b"), "y: 'b' is not one of a, bb; .*'bb'.*"),
        ((X, NAMES[Y][:-1]), r"dataset: shapes \(60, 3\) and \(59,\) are not .*"),
        (([[1, 2], [3]], [0, 1]), "dataset: x cannot be read as an array: .*inhomogeneous.*"),
        ((np.where(X == X[7, 1], np.nan, X), Y), r"dataset: x\[7, 1\] is NaN: .*missing"),
        ((X, np.where(Y + 0.5 == 9, 0, [*[0.5] * 59, np.nan])), r"dataset: y\[59\] is NaN.*"),
        ((np.ma.masked_equal(X, X[7, 1]), Y), "dataset: x is a masked array: values are missing"),
        ((X, np.ma.masked_equal(Y, 1)), "dataset: y is a masked array: values are missing"),
        ((X, [*"ab" * 29, "a", None]), r"dataset: y\[59\] is None: a value is missing"),
        ((X, [object()] * 60), "dataset: y holds object, not numbers or text"),
        ((X.astype(complex), Y), "dataset: x holds complex numbers, not real numbers"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(arguments, line):
    with pytest.raises((ConfigError, DataError), match=f"^{line}$"):
        bpexp.dataset(*arguments)


@pytest.mark.parametrize(
    ("y", "names", "line"),
    [
        (NAMES[Y], ["ash", "birch"], "the label cedar is not one of ash, birch"),
        (Y, ["ash", "birch"], "labels are not numbers of the 2 classes ash, birch, 0 to 1, .*"),
        (Y, ["ash", "ash", "oak"], "names: ash, ash, oak are not two or more different names"),
    ],
)
def test_names_that_do_not_fit_are_refused(y, names, line):
    with pytest.raises(DataError, match=f"^dataset: {line}$"):
        bpexp.dataset(X, y, names=names)


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "0"])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(ConfigError, match=f"^seed: {seed!r} is not an integer of at least 0$"):
        bpexp.dataset(X, Y, seed=seed)


FRAME = pd.DataFrame(
    {
        "height": X[:, 0],
        "count": np.arange(60),
        "wood": NAMES[Y],
        "wet": Y == 1,
        "label": np.where(X[:, 0] > 0, "tall", "short"),
    }
)


def write(frame, folder, kind):
    path = folder / f"d.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_is_encoded_as_pandas_does(kind, tmp_path):
    data = load(kind, path=write(FRAME, tmp_path, kind), target="label")
    expected = pd.get_dummies(FRAME.drop(columns="label"), columns=["wood"], dtype=float)
    expected = expected[["height", "count", "wood_ash", "wood_birch", "wood_cedar", "wet"]]
    theirs = {tuple(row) for row in expected.astype(float).to_numpy()}
    assert {tuple(row) for x in (data.x_train, data.x_test) for row in x} == theirs
    assert data.classes == ("short", "tall")
    assert all(data.classes[k] == ("tall" if x[0] > 0 else "short")
               for x, k in zip(data.x_train, data.y_train, strict=True))  # fmt: skip
    assert same(data, bpexp.dataset(FRAME, "label"))
    assert any("column wood is 3 inputs" in note for note in data.notes)


def test_categories_and_the_index_of_a_parquet_file_are_read(tmp_path):
    frame = FRAME.astype({"wood": "category"}).set_index(FRAME["count"] + 5)
    path = write(frame.rename_axis(None), tmp_path, "parquet")
    assert same(load("parquet", path=path, target="label"), bpexp.dataset(FRAME, "label"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_inputs_are_standardised_by_the_training_split(kind, tmp_path):
    path = write(FRAME[["height", "count", "label"]], tmp_path, kind)
    plain = load(kind, path=path, target="label")
    data = load(kind, path=path, target="label", standardize=True)
    mean, std = plain.x_train.mean(axis=0), plain.x_train.std(axis=0)
    np.testing.assert_allclose(data.x_train, (plain.x_train - mean) / std, atol=1e-13)
    np.testing.assert_allclose(data.x_test, (plain.x_test - mean) / std, atol=1e-13)
    assert (data.y_train == plain.y_train).all()
    assert data.digest != plain.digest


def test_targets_of_a_regression_are_standardised_too(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=100 + 5 * X[:, 0])
    data = load("npz", path=str(tmp_path / "d.npz"), standardize=True)
    assert data.y_train.mean() == pytest.approx(0, abs=1e-12)
    assert data.y_train.std() == pytest.approx(1)


def test_semicolons_and_tabs_separate_columns_too(tmp_path):
    expected = bpexp.dataset(FRAME, "label")
    for separator in (";", "\t"):
        FRAME.to_csv(tmp_path / "d.csv", index=False, sep=separator)
        assert same(load("csv", path=str(tmp_path / "d.csv"), target="label"), expected)


@pytest.mark.parametrize(
    ("column", "values", "line"),
    [
        ("height", [*X[:11, 0], np.nan, *X[12:, 0]], "row 12, column height: the value is missing"),
        ("wood", [None, *NAMES[Y][1:]], "row 1, column wood: the value is missing"),
        ("label", [*FRAME["label"][:-1], None], "row 60, column label: the value is missing"),
        ("count", [*map(str, range(59)), "?"], r"row 60, column count: '\?' is not a number"),
        ("wood", [f"tree {i}" for i in range(60)], "column wood holds 60 different texts in .*"),
        ("count", pd.date_range("2020-01-01", periods=60), "column count holds .*, not numbers.*"),
        ("height", [*X[:-1, 0], np.inf], "training inputs are not finite floating-point numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_value_that_cannot_be_used_is_refused_with_its_place(
    column, values, line, kind, tmp_path
):
    path = write(FRAME.assign(**{column: values}), tmp_path, kind)
    with pytest.raises(DataError, match=f"^{path}: {line}$"):
        load(kind, path=path, target="label")


@pytest.mark.parametrize(
    ("content", "target", "line"),
    [
        ("a,b\n1,2\n", "", "data.target: '' is not one of a, b"),
        ("a,label\n1,2\n", "lable", "data.target: 'lable' is not one of a, label; did .*'label'?"),
        ("a,b\n1,2,3\n", "b", ".*: cannot be read: .*Expected 2 columns, got 3.*"),
        ("a,a,b\n1,2,3\n", "b", ".*: two columns have the name a"),
        ("b\n1\n", "b", ".*: holds no column of inputs"),
        ("", "b", ".*: cannot be read: Empty CSV file"),
        ("ä,b\n1,2\n".encode("latin-1"), "b", ".*: cannot be read: the names of columns are not"),
        ("a,b\n1,2\n".encode("utf-16"), "b", ".*: cannot be read: "),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "b", ".*: cannot be read: "),
    ],
)
def test_a_csv_file_that_is_no_table_is_refused_in_one_line(content, target, line, tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ConfigError, DataError), match=f"^{line}"):
        load("csv", path=str(path), target=target)


def test_a_file_that_is_not_parquet_is_refused_in_one_line(tmp_path):
    (tmp_path / "d.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(DataError, match=r"d\.parquet: cannot be read: ") as refused:
        load("parquet", path=str(tmp_path / "d.parquet"), target="y")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"limit": "ten"}, "data.limit: 'ten' is not an integer or null"),
        ({"limit": True}, "data.limit: True is not an integer or null"),
        ({"seed": None}, "data.seed: None is not an integer"),
        ({"scale": 1}, "data.scale: 1 is not true or false"),
        ({"lmit": 5}, "data.lmit: 'lmit' is not one of limit, scale, seed; did you mean 'limit'.*"),
    ],
)
def test_parameters_of_load_data_are_checked(parameters, line):
    with pytest.raises(ConfigError, match=f"^{line}$"):
        bpexp.load_data("digits", **parameters)
