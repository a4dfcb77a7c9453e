"""What experiments/README.md says of `rezero_fixup_skipinit`, computed from its runs."""

from check import at_best, first_to_last, forecast_score, over_depths, variants


def findings(study):
    runs = study.runs.assign(variant=variants(study.runs))
    best = study.at_best_rate("variant", "depth", runs=runs)
    yield over_depths(best, ["variant"], at_best)
    yield over_depths(best, ["variant"], first_to_last, "first layer / last layer, variant")
    yield forecast_score(study.forecast)
