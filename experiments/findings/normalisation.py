"""What experiments/README.md says of `normalisation`, computed from its runs."""

from check import at_best, forecast_score, over_depths


def findings(study):
    by = ["activation", "norm"]
    yield over_depths(study.at_best_rate(*by, "depth"), by, at_best)
    yield forecast_score(study.forecast)
