"""Paired differences against differences written out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from bpexp.analysis.averages import averages
from bpexp.analysis.paired import paired_differences
from bpexp.errors import BpexpError

CHOICES = {
    "relu": [{}],
    "leaky": [{"activation.negative_slope": slope} for slope in (0.1, 0.2)],
    "elu": [{"activation.alpha": 1.0}],
    "bent": [{"activation.negative_slope": slope} for slope in (0.1, 0.2)],
}


def grid(*activations, seeds=(0, 1)):
    """Runs whose value is 10 a level, 1 a parameter and 100 a seed."""
    rows = []
    for place, name in enumerate(activations):
        for (i, parameters), seed in itertools.product(enumerate(CHOICES[name]), seeds):
            own = {"activation": name, "activation.negative_slope": np.nan, "seed": seed}
            own |= {"activation.alpha": np.nan, "lr": 0.1, **parameters}
            rows.append({**own, "value": 10.0 * place + i + 100 * seed})
    return pd.DataFrame(rows).assign(run=range(len(rows)))


def test_the_base_is_the_first_that_occurs():
    for names in (("relu", "elu"), ("elu", "relu")):
        found = paired_differences(grid(*names), "activation", "value")
        assert set(found["base"]) == {names[0]}
        assert set(found["activation"]) == {names[1]}
        assert found["difference"].tolist() == [10.0, 10.0]


def test_each_value_of_the_other_levels_parameter_has_the_same_partner():
    found = paired_differences(grid("relu", "leaky"), "activation", "value")
    assert found["activation.negative_slope"].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert found["difference"].tolist() == [10.0, 10.0, 11.0, 11.0]


def test_pairs_have_equal_parameters_where_both_levels_have_several():
    found = paired_differences(grid("leaky", "bent"), "activation", "value")
    assert found["activation.negative_slope"].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert found["difference"].tolist() == [10.0] * 4


def test_a_pair_without_a_value_has_a_row():
    """Left out of the frame, it would be left out of a mean in silence."""
    runs = grid("relu", "elu", seeds=range(4))
    runs.loc[[1, 6], "value"] = np.nan  # of relu, and of elu
    runs = runs.drop(index=3)
    found = paired_differences(runs, "activation", "value")
    assert found["seed"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found["difference"], [10.0, np.nan, np.nan])
    assert averages(found, ["activation", "lr"], "difference")["difference"].isna().all()


@pytest.mark.parametrize("others", [("relu",), ("bent", "relu")])
def test_several_partners_are_refused(others):
    with pytest.raises(BpexpError) as error:
        paired_differences(grid("leaky", *others), "activation", "value")
    assert str(error.value) == (
        "base of activation: leaky has several values of activation.negative_slope (0.1, 0.2); "
        "keep one"
    )


def test_superseded_runs_are_refused():
    runs = grid("relu", "elu")
    with pytest.raises(BpexpError, match="relu has superseded runs; leave them out"):
        paired_differences(pd.concat([runs, runs]).reset_index(), "activation", "value")


def test_of_a_parameter_all_others_are_equal():
    found = paired_differences(grid("leaky", "bent"), "activation.negative_slope", "value")
    assert found["activation"].tolist() == ["leaky", "leaky", "bent", "bent"]
    assert found["difference"].tolist() == [1.0] * 4
    assert set(found["base"]) == {"0.1"}
    runs = grid("relu", "leaky")
    assert set(paired_differences(runs, "activation.negative_slope", "value")["activation"]) == {
        "leaky"
    }
