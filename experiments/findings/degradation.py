"""What experiments/README.md says of `degradation`, computed from its runs."""

from check import at_best, forecast_score, over_depths

from bpexp.analysis.scores import with_score


def error(runs):
    return f"{1 - runs['score/train'].mean():.3f} at {runs['lr'].iloc[0]:g}"


def findings(study):
    best = with_score(study.at_best_rate("skip", "depth"), "train")
    yield over_depths(best, ["skip"], error, "training error, skip")
    yield over_depths(best, ["skip"], at_best)
    yield forecast_score(study.forecast)
