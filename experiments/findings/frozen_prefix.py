"""What experiments/README.md says of `frozen_prefix`, computed from its runs."""

from check import table


def findings(study):
    best = study.at_best_rate("depth", "activation", "frozen")
    by = ["depth", "activation", "frozen"]
    cells = best.groupby(by, observed=True)
    accuracy, rate = cells["score/test"].mean(), cells["lr"].first()
    rows = []
    for depth in (3, 8):
        for place, activation in enumerate(("sigmoid", "tanh", "relu")):
            values = [
                f"{accuracy[depth, activation, k]:.3f} ({rate[depth, activation, k]:g})"
                for k in range(4)
            ]
            rows.append(["" if place else str(depth), activation, *values])
    cost = {name: accuracy[8, name, 0] - accuracy[8, name, 3] for name in ("tanh", "relu")}
    yield (
        f"Three frozen layers of eight cost tanh {cost['tanh']:.2f} and "
        f"ReLU {cost['relu']:.2f} of accuracy"
    )
    yield table("depth | activation | 0 frozen | 1 | 2 | 3", rows)
