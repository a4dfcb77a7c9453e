"""What experiments/README.md says of `step_by_step_costs`, computed from its runs."""

from check import table

RATES = (0.05, 0.2, 0.8, 3.2)


def findings(study):
    accuracy = study.runs.groupby(["depth", "cost", "lr"], observed=True)["accuracy/test"].mean()
    rows = [
        [str(depth), cost, *(f"{accuracy[depth, cost, lr]:.3f}" for lr in RATES)]
        for depth in (0, 1)
        for cost in ("squared_error", "binary_cross_entropy", "cross_entropy")
    ]
    yield table("depth | cost | lr 0.05 | 0.2 | 0.8 | 3.2", rows)
