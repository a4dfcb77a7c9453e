"""What experiments/README.md says of `initialization`, computed from its runs."""

from check import table

import bpexp

INITS = ("standard", "glorot_normal", "he_normal", "orthogonal", "lsuv")
ACTIVATIONS = ("sigmoid", "tanh", "softsign", "relu", "selu", "gelu")
RATE = "start/gradient_decay_rate"


def findings(study):
    rates = study.runs.groupby(["init", "activation"], observed=True)[RATE].mean()
    theory = theoretical_rates(study)
    rows = [
        [init, *(f"{rates[init, name]:.3f} / {theory[init, name]:.3f}" for name in ACTIVATIONS)]
        for init in INITS
    ]
    yield table(f"init | {' | '.join(ACTIVATIONS)}", rows)
    cells = study.forecast
    yield f"The forecast was right for {(cells.trains == cells.trained).sum()} of {len(cells)} runs"
    pairs = study.runs.query("init in ('he_normal', 'glorot_normal')")
    paired = bpexp.paired_differences(pairs, "init", RATE)
    print(paired)


def theoretical_rates(study):
    """Return mean field's decay rate of each initialization and activation."""
    raise NotImplementedError
