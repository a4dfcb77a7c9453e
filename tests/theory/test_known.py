"""Theory says which layers it knows, and its callers say 'not known' of other networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from helpers import make_config

from bpexp.config import Config
from bpexp.nn import Architecture, Choice
from bpexp.nn.layers import Dense
from bpexp.results.forecasts import forecast_rows
from bpexp.results.theory import theory_columns
from bpexp.sweeping import forecast_report
from bpexp.sweeping.member import dataset
from bpexp.sweeping.plan import make_plan
from bpexp.theory import (
    UnknownLayerError,
    field_of,
    forecast,
    layer_variances,
    predict,
    predict_batch,
)


@dataclass(frozen=True)
class Other(Dense):
    """A layer that theory has no equations for."""

    kind: ClassVar[str] = "other"


def shape(n_in, n_out):
    layers = (Dense(n_in, 8), Other(8, 8), Dense(8, n_out))
    return Architecture(layers, Choice("relu"), Choice("cross_entropy"))


OTHER, KNOWN = shape(4, 3), Architecture.dense((4, 8, 8, 3))
VARIANCES = [(0.1, 0.0)] * 3
PREDICTIONS = {
    layer_variances: (Choice("he_normal"),),
    predict: (VARIANCES, 1.0),
    field_of: (VARIANCES,),
    forecast: (VARIANCES, 1.0),
    predict_batch: (VARIANCES, np.ones((4, 4)), np.eye(3)[[0, 1, 2, 0]]),
}


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.__name__)
def test_a_prediction_refuses_the_layer_that_it_does_not_know_by_name(prediction):
    told = rf"{prediction.__name__} does not know layer 2, Other\(n_in=8, n_out=8\); it knows Dense"
    with pytest.raises(UnknownLayerError, match=told):
        prediction(OTHER, *PREDICTIONS[prediction])
    assert prediction(KNOWN, *PREDICTIONS[prediction]) is not None


@pytest.fixture
def unknown(monkeypatch):
    """Configurations of width 9 have a layer that theory does not know."""
    architecture = Config.architecture

    def replaced(config, data):
        if config.width == 9:
            return shape(data.n_features, data.n_outputs)
        return architecture(config, data)

    monkeypatch.setattr(Config, "architecture", replaced)


@pytest.mark.usefixtures("unknown")
def test_a_run_that_theory_does_not_know_has_no_columns_of_theory():
    for width, known in ((9, False), (8, True)):
        config = make_config(width=width)
        run = config, dataset(config)
        assert bool(theory_columns([run])[0]) == known
        assert bool(forecast_rows([run])[0]) == known


@pytest.mark.usefixtures("unknown")
def test_the_forecast_says_not_known_and_leaves_such_runs_out_of_its_score(tmp_path, capsys):
    plan = make_plan([make_config(width=width) for width in (8, 9)], tmp_path)
    cells = forecast_report.print_forecast(plan, tmp_path)
    table = capsys.readouterr().out
    assert "not known" in table
    assert "does not know layer 2, Other(n_in=8, n_out=8); it knows Dense" in table
    assert cells["trains"].isna().tolist() == [False, True]
    forecast_report.draw_forecast(cells, tmp_path, ["png"])
    assert (tmp_path / "figures" / "forecast.png").exists()
    forecast_report.score_forecast(cells[cells["trains"].isna()], [], tmp_path, ["png"])
    assert "forecast: no run to score" in capsys.readouterr().out
