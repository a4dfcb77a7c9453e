"""What experiments/README.md says of `step_by_step_costs`, computed from its runs."""

from check import table

RATES = (0.05, 0.2, 0.8, 3.2)


def findings(study):
    best = study.at_best_rate("depth", "cost")
    reported = study.runs[study.runs["seed"].isin(best["seed"])]
    accuracy = reported.groupby(["depth", "cost", "lr"], observed=True)["accuracy/test"].mean()
    at_best = best.groupby(["depth", "cost"], observed=True)["score/test"].mean()
    rate = best.groupby(["depth", "cost"], observed=True)["lr"].first()
    rows = [
        [
            str(depth),
            cost,
            *(f"{accuracy[depth, cost, lr]:.3f}" for lr in RATES),
            f"{at_best[depth, cost]:.3f} at {rate[depth, cost]:g}",
        ]
        for depth in (0, 1)
        for cost in ("squared_error", "binary_cross_entropy", "cross_entropy")
    ]
    yield table("depth | cost | lr 0.05 | 0.2 | 0.8 | 3.2 | at the best rate", rows)
