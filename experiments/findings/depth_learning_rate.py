"""What experiments/README.md says of `depth_learning_rate`, computed from its runs."""

from check import table

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)


def findings(study):
    accuracy = study.runs.groupby(["activation", "depth", "lr"], observed=True)["accuracy/test"]
    means = accuracy.mean()
    rows = [
        [str(depth), *(f"{means['tanh', depth, lr]:.2f}" for lr in RATES)]
        for depth in (2, 8, 16, 32)
    ]
    yield table(f"depth | lr {' | '.join(map(str, RATES))}", rows)
    best = means["relu", 32].max()
    yield f"ReLU at depth 32 trains at no rate within 10 epochs: {best:.2f} at best"
