"""What experiments/README.md says of `float_audit`, computed from its runs."""

import numpy as np
from check import table

from bpexp.analysis.precision import audit, match_precisions


def span(values, between=" to "):
    """Return the least and the greatest of some integers, once if they are the same."""
    return between.join(f"{value:.0f}" for value in sorted({min(values), max(values)}))


def power(value):
    """Return the nearest power of ten."""
    return f"1e{round(np.log10(value))}"


def short(value):
    """Return a number below 1 with one digit, such as 4e-7."""
    return f"{value:.0e}".replace("e-0", "e-")


def findings(study):
    keys = ["run", "activation", "init", "dtype", "diverged_at", "start/gradient_decay_rate"]
    runs = audit(study.start).merge(study.runs[[*keys, "start/grad_norm_first"]], on="run")
    found = {key: rows for key, rows in runs.groupby(keys[1:4], observed=True)}
    pairs = match_precisions(study.start, "grad_norm", ["activation", "init", "seed"])
    off = {key: rows["difference"] for key, rows in pairs.groupby(keys[1:3], observed=True)}

    def rate(*network):
        return f"{found[*network, 'float64']['start/gradient_decay_rate'].mean():.2f}"

    def first(*network):
        return found[*network, "float64"]["start/grad_norm_first"]

    dead = found["sigmoid", "he_normal", "float32"]
    over = found["relu", "normal", "float32"]
    steps = [
        span(found["relu", "normal", dtype]["diverged_at"]) for dtype in ("float32", "float64")
    ]
    yield table(
        "network | decay rate | float32 | float64",
        [
            [
                "sigmoid, he_normal",
                rate("sigmoid", "he_normal"),
                f"{span(dead['zero_layers'])} layers with gradients of exactly 0, "
                f"{span(dead['subnormal_layers'])} with subnormals: verdict dead",
                f"first gradient {power(first('sigmoid', 'he_normal').median())}: vanishing",
            ],
            [
                "sigmoid, normal (Var W = 1)",
                rate("sigmoid", "normal"),
                f"in range, {short(off['sigmoid', 'normal'].mean())} off the twin",
                "in range",
            ],
            [
                "relu, he_normal",
                rate("relu", "he_normal"),
                f"in range, {short(off['relu', 'he_normal'].mean())} off",
                "in range",
            ],
            [
                "relu, normal",
                rate("relu", "normal"),
                f"z overflows at layer {span(over['non_finite_layer'], ' or ')}: "
                f"diverged at step {steps[0]}",
                f"gradients of {power(first('relu', 'normal').min())} to "
                f"{power(first('relu', 'normal').max())}: diverged at step {steps[1]}",
            ],
        ],
    )
    worst = max(off["sigmoid", "normal"].max(), off["relu", "he_normal"].max())
    yield f"twins agree to {short(worst)} or better"
