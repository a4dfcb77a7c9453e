"""Findings: sentences about what a study measured, with intervals and theory's values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from bpexp.report.paired import Difference
from bpexp.report.settings import Setting

MOST = 12  # number of settings that have a sentence
PHRASES = {
    "learnt": "learnt",
    "stalled": "never left guessing",
    "wrecked": "wrecked by training",
    "diverged": "diverged",
}


@dataclass(frozen=True)
class Finding:
    """A sentence or two about one subject."""

    subject: str
    text: str


def findings(
    found: Sequence[Setting], differences: Sequence[Difference], metric: str
) -> list[Finding]:
    """Return the findings of a study.

    Args:
        found: its settings, see `bpexp.report.settings`.
        differences: its paired differences.
        metric: the name of the score, such as "accuracy".
    """
    by_title = [(title, [*own]) for title, own in groupby(found, key=lambda one: one.title)]
    sentences = [
        Finding(title or "All runs", " ".join([*_gradient(own), _training(own, metric)]))
        for title, own in by_title[:MOST]
    ]
    if len(by_title) > MOST:
        rest = f"{len(by_title) - MOST} more settings are in the tables below."
        sentences.append(Finding("Others", rest))
    return [*sentences, *_forecast(found), *_paired(differences, metric)]


def verdicts(found: Sequence[Setting]) -> str:
    """Return the verdicts of all settings as text, which describes the map of verdicts."""
    parts = []
    for title, own in groupby(found, key=lambda one: one.title):
        words: dict[str, list[Setting]] = {}
        for one in own:
            counts = [
                word if count == one.n else f"{word} {count} of {one.n}"
                for word, count in one.verdicts.items()
            ]
            words.setdefault(", ".join(counts) or "no verdict", []).append(one)
        clauses = "; ".join(f"{_depths(those)} {word}" for word, those in words.items())
        parts.append(f"{title}: {clauses}." if title else f"{clauses}.")
    return " ".join(parts)


def _gradient(own: Sequence[Setting]) -> list[str]:
    """Return the decay of the gradient before training, at the largest depth that has a rate."""
    deepest = next((one for one in reversed(own) if math.isfinite(one.rate.mean)), None)
    if deepest is None:
        return []
    rate = deepest.rate
    verb, sign = ("shrinks", -1) if rate.mean < 0 else ("grows", 1)
    low, high = sorted((math.exp(sign * rate.low), math.exp(sign * rate.high)))
    of = "the scatter over layers" if deepest.of_layers else f"{rate.n} seeds"
    one = ", which includes 1, no change" if low <= 1 <= high else ""
    ends = f" (95 % interval {_three(low)} to {_three(high)} from {of}{one})"
    interval = ends if rate.has_interval else ""
    theory = f"; theory says {_three(math.exp(sign * deepest.theory))}"
    return [
        f"Before training the gradient {verb} {_three(math.exp(sign * rate.mean))} times a layer "
        f"towards the input at depth {deepest.depth}{interval}"
        f"{theory if math.isfinite(deepest.theory) else ''}."
    ]


def _three(number: float) -> str:
    """Return a number with three digits.

    >>> _three(1.0), _three(1234.0)
    ('1.00', '1.23e+03')
    """
    return f"{number:#.3g}".rstrip(".")


def _training(own: Sequence[Setting], metric: str) -> str:
    """Return what training did at each depth; depths with the same outcome share a clause."""
    depths: dict[str, list[Setting]] = {}
    for one in own:
        learnt = one.training.get("learnt", 0)
        others = " and ".join(PHRASES.get(word, word) for word in one.training)
        depths.setdefault("some" if 0 < learnt < one.n else others, []).append(one)
    clauses = [
        f"{_depths(those)}: {_learnt(those) if words == 'some' else words}{_scores(those, metric)}"
        for words, those in depths.items()
    ]
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}."


def _learnt(those: Sequence[Setting]) -> str:
    """Return how many networks learnt, for settings in which some did and some did not."""
    low, high = (pick(one.training["learnt"] for one in those) for pick in (min, max))
    of = max(one.n for one in those)
    return f"{low} of {of} learnt" if low == high else f"{low} to {high} of {of} learnt"


def _depths(those: Sequence[Setting]) -> str:
    """Return depths in words.

    >>> _depths([])
    'no depth'
    """
    if not those:
        return "no depth"
    *first, last = [str(one.depth) for one in those]
    return f"depths {', '.join(first)} and {last}" if first else f"depth {last}"


def _scores(those: Sequence[Setting], metric: str) -> str:
    """Return the test score of one depth with its interval, or the range over several."""
    scores = [one.score for one in those if math.isfinite(one.score.mean)]
    if len(scores) == 1:
        interval = scores[0]
        ends = f", 95 % interval {interval.low:.3f} to {interval.high:.3f}"
        return f" (test {metric} {interval.mean:.3f}{ends if interval.has_interval else ''})"
    if not scores:
        return ""
    low, high = min(one.mean for one in scores), max(one.mean for one in scores)
    return f" (test {metric} {low:.3f} to {high:.3f})"


def _forecast(found: Sequence[Setting]) -> list[Finding]:
    """Return the number of runs for which theory's forecast was right, and the exceptions."""
    known = [(one, one.forecast_right) for one in found if one.forecast_right is not None]
    if not known:
        return []
    right, n = sum(share * one.n for one, share in known), sum(one.n for one, _ in known)
    wrong = [one for one, share in known if share < 1]
    text = f"Theory's forecast of which networks train was right for {right:.0f} of {n} runs."
    if wrong:
        text += f" It was wrong for {_listed(wrong)}."
    return [Finding("Forecast", text)]


def _listed(wrong: Sequence[Setting]) -> str:
    shown = [f"{one.title} at depth {one.depth}".strip() for one in wrong[:4]]
    more = f" and {len(wrong) - 4} more settings" if len(wrong) > 4 else ""
    return ", ".join(shown) + more


def _paired(differences: Sequence[Difference], metric: str) -> list[Finding]:
    """Return the largest paired difference whose interval excludes 0."""
    clear = [one for one in differences if one.is_clear]
    if not clear:
        return []
    most = max(clear, key=lambda one: abs(one.estimate.mean))
    more = "more" if most.estimate.mean > 0 else "less"
    ends = sorted((abs(most.estimate.low), abs(most.estimate.high)))
    text = (
        f"With the same draws {most.title} scores {abs(most.estimate.mean):.3f} {more} test "
        f"{metric} than {most.base} at depth {most.depth} (95 % interval {ends[0]:.3f} to "
        f"{ends[1]:.3f} from {most.estimate.n} seeds), the largest of {len(differences)} paired "
        f"differences, {len(clear)} of which exclude 0."
    )
    return [Finding("Paired", text)]
