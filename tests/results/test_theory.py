"""Theory of runs where mean field has no finite value."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_config

from bpexp.data import load_once
from bpexp.results.forecasts import forecast_rows
from bpexp.results.theory import theory_columns


@pytest.mark.parametrize("activation", ["relu", "selu"])
def test_lengths_that_overflow_are_neither_predicted_nor_warned_of(activation):
    init = {"name": "normal", "std": 1e30}
    config = make_config(data="digits", activation={"name": activation}, init=init, depth=8)
    known = config, load_once("digits")
    (columns,) = theory_columns([known], draws=False)
    assert np.isfinite(columns["q"][0])
    assert not np.isfinite(columns["grad_norm"][0])
    assert not forecast_rows([known])[0]["theory/trains"]
