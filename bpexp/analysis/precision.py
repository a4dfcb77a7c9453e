"""The floating-point audit: zeros, subnormals, overflow, and differences between precisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bpexp.analysis.columns import require_columns

SHARES = ("zero_share", "subnormal_share")


def audit(layers: pd.DataFrame) -> pd.DataFrame:
    """Count the layers with zeros and subnormals and locate overflow, for each probe of each run.

    Subnormal numbers have fewer significant digits the smaller they are. Smaller numbers are
    rounded to 0, and a weight whose gradient is 0 does not change.

    Args:
        layers: columns run, step, layer, q, delta_norm, zero_share, subnormal_share.

    Returns:
        A row for each run and step, in the order of `layers`, with columns run and step;
        zero_layers, the number of layers whose weight gradient is exactly 0 in all entries;
        subnormal_layers, the number of layers with subnormal entries; non_finite_layer, where the
        first number that is not finite arises (the lowest layer whose z^(l) is not finite, else the
        highest whose delta^(l) is not; NaN if all are finite); and non_finite_pass (forward,
        backward, or "").
    """
    require_columns("layers", layers, ("run", "step", "layer", "q", "delta_norm", *SHARES))
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
    """Compare each float32 run with the float64 run of the same configuration and seed.

    Args:
        layers: columns dtype, step, layer, `probe`, and those of `same`.
        probe: the column that is compared.
        same: the columns that are equal in a pair of runs, such as activation, depth and seed.

    Returns:
        The float32 rows whose float64 number at the same step and layer exists, is finite and not
        0, with a column `difference`, |float32 / float64 - 1|; infinite if the float32 number is
        not finite.
    """
    require_columns("layers", layers, ("dtype", "step", "layer", probe, *same))
    at = [*same, "step", "layer"]
    halves = dict(list(layers.groupby("dtype", observed=True)))
    if not {"float32", "float64"} <= halves.keys():
        return layers.head(0).assign(difference=pd.Series(dtype=float))
    exact = halves["float64"][[*at, probe]].rename(columns={probe: "exact"})
    pairs: pd.DataFrame = halves["float32"].merge(exact, on=at)
    pairs = pairs[np.isfinite(pairs["exact"]) & (pairs["exact"] != 0)]
    difference = (pairs[probe] / pairs["exact"] - 1).abs().fillna(np.inf)
    return pairs.drop(columns="exact").assign(difference=difference)
