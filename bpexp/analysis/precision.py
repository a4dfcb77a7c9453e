"""The floating-point audit: where a network's numbers leave their dtype's range or lose digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def audit(layers: pd.DataFrame) -> pd.DataFrame:
    """Audit every probe of every run: zeros, subnormals, overflow.

    Subnormal numbers have fewer digits the smaller they are; below them there is 0, and the weights
    that such a gradient belongs to stand still for ever.

    Args:
        layers: columns run, step, layer, q, delta_norm, zero_share, subnormal_share.

    Returns:
        A row a run and step, in the order of `layers`: run, step; zero_layers and subnormal_layers
        (how many layers have a weight gradient with exact zeros only, and with subnormal entries);
        non_finite_layer (where the first number that is not finite arises: the lowest layer whose
        z^(l) is not, else the highest whose delta^(l) is not; NaN where all are finite) and
        non_finite_pass (forward, backward, or "").
    """
    rows = []
    for (run, step), probe in layers.groupby(["run", "step"], sort=False):
        forward = probe.loc[~np.isfinite(probe["q"]), "layer"]
        backward = probe.loc[~np.isfinite(probe["delta_norm"]), "layer"]
        broken = forward.min() if len(forward) else backward.max()
        rows.append(
            {
                "run": run,
                "step": step,
                "zero_layers": int((probe["zero_share"] == 1).sum()),
                "subnormal_layers": int((probe["subnormal_share"] > 0).sum()),
                "non_finite_layer": float(broken),
                "non_finite_pass": "forward" if len(forward) else "backward" * bool(len(backward)),
            }
        )
    return pd.DataFrame(rows)


def match_precisions(layers: pd.DataFrame, probe: str, same: Sequence[str]) -> pd.DataFrame:
    """Compare each float32 run with its float64 twin: the same configuration and draw.

    Args:
        layers: columns dtype, step, layer, the probe's, and those of `same`.
        probe: the quantity compared.
        same: the columns that make two runs twins, such as activation, depth and seed.

    Returns:
        The float32 rows that have a twin's finite number other than 0 at their step and layer, with
        a column `difference`, |float32 / float64 - 1|; infinite where the float32 number is not
        finite.
    """
    at = [*same, "step", "layer"]
    halves = dict(list(layers.groupby("dtype", observed=True)))
    if not {"float32", "float64"} <= halves.keys():
        return layers.head(0).assign(difference=pd.Series(dtype=float))
    exact = halves["float64"][[*at, probe]].rename(columns={probe: "exact"})
    pairs: pd.DataFrame = halves["float32"].merge(exact, on=at)
    pairs = pairs[np.isfinite(pairs["exact"]) & (pairs["exact"] != 0)]
    difference = (pairs[probe] / pairs["exact"] - 1).abs().fillna(np.inf)
    return pairs.drop(columns="exact").assign(difference=difference)
