"""What experiments/README.md says of `skip_connections`, computed from its runs."""

from check import at_best, first_to_last, forecast_score, over_depths, variants


def findings(study):
    runs = study.runs.assign(variant=variants(study.runs))
    by = ["activation", "variant"]
    best = study.at_best_rate(*by, "depth", runs=runs)
    yield over_depths(best, by, at_best)
    yield over_depths(best, by, first_to_last, "first layer / last layer, activation")
    yield forecast_score(study.forecast)
