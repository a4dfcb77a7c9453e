"""What experiments/README.md says of `vanishing`, computed from its runs."""

import numpy as np
from check import digits, geometric_mean, spans, table


def findings(study):
    best = study.at_best_rate("activation", "depth")
    rates = {}
    rows = []
    for (activation, depth), group in best.groupby(["activation", "depth"], observed=True):
        rates[activation, depth] = group["start/gradient_decay_rate"].mean()
        ratio = geometric_mean(group["start/gradient_first_to_last"])
        accuracy = group["score/test"]
        verdicts = group["verdict"].value_counts()
        rows.append(
            [
                activation,
                str(depth),
                f"{rates[activation, depth]:.2f}",
                digits(ratio),
                f"{group['lr'].iloc[0]:g}",
                spans(group),
                f"{accuracy.mean():.3f} ({accuracy.min():.3f})",
                ", ".join(f"{word} {n}/{len(group)}" for word, n in verdicts.items() if n),
            ]
        )
    header = "activation | depth | decay rate at step 0, nats a layer | first layer / last layer | "
    header += "best lr | rates that train | test accuracy, mean (least) | verdict"
    yield table(header, rows)
    sigmoid = np.mean([rate for (activation, _), rate in rates.items() if activation == "sigmoid"])
    yield f"takes the same {-sigmoid:.2f} nats from the signal"
    chi_1 = study.predicted.query("activation == 'sigmoid'")["theory/chi_1"].iloc[0]
    cells = study.forecast
    right = cells[cells.trains == cells.trained]
    yield (
        f"was right for {len(right)} of {len(cells)} runs: {right.trains.sum()} trained as "
        f"expected and {(~right.trains).sum()} failed as expected"
    )
    yield f"ln(chi_1)/2 = {np.log(chi_1) / 2:.3f} (chi_1 = {chi_1:.3f} at sigma_w2 = 2)"
