"""What experiments/README.md says of `initialization`, computed from its runs."""

import numpy as np
from check import spans, table
from scipy.stats import t

from bpexp.analysis.averages import half_width

INITS = ("standard", "glorot_normal", "he_normal", "orthogonal", "lsuv")
ACTIVATIONS = ("sigmoid", "tanh", "softsign", "relu", "selu", "gelu")
RATE = "start/gradient_decay_rate"


def decay_rate(layers):
    """Return the mean of log(delta_norm^(l) / delta_norm^(l+1)) over the layers of a run."""
    return -np.diff(np.log(layers.sort_values("layer")["delta_norm"])).mean()


def findings(study):
    by = ["init", "activation"]
    best = study.at_best_rate(*by)
    rates = best.groupby(by, observed=True)[RATE].mean()
    predicted = study.theory.groupby([*by, "run"], observed=True).apply(decay_rate)
    theory = predicted.groupby(level=by, observed=True).mean()
    rows = [
        [init, *(f"{rates[init, name]:.3f} / {theory[init, name]:.3f}" for name in ACTIVATIONS)]
        for init in INITS
    ]
    yield table(f"init, decay rate | {' | '.join(ACTIVATIONS)}", rows)
    groups = {key: group for key, group in best.groupby(by, observed=True)}
    rows = [
        [
            init,
            *(
                f"{group['score/test'].mean():.2f} at {group['lr'].iloc[0]:g} ({spans(group)})"
                for group in (groups[init, name] for name in ACTIVATIONS)
            ),
        ]
        for init in INITS
    ]
    yield table(f"init, test accuracy | {' | '.join(ACTIVATIONS)}", rows)
    cells = study.forecast
    right = (cells.trains == cells.trained).sum()
    yield f"The forecast was right for {right} of {len(cells)} runs"
    paired, apart = [], []
    for name, label in {"tanh": "tanh", "relu": "ReLU"}.items():
        own = best[best["activation"] == name].sort_values("seed")
        he, glorot = (own[own["init"] == f"{init}_normal"][RATE] for init in ("he", "glorot"))
        difference = he - glorot.to_numpy()
        paired.append(f"{difference.mean():.4f} +- {half_width(difference):.4f} ({label})")
        error = np.hypot(he.sem(), glorot.sem())
        apart.append(f"+- {t.ppf(0.975, len(he) + len(glorot) - 2) * error:.4f}")
    yield f"`he_normal` and `glorot_normal` is {' and '.join(paired)}"
    yield f"independent samples the same runs give {' and '.join(apart)}"
