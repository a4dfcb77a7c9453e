"""Sentences and tables of a report against plain computations from the recorded numbers."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from bpexp.report.estimates import Estimate
from bpexp.report.findings import findings, verdicts
from bpexp.report.paired import Difference, differences
from bpexp.report.settings import Setting, settings
from bpexp.results import Tables

T_TWO = 4.302652729911275  # Student's t, 97.5 %, two degrees of freedom


def per_layer(layers, run, source="measured"):
    """Return log(delta^(l) / delta^(l+1)), l = 1 ... L - 1, of a run before training."""
    rows = layers[(layers["run"] == run) & (layers["step"] == 0) & (layers["source"] == source)]
    delta = [rows.loc[rows["layer"] == k + 1, "delta_norm"].item() for k in range(len(rows))]
    return [math.log(low / high) for low, high in itertools.pairwise(delta)]


def own(study, **settings):
    runs = study.tables.runs
    for key, value in settings.items():
        runs = runs[runs[key] == value]
    return runs


def mean_and_half(values):
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, T_TWO * math.sqrt(variance / len(values))


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("depth", [2, 3])
def test_settings_are_means_over_seeds_with_theory(study, activation, depth):
    found = {(one.title, one.depth): one for one in settings(study.tables, {})}
    assert len(found) == 4
    one, runs = found[activation, depth], own(study, activation=activation, depth=depth)
    rates = [np.mean(per_layer(study.tables.layers, run)) for run in runs["run"]]
    mean, half = mean_and_half(rates)
    np.testing.assert_allclose(
        [one.rate.mean, one.rate.low, one.rate.high], [mean, mean - half, mean + half], rtol=1e-6
    )
    theory = np.mean(per_layer(study.tables.layers, runs["run"].iloc[0], "theory"))
    np.testing.assert_allclose(one.theory, theory, rtol=1e-6)
    assert one.score.mean == pytest.approx(runs["accuracy/test"].mean())
    assert (one.n, one.of_layers, one.score.n) == (3, False, 3)
    assert sum(one.verdicts.values()) == 3
    assert one.training == dict(runs["verdict/training"].astype(str).value_counts())


def test_the_interval_of_one_network_is_from_its_layers(study):
    """Three increments have two degrees of freedom."""
    (run,) = own(study, activation="sigmoid", depth=3, seed=0)["run"]
    frames = [frame[frame["run"] == run] for frame in (study.tables.runs, study.tables.layers)]
    (one,) = settings(Tables(*frames, study.tables.curves), {})
    mean, half = mean_and_half(per_layer(study.tables.layers, run))
    assert one.of_layers
    np.testing.assert_allclose([one.rate.low, one.rate.high], [mean - half, mean + half], rtol=1e-6)


def test_the_gradients_sentence_has_the_numbers(study):
    found = findings(settings(study.tables, {}), [], "accuracy")
    (text,) = [finding.text for finding in found if finding.subject == "sigmoid"]
    runs = own(study, activation="sigmoid", depth=3)["run"]
    mean, half = mean_and_half([np.mean(per_layer(study.tables.layers, run)) for run in runs])
    theory = np.mean(per_layer(study.tables.layers, runs.iloc[0], "theory"))
    factor, low, high, told = np.exp([-mean, -mean - half, -mean + half, -theory])
    assert factor > 2
    assert text.startswith(
        f"Before training the gradient shrinks {factor:#.3g} times a layer towards the input at "
        f"depth 3 (95 % interval {low:#.3g} to {high:#.3g} from 3 seeds); theory says {told:#.3g}."
    )


NONE = Estimate(math.nan, math.nan, math.nan, 5)
ONE = Setting("tanh", 2, 5, {"healthy": 5}, {"learnt": 5}, NONE, NONE, False, math.nan, None, None)


def setting(depth, score, **training):
    verdict = {word: count for word, count in training.items()}
    return dataclasses.replace(
        ONE, depth=depth, training=training, verdicts=verdict, score=Estimate.of([score])
    )


def test_depths_at_which_training_did_the_same_share_a_clause():
    found = [
        setting(2, 0.9, learnt=5),
        setting(4, 0.8, learnt=5),
        setting(8, 0.5, learnt=3, stalled=2),
        setting(16, 0.4, learnt=1, stalled=4),
        setting(32, 0.1, stalled=4, diverged=1),
    ]
    (finding,) = findings(found, [], "accuracy")
    assert finding.text == (
        "Depths 2 and 4: learnt (test accuracy 0.800 to 0.900); depths 8 and 16: 1 to 3 of 5 "
        "learnt (test accuracy 0.400 to 0.500); depth 32: never left guessing and diverged (test "
        "accuracy 0.100)."
    )
    assert (
        verdicts(found[:3]) == "tanh: depths 2 and 4 learnt; depth 8 learnt 3 of 5, stalled 2 of 5."
    )


def test_a_growing_gradient_and_an_interval_that_includes_no_change():
    grows = dataclasses.replace(ONE, rate=Estimate(0.1, 0.05, 0.15, 5), theory=-0.02)
    (finding,) = findings([grows], [], "accuracy")
    assert finding.text.startswith(
        "Before training the gradient grows 1.11 times a layer towards the input at depth 2 (95 % "
        "interval 1.05 to 1.16 from 5 seeds); theory says 0.980."
    )
    unclear = dataclasses.replace(ONE, rate=Estimate(-0.1, -0.3, 0.1, 5), of_layers=True)
    (finding,) = findings([unclear], [], "accuracy")
    assert (
        "(95 % interval 0.905 to 1.35 from the scatter over layers, which includes 1, no change)."
        in finding.text
    )


def test_the_forecast_is_counted_in_runs():
    right = dataclasses.replace(ONE, trains=True, forecast_right=1.0)
    half = dataclasses.replace(ONE, depth=9, trains=False, forecast_right=0.4)
    found = findings([right, half, ONE], [], "accuracy")
    assert found[-1].text == (
        "Theory's forecast of which networks train was right for 7 of 10 runs. It was wrong for "
        "tanh at depth 9."
    )


def test_outcomes_decide_whether_a_forecast_was_right(study):
    runs = own(study, activation="relu", depth=2)
    frame = study.tables.runs.assign(**{"theory/trains": True})
    tables = dataclasses.replace(study.tables, runs=frame)
    outcomes = dict(zip(runs["run"], [True, True, False], strict=True))
    found = {(one.title, one.depth): one for one in settings(tables, outcomes)}
    assert found["relu", 2].forecast_right == pytest.approx(2 / 3)
    assert found["relu", 3].forecast_right is None


def test_paired_differences_are_means_over_pairs(study):
    found = {(one.title, one.depth): one for one in differences(study.tables.runs)}
    assert {title for title, _ in found} == {"relu"}
    for depth in (2, 3):
        score = {
            name: own(study, activation=name, depth=depth).set_index("seed")["accuracy/test"]
            for name in ("relu", "sigmoid")
        }
        mean, half = mean_and_half([score["relu"][s] - score["sigmoid"][s] for s in range(3)])
        one = found["relu", depth]
        assert one.base == "sigmoid"
        assert one.estimate.mean == pytest.approx(mean)
        assert one.estimate.high == pytest.approx(mean + half)


def test_the_largest_clear_difference_is_a_finding():
    clear = Difference("tanh", "sigmoid", 4, Estimate(-0.2, -0.3, -0.1, 5))
    unclear = Difference("relu", "sigmoid", 4, Estimate(0.5, -0.1, 1.1, 5))
    (finding,) = findings([], [clear, unclear], "accuracy")
    assert finding.text == (
        "With the same draws tanh scores 0.200 less test accuracy than sigmoid at depth 4 (95 % "
        "interval 0.100 to 0.300 from 5 seeds), the largest of 2 paired differences, 1 of which "
        "exclude 0."
    )
    assert findings([], [unclear], "accuracy") == []


def test_two_values_have_no_interval_and_a_missing_one_no_mean():
    assert not Estimate.of([1.0, 2.0]).has_interval
    assert math.isnan(Estimate.of([1.0, math.nan, 2.0]).mean)
