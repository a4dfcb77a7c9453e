"""Made-up tables of sweeps, with numbers that follow simple formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from bpexp.analysis.verdict import AXES, VERDICTS
from bpexp.nn import ACTIVATIONS, INITIALIZERS
from bpexp.results import Tables

# nats a layer by which a signal shrinks towards the input
RATES = {"sigmoid": -1.2, "tanh": -0.15, "relu": 0.02, "leaky": 0.03, "selu": 0.1, "gelu": -0.7}
SIX, EIGHT = tuple(RATES), (1, 2, 4, 6, 8, 12, 16, 32)
ORDERS = {"activation": [*ACTIVATIONS], "init": [*INITIALIZERS], "verdict": [*VERDICTS], **AXES}
ORDERS["dtype"] = ["float32", "float64"]


def tables(
    activations=("sigmoid", "tanh", "relu"),
    depths=(2, 4, 8),
    *,
    seeds=(0,),
    epochs=3,
    inits=("he_normal",),
    rates=(0.05,),
    dtypes=("float32",),
    frozen=(0,),
    skips=("none",),
    norms=("none",),
    theory=True,
    zero_below=0.0,
    broken_from=math.inf,
    subnormal=False,
    jacobian=False,
):
    """Return made-up tables of a sweep.

    Args:
        zero_below: gradient norms below this are 0.
        broken_from: the epoch from which all numbers are NaN.
        subnormal: whether a share of the gradients is subnormal.
        jacobian: whether spectra and moments of the Jacobian were measured.
        theory: whether theory's rows are there.
        others: the values of the sweep's factors.
    """
    rng = np.random.default_rng(0)
    runs, layers, curves, spectra = [], [], [], []
    sweep = itertools.product(
        activations, inits, depths, rates, dtypes, frozen, skips, norms, seeds
    )
    for i, (activation, init, depth, lr, dtype, kept, skip, norm, seed) in enumerate(sweep):
        own = {"run": f"{i:016x}", "name": f"{activation}-d{depth}-s{seed}", "study": "t"}
        own |= {"depth": depth, "width": 64, "activation": activation, "init": init, "lr": lr}
        own |= {"activation.negative_slope": 0.01 if activation == "leaky" else np.nan}
        own |= {"skip": skip, "norm": norm} if len(skips) * len(norms) > 1 else {}
        own |= {"cost": "cross_entropy", "seed": seed, "dtype": dtype, "frozen": kept}
        rate = RATES.get(activation, -0.3)
        learnt = 1 / (1 + math.exp(-6 - rate * depth))
        for epoch in range(epochs + 1):
            at = {"step": 90 * epoch, "epoch": float(epoch)}
            for layer in range(1, depth + 2):
                exact = math.exp(rate * (depth + 1 - layer))
                size = exact * math.exp(rng.normal(0, 0.1) - 0.1 * epoch)
                size = math.nan if epoch >= broken_from else size if size > zero_below else 0.0
                cell = {**own, **at, "layer": layer, "grad_norm": size, "delta_norm": size}
                cell |= stream(layer, depth) if skip != "none" else {}
                cell |= {"q": 1.0, "subnormal_share": 0.25 * subnormal, "zero_share": rng.random()}
                dies = activation == "relu" and layer <= depth
                cell |= {"dead": rng.random() * dies if layer <= depth else np.nan}
                layers.append({**cell, "source": "measured"})
                if theory and epoch == 0:
                    told = {"grad_norm": exact, "delta_norm": exact, "source": "theory"}
                    told |= stream(layer, depth) if skip != "none" else {}
                    layers.append({**own, **at, "layer": layer, **told})
            done = learnt * (1 - math.exp(-epoch)) if epoch < broken_from else math.nan
            metrics = {"loss/test": 2.3 * (1 - 0.9 * done), "accuracy/test": 0.1 + 0.87 * done}
            curves.append({**own, **at, **metrics, "loss/train": 1.0, "accuracy/train": 0.5})
            for example, rank in itertools.product((0, 1), (1, 2, 3) if jacobian else ()):
                value = 10.0 ** (-rank - epoch - depth / 10)
                which = {"example": example, "rank": rank, "jacobian_spectrum": value}
                spectra.append({**own, **at, **which})
        verdict = "healthy" if learnt > 0.8 else "vanishing"
        accuracy = math.nan if broken_from == 0 else 0.1 + 0.87 * learnt + rng.normal(0, 0.005)
        row = {**own, "verdict": verdict, "chance": 0.1, "accuracy/test": accuracy}
        gradient = "preserved" if verdict == "healthy" else "vanishing"
        row |= {"verdict/gradient_start": gradient, "verdict/gradient_end": gradient}
        row |= {"verdict/training": "learnt" if verdict == "healthy" else "stalled"}
        row |= {"task": "classification"}
        row |= {"accuracy/train": accuracy, "source": "measured"}
        if theory:
            row |= {"theory/deepest": 10.0, "theory/sigma_b2": 0.0, "theory/sigma_w2": 1 + lr}
        if jacobian:
            row |= {"start/jacobian_mean_square": 2.0, "theory/jacobian_mean_square": 1.0}
            row |= {"start/jacobian_relative_variance": 3.0}
        runs.append(row)
    line = [
        {"activation": name, "theory/sigma_w2": w, "theory/sigma_b2": b, "source": "theory"}
        for name in activations
        for w, b in ((1.0, 0.0), (1.8, 0.05))
    ]
    measurements = {"jacobian_spectrum": typed(spectra)} if jacobian else {}
    plane = typed([*line, *runs]) if theory else pd.DataFrame()
    return Tables(typed(runs), typed(layers), typed(curves), measurements, plane, typed(runs))


def stream(layer, depth):
    """Return what is measured of a stream at a layer: a variance that grows by 1 a block."""
    if layer > depth:
        return {}
    branch = 1.0 if layer > 1 else math.nan
    return {
        "stream_variance": float(layer),
        "stream_squared_mean": 0.1,
        "branch_variance": branch,
    }


def typed(rows):
    """Return rows as a frame whose factors have the ordered categories of a study's frames."""
    frame = pd.DataFrame(rows)
    for name, order in ORDERS.items():
        if name in frame:
            frame[name] = pd.Categorical(frame[name], order, ordered=True)
    return frame


def only(**frames):
    """Return tables of which all but these are empty."""
    return Tables(
        **{"runs": pd.DataFrame(), "layers": pd.DataFrame(), "curves": pd.DataFrame()} | frames
    )
