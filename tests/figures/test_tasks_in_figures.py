"""The primary metric of each task, as figures draw it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from figures.artists import labels_of, titles

from bpexp.analysis.scores import scores, tasks_in
from bpexp.figures import FIGURES, learning_curves, score_by_depth, trainability_map, verdict_map
from bpexp.figures.parts.scores import file_name, score_label, score_name
from bpexp.results import Tables

ACCURACY, R2 = [0.4, 0.9, np.nan], [0.7, -5.0, -0.2]


def runs(*tasks):
    """Three runs of one activation a task, at depths 1, 2 and 4, each task on its own data."""
    rows = []
    for task, metric, values in (("digits", "accuracy", ACCURACY), ("diabetes", "r2", R2)):
        for place, (depth, value) in enumerate(zip((1, 2, 4), values, strict=True)):
            row = {
                "run": f"{task}{place}", "name": task, "data": task, "activation": "relu",
                "init": "he_normal", "depth": depth, "seed": 0, "lr": 0.1,
                "chance": 0.1 if task == "digits" else -0.01, "verdict": "healthy",
                f"{metric}/test": value, f"{metric}/train": value,
            }  # fmt: skip
            rows += [row] if task in tasks else []
    return pd.DataFrame(rows)


def test_scores_are_those_of_each_runs_task():
    both = runs("digits", "diabetes")
    np.testing.assert_array_equal(scores(both, "test"), [*ACCURACY, *R2])
    assert [task.metric for task in tasks_in(both, "test")] == ["accuracy", "r2"]
    assert scores(both.drop(columns=["accuracy/test", "r2/test"]), "test").isna().all()


def test_a_run_that_diverged_scores_as_the_best_constant_guess():
    both = runs("digits", "diabetes").assign(diverged_at=np.nan)
    both.loc[[1, 4], "diverged_at"] = 7.0
    both.loc[[1, 4], ["accuracy/test", "r2/test"]] = np.nan
    found, whole = scores(both, "test"), [*ACCURACY, *R2]
    expected = [both["chance"][i] if i in (1, 4) else whole[i] for i in range(len(whole))]
    np.testing.assert_array_equal(found, expected)
    both["chance/test"] = [0.08] * 3 + [np.nan] * 3  # not recorded by the last three
    expected = [0.08 if i == 1 else expected[i] for i in range(len(whole))]
    np.testing.assert_array_equal(scores(both, "test"), expected)
    assert scores(both, "train")[1] == both["chance"][1]


@pytest.mark.parametrize(
    ("tasks", "name", "label", "file"),
    [
        (["digits"], "accuracy", "test accuracy (share correct)", "accuracy_by_depth"),
        (["diabetes"], "$R^2$", "test $R^2$ (share of variance)", "r2_by_depth"),
        (["digits", "diabetes"], "score", "test score (accuracy, $R^2$)", "score_by_depth"),
    ],
)
def test_figures_name_the_metric_of_their_task(tasks, name, label, file):
    frame = runs(*tasks)
    assert score_name(frame, "test") == name
    assert score_label(frame, "test") == label
    assert file_name("score_by_depth", frame) == file
    figure = score_by_depth(frame)
    assert labels_of(figure)[1] == [label]
    assert figure.get_suptitle() == f"Test {name} after training"
    panels = sorted(tasks) if len(tasks) > 1 else [""]
    assert titles(figure) == panels


def test_each_panel_draws_its_own_metric_and_guess():
    figure = score_by_depth(runs("digits", "diabetes"))
    drawn = {
        panel.get_label(): [line.get_ydata() for line in panel.lines if len(line.get_ydata())]
        for panel in figure.axes
    }
    np.testing.assert_allclose(drawn["digits"][0], [0.4, 0.9])
    np.testing.assert_allclose(drawn["diabetes"][0], R2)
    assert {name: set(lines[-1]) for name, lines in drawn.items()} == {
        "digits": {0.1},
        "diabetes": {-0.01},
    }


def test_a_scores_axis_ends_at_0_or_where_scores_are_down_to_minus_1():
    def limits(frame):
        return score_by_depth(frame).axes[0].get_ylim()

    assert limits(runs("digits")) == (0, 1.03)
    assert limits(runs("diabetes")) == (-1.03, 1.03)
    assert limits(runs("diabetes").iloc[[0]]) == (pytest.approx(-0.04), 1.03)
    assert limits(runs("diabetes").iloc[[0, 2]]) == (pytest.approx(-0.23), 1.03)


def test_verdicts_and_curves_show_the_score():
    figure = verdict_map(runs("diabetes"))
    assert figure.get_suptitle() == "Verdict and test $R^2$\ngradient: step 0 → end"
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["healthy\n0.700", "healthy\n-5.000", "healthy\n-0.200"]
    curves = runs("diabetes").assign(
        **{"loss/test": 1.0, "cost": "squared_error", "epoch": [0, 1, 2]}
    )
    pair = learning_curves(curves.assign(run="a", depth=1)).axes
    assert [panel.get_ylabel() for panel in pair] == ["test loss", "test $R^2$"]
    np.testing.assert_allclose(pair[1].lines[0].get_ydata(), R2)


@pytest.mark.parametrize(("task", "extend"), [("diabetes", "min"), ("digits", "neither")])
def test_a_map_of_scores_below_0_has_an_open_scale(task, extend):
    frames = [
        runs(task).assign(lr=lr, run=lambda rows: rows["run"] + rows["lr"].map(str))
        for lr in (0.1, 0.2, 0.4)
    ]
    panel, bar = trainability_map(pd.concat(frames)).axes
    (mesh,) = panel.collections
    assert mesh.get_clim() == (0, 1)
    assert mesh.colorbar.extend == extend
    assert bar.get_ylabel() == f"{score_label(runs(task), 'train')}\none network"


def test_a_drawing_takes_the_columns_of_its_tasks():
    frame = runs("digits", "diabetes")
    data = FIGURES["score_by_depth"].data(Tables(frame, frame.head(0), frame.head(0)))
    assert {"accuracy/test", "r2/test"} <= set(data)
    data = FIGURES["score_by_depth"].data(Tables(runs("digits"), frame.head(0), frame.head(0)))
    assert "r2/test" not in data
    empty = frame.assign(**{"accuracy/test": np.nan, "r2/test": np.nan})
    assert FIGURES["score_by_depth"].data(Tables(empty, frame, frame)).empty
