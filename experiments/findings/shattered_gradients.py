"""What experiments/README.md says of `shattered_gradients`, computed from its runs."""

from check import at_best, forecast_score, over_depths


def correlation(curves):
    return f"{curves['gradient_correlation'].mean():.2f}"


def findings(study):
    by = ["activation", "norm", "skip"]
    start = study.curves.query("step == 0")
    yield over_depths(start, by, correlation, "correlation, activation")
    yield over_depths(study.at_best_rate(*by, "depth"), by, at_best)
    yield forecast_score(study.forecast)
