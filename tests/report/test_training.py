"""The numbers of the chart through training against the recorded ones."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from bpexp.report.training import MOST_NUMBERS, MOST_STEPS, SCALE, ZERO, norms_through_training


def test_norms_are_those_recorded_to_a_digit_and_a_half(study):
    chart = norms_through_training(study.tables.runs, study.tables.layers)
    assert len(chart["runs"]) == 12
    layers = study.tables.layers
    for run in chart["runs"]:
        rows = layers[layers["run"] == run["id"]]
        measured, theory = (rows[rows["source"] == name] for name in ("measured", "theory"))
        table = measured.pivot_table(index="step", columns="layer", values="grad_norm")
        assert chart["steps"] == table.index.tolist()
        np.testing.assert_allclose(
            10 ** (np.array(run["norms"]) / SCALE), table.to_numpy(), rtol=0.012
        )
        np.testing.assert_allclose(
            10 ** (np.array(run["theory"]) / SCALE), theory["grad_norm"], rtol=0.012
        )


def made_up(**runs):
    """Return frames of runs: {name: {step: [norm of each layer]}}."""
    rows = [
        {"run": name, "source": "measured", "step": step, "layer": layer, "grad_norm": norm}
        for name, steps in runs.items()
        for step, norms in steps.items()
        for layer, norm in enumerate(norms, 1)
    ]
    frame = pd.DataFrame({"run": [*runs], "name": [*runs], "activation": "relu", "init": "he"})
    return frame, pd.DataFrame(rows)


def test_zeros_and_numbers_that_are_not_finite_are_encoded_differently():
    chart = norms_through_training(*made_up(a={0: [0.0, 1.0, math.nan, math.inf, 1e-300]}))
    assert chart["runs"][0]["norms"] == [[ZERO, 0, None, None, -300 * SCALE]]
    assert chart["zero"] == ZERO
    assert chart["runs"][0]["theory"] is None


def test_a_run_shows_its_last_probe_and_ends_where_it_ended():
    steps = {0: [1.0], 10: [10.0], 20: [100.0], 30: [1000.0]}
    chart = norms_through_training(*made_up(a=steps, b={0: [1.0], 15: [0.1]}))
    assert chart["steps"] == [0, 10, 15, 20, 30]
    a, b = (run["norms"] for run in chart["runs"])
    assert a == [[0], [SCALE], [SCALE], [2 * SCALE], [3 * SCALE]]
    assert b == [[0], [0], [-SCALE]]


@pytest.mark.parametrize(("n_runs", "n_layers", "n_steps"), [(1, 3, 1000), (60, 51, 150)])
def test_the_chart_of_a_large_study_is_small(n_runs, n_layers, n_steps):
    """The first and the last step are kept, whatever is left out between them."""
    index = pd.MultiIndex.from_product(
        [[f"r{i}" for i in range(n_runs)], range(n_steps), range(1, n_layers + 1)],
        names=["run", "step", "layer"],
    )
    layers = index.to_frame(index=False).assign(source="measured", grad_norm=1.2345e-7)
    names = [f"r{i}" for i in range(n_runs)]
    runs = pd.DataFrame({"run": names, "name": names, "activation": "relu", "init": "he"})
    chart = norms_through_training(runs, layers)
    assert len(chart["steps"]) <= MOST_STEPS
    assert (chart["steps"][0], chart["steps"][-1]) == (0, n_steps - 1)
    assert len(json.dumps(chart, separators=(",", ":"))) < 6 * MOST_NUMBERS
