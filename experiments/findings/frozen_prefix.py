"""What experiments/README.md says of `frozen_prefix`, computed from its runs."""

from check import table

CELLS = {
    (3, 0.05): ("sigmoid", "tanh", "relu"),
    (3, 0.5): ("sigmoid",),
    (8, 0.05): ("sigmoid", "tanh", "relu"),
    (8, 0.5): ("tanh", "relu"),
}


def findings(study):
    by = ["depth", "lr", "activation", "frozen"]
    accuracy = study.runs.groupby(by, observed=True)["accuracy/test"].mean()
    rows = []
    for (depth, lr), activations in CELLS.items():
        for place, activation in enumerate(activations):
            values = [f"{accuracy[depth, lr, activation, k]:.3f}" for k in range(4)]
            rows.append(["" if place else f"{depth}, {lr}", activation, *values])
    cost = accuracy.xs((8, 0.05, 0), level=["depth", "lr", "frozen"])
    cost = cost - accuracy.xs((8, 0.05, 3), level=["depth", "lr", "frozen"])
    yield (
        f"Three frozen layers of eight cost tanh {cost['tanh']:.2f} and "
        f"ReLU {cost['relu']:.2f} of accuracy"
    )
    yield table("depth, lr | activation | 0 frozen | 1 | 2 | 3", rows)
