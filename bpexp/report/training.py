"""Gradient norms of every layer through training, encoded in few bytes for the page's chart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bpexp.figures.parts import style
from bpexp.figures.parts.factors import compared_factor
from bpexp.figures.parts.look import Look

MOST_STEPS = 60
MOST_NUMBERS = 300_000  # about 1.5 MB
SCALE = 100  # norms are encoded as round(SCALE * log10(norm)), with errors up to 1.2 %
ZERO = -99_999  # the code of a norm that is exactly 0


def norms_through_training(runs: pd.DataFrame, layers: pd.DataFrame) -> dict[str, Any]:
    """Return the data of the chart, as values for JSON.

    Args:
        runs: columns run, name, and the factor that is compared.
        layers: columns run, source, step, layer and grad_norm.

    Returns:
        steps (at most MOST_STEPS of those at which runs were measured, with the first and last),
        scale, zero, and runs: of each its id, name, level, colour, norms (of each step up to the
        run's last the norms of the layers at the last probe before or at it), theory (the norms at
        step 0, or null). A norm is round(scale * log10(norm)), zero for 0 and null if not finite.
    """
    factor = compared_factor(runs)
    palette = style.colours(runs, factor, Look())
    parts = {source: rows for source, rows in layers.groupby("source")} if len(layers) else {}
    measured = _tables(parts.get("measured"))
    theory = _tables(parts.get("theory"))
    widths = sum(norms.shape[1] for _, norms in measured.values())
    every = np.unique(np.concatenate([[0], *(steps for steps, _ in measured.values())]))
    most = max(2, min(MOST_STEPS, MOST_NUMBERS // max(widths, 1), len(every)))
    steps = every[np.linspace(0, len(every) - 1, most).round().astype(int)]
    drawn = []
    for row in runs.to_dict("records"):
        if row["run"] not in measured:
            continue
        own, norms = measured[row["run"]]
        # If the run ended between two steps, its last probe is shown at the later one.
        shown = steps[: np.searchsorted(steps, own[-1]) + 1]
        at = np.searchsorted(own, shown, side="right") - 1
        predicted = theory.get(row["run"])
        drawn.append(
            {
                "id": row["run"],
                "name": row["name"],
                "level": str(row[factor]),
                "colour": palette[row[factor]],
                "norms": [_quantised(norms[i]) for i in at],
                "theory": _quantised(predicted[1][0]) if predicted else None,
            }
        )
    return {"steps": steps.tolist(), "scale": SCALE, "zero": ZERO, "runs": drawn}


def _tables(
    layers: pd.DataFrame | None,
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return the steps, (S,), and gradient norms, (S, L), of each run."""
    if layers is None or "grad_norm" not in layers:
        return {}
    # One sort of all rows: a frame of each run's rows would take a millisecond a run.
    codes, names = pd.factorize(layers["run"])
    steps, which = (layers[name].to_numpy(np.int64) for name in ("step", "layer"))
    order = np.lexsort((which, steps, codes))
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    columns = (
        np.split(values[order], ends) for values in (steps, layers["grad_norm"].to_numpy(float))
    )
    found = {}
    for name, run_steps, norms in zip(names, *columns, strict=True):
        measured = np.unique(run_steps)
        found[str(name)] = measured, norms.reshape(len(measured), -1)
    return found


def _quantised(norms: NDArray[np.float64]) -> list[int | None]:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = SCALE * np.log10(norms)
    return [
        ZERO if norm == 0 else round(log) if np.isfinite(log) else None
        for norm, log in zip(norms.tolist(), logs.tolist(), strict=True)
    ]
