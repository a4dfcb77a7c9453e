"""The border of trainability between the settings that were run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import make_config

from bpexp.data import load_once
from bpexp.results.borders import with_borders


def known(sigma_w2, depth=10, sigma_b2=0.05):
    init = {"name": "mean_field", "sigma_w2": sigma_w2, "sigma_b2": sigma_b2}
    config = make_config(activation={"name": "tanh"}, init=init, depth=depth, width=100)
    return config, load_once(config.data.name, **config.data.parameters)


def test_the_border_between_settings_is_theorys_and_no_chord():
    """A straight line from 1.3 to 1.6 would say 85 at 1.4; mean field says 64."""
    curve = with_borders(pd.DataFrame(), [known(sigma) for sigma in (1.0, 1.3, 1.6)])
    assert set(curve["source"]) == {"theory"}
    assert curve["init.sigma_w2"].is_monotonic_increasing
    assert curve["init.sigma_w2"].min() == 0.85
    assert curve["init.sigma_w2"].max() == pytest.approx(1.6 * np.sqrt(1.6 / 1.3))
    at = dict(zip(curve["init.sigma_w2"], curve["theory/deepest"], strict=True))
    assert at[1.3] == pytest.approx(47.0, rel=1e-3)
    assert at[1.6] == pytest.approx(162.2, rel=1e-3)
    found = np.exp(np.interp(1.4, curve["init.sigma_w2"], np.log(curve["theory/deepest"])))
    assert found == pytest.approx(64.4, rel=1e-2)


def test_each_network_has_its_own_curve_and_two_settings_have_none():
    runs = [known(sigma, b) for b in (10, 20) for sigma in (1.0, 1.3)]
    assert len(with_borders(pd.DataFrame({"run": ["a"]}), [*runs, None])) == 1
    runs = [known(sigma, 10, b) for b in (0.05, 0.1) for sigma in (1.0, 1.3, 1.6)]
    curve = with_borders(pd.DataFrame(), runs)
    assert set(curve["init.sigma_b2"]) == {0.05, 0.1}
    assert (curve.groupby("init.sigma_b2").size() >= 100).all()
