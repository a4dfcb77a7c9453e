"""The check of frames that users hand in."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bpexp.errors import ConfigError, one_of, out_of_range


def require_columns(name: str, frame: object, columns: Iterable[str] = ()) -> None:
    """Refuse what is not a data frame with the given columns.

    Args:
        name: the argument's name.
        frame: what was received.
        columns: those that it must have.

    Raises:
        ConfigError: it is something else, or a column is missing.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ConfigError(out_of_range(name, frame, "a data frame, as bpexp.load_* return"))
    for column in columns:
        if column not in frame.columns:
            raise ConfigError(one_of(f"column of {name}", column, map(str, frame.columns)))
