"""What experiments/README.md says of `warmup`, computed from its runs."""

from check import at_best, forecast_score, over_depths


def findings(study):
    by = ["init", "schedule", "schedule.warmup"]
    yield over_depths(study.at_best_rate(*by, "depth"), by, at_best)
    yield forecast_score(study.forecast)
