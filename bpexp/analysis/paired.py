"""Paired differences: runs that share every draw but for one factor."""

from __future__ import annotations

import pandas as pd

from bpexp.config.schema import IDENTITY_KEYS
from bpexp.errors import BpexpError, one_of


def paired_differences(
    runs: pd.DataFrame, factor: str, value: str, *, base: object = None
) -> pd.DataFrame:
    """Subtract from each run's value that of the run that differs in one factor only.

    Initial draws and batch orders depend on the seed alone, so such pairs share them, and the
    scatter of their differences over seeds is less than that of the values themselves.

    Args:
        runs: as `load_runs` returns them.
        factor: a configuration key, e.g. "activation" or "init"; its group's parameters follow it.
        value: the column that is subtracted, e.g. "accuracy/test".
        base: the factor's level that is subtracted; the first that occurs, by default.

    Returns:
        The rows of the other levels that have a partner, with columns `factor`, `base` and
        `difference`.

    Raises:
        BpexpError: no run has that level.
    """
    levels = runs[factor].dropna().drop_duplicates().sort_values().tolist()
    first = levels[0] if base is None and levels else base
    if first not in levels:
        raise BpexpError(one_of(f"base of {factor}", str(first), map(str, levels)))
    group = factor.split(".")[0]
    shared = [
        name
        for name in runs
        if (name in IDENTITY_KEYS or str(name).split(".")[0] in IDENTITY_KEYS)
        and str(name).split(".")[0] != group
    ]
    keyed = runs.assign(_pair=runs[shared].astype(str).fillna("").agg("|".join, axis=1))
    partners = keyed[keyed[factor] == first].drop_duplicates("_pair").set_index("_pair")[value]
    others = keyed[keyed[factor] != first]
    difference = others[value] - others["_pair"].map(partners)
    found = others.assign(factor=factor, base=str(first), difference=difference).drop(
        columns="_pair"
    )
    return found.dropna(subset=["difference"])
