"""Frames of many columns, and the order of categories."""

import warnings

import numpy as np

from bpexp.results.frames import joined, typed


def test_many_columns_are_joined_without_a_warning_of_pandas():
    """pandas warns of frames that were made column by column."""
    columns = {f"metric{number}": np.arange(3.0) for number in range(150)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = joined([({"run": "a", "depth": 2}, columns), ({"run": "b", "depth": 4}, columns)])
        frame = frame.assign(source="measured")
    assert [*frame.columns] == ["run", "depth", *columns, "source"]
    assert frame["run"].tolist() == [*"aaabbb"]
    assert frame["metric149"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_column_of_the_rows_takes_the_place_of_the_runs_own():
    frame = joined([({"run": "a", "step": 7}, {"step": np.arange(2)})])
    assert frame["step"].tolist() == [0, 1]
    assert [*frame.columns] == ["run", "step"]


def test_choices_are_in_the_order_of_their_tables():
    skips = ["rezero", "none", "fixup", "identity"]
    frame = joined([({"skip": name, "norm": "layer"}, {"step": np.arange(1)}) for name in skips])
    assert [*frame["skip"].cat.categories[:2]] == ["none", "identity"]
    assert frame.sort_values("skip")["skip"].tolist()[0] == "none"
    assert typed(frame)["norm"].cat.categories[0] == "none"
