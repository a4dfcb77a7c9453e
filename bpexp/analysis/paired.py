"""Paired differences: runs that have the same seed and differ in one factor only."""

from __future__ import annotations

import pandas as pd

from bpexp.analysis.columns import require_columns
from bpexp.config.schema import IDENTITY_KEYS
from bpexp.errors import BpexpError, one_of


def paired_differences(
    runs: pd.DataFrame, factor: str, value: str, *, base: object = None
) -> pd.DataFrame:
    """Subtract from each run's value that of the run that differs in one factor only.

    The batch order and the base draw of the weights depend on the seed alone; an initialization
    transforms that draw (`bpexp.nn.initializers` says how closely two of them correlate). Such runs
    are therefore paired, and their differences vary less over seeds than the values themselves.

    Args:
        runs: as `load_runs` returns them.
        factor: a configuration key. The parameters of a choice, such as "activation" or "init", may
            differ with it. If it is a parameter, such as "init.sigma_w2", all others are equal in a
            pair.
        value: the column of the values, such as "accuracy/test".
        base: the level of the factor whose runs are subtracted; by default that of the first row.

    Returns:
        The rows of the other levels that have a partner, in their order, with columns `factor`,
        `base` and `difference`, the difference of two networks; NaN where one of them has no value,
        as a run that failed. Where the base level occurs with several values of a parameter that
        the other level has too, the values of a pair are equal.

    Raises:
        BpexpError: a column is missing, no run has the base level, or a run has several partners:
            the base level occurs with several values of a parameter that the other level lacks, or
            the rows include superseded runs.
    """
    require_columns("runs", runs, (factor, value))
    known = runs[runs[factor].notna()]
    first = known[factor].iloc[0] if base is None and len(known) else base
    levels = known[factor].drop_duplicates().tolist()
    if first not in levels:
        raise BpexpError(one_of(f"base of {factor}", str(first), map(str, levels)))
    columns = [str(name) for name in runs]
    follow = [name for name in columns if name.startswith(f"{factor}.")]
    shared = [
        name
        for name in columns
        if (name in IDENTITY_KEYS or name.split(".")[0] in IDENTITY_KEYS)
        and name not in (factor, *follow)
    ]
    partners = known[known[factor] == first]
    varying = [name for name in follow if partners[name].nunique() > 1]
    found = [pd.Series(dtype=float)]
    for level in levels:
        if level != first:
            others = known[known[factor] == level]
            equal = [*shared, *(name for name in varying if others[name].notna().all())]
            _refuse_several(partners, equal, factor, first, varying)
            found.append(_differences(others, partners, equal, value))
    differences = pd.concat(found)
    rows = known.assign(factor=factor, base=str(first), difference=differences)
    return rows[rows.index.isin(differences.index)]


def _differences(
    others: pd.DataFrame, partners: pd.DataFrame, shared: list[str], value: str
) -> pd.Series[float]:
    """Return the difference of each run from its partner, for the runs that have one."""
    values = partners[value].set_axis(pd.Index(_pair(partners, shared)))
    pairs = _pair(others, shared)
    paired = pairs.isin(values.index)
    return others.loc[paired, value] - pairs[paired].map(values)


def _refuse_several(
    partners: pd.DataFrame, shared: list[str], factor: str, base: object, varying: list[str]
) -> None:
    if _pair(partners, shared).duplicated().any():
        of = ", ".join(
            f"{name} ({', '.join(map(str, sorted(partners[name].dropna().unique())))})"
            for name in varying
            if name not in shared
        )
        what = f"several values of {of}; keep one" if of else "superseded runs; leave them out"
        raise BpexpError(f"base of {factor}: {base} has {what}")


def _pair(runs: pd.DataFrame, shared: list[str]) -> pd.Series[str]:
    """Return a text for each run that is equal for the runs of a pair."""
    texts: pd.Series[str] = runs[shared].astype(str).fillna("").agg("|".join, axis=1)
    return texts
