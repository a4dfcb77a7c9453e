"""Maps: verdicts, forecasts, trainability and the phase diagram."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from figures.artists import cells, legend_of, titles
from figures.made_up import only, tables
from matplotlib.colors import to_hex

from bpexp.analysis.verdict import AXES
from bpexp.errors import ConfigError
from bpexp.figures import (
    FIGURES,
    best_rate_map,
    forecast_map,
    forecasts,
    phase_diagram,
    trainability_map,
    verdict_map,
    verdicts,
)
from bpexp.figures.maps import points_of_phase_diagram

OWN = {"init": "he_normal", "lr": 0.1, "width": 8, "chance": 0.1}


def texts_in(figure):
    return [text for panel in figure.axes for text in panel.texts]


def test_verdict_map_names_and_colours_cells():
    runs = tables(("sigmoid", "relu"), (2, 8), seeds=(0, 1, 2)).runs
    runs.loc[runs["name"] == "relu-d8-s1", "verdict"] = "dead"
    (panel,) = verdict_map(runs).axes
    words = [text.get_text().split("\n") for text in panel.texts]
    headlines = ["healthy", "healthy", "vanishing", "healthy 2, dead 1"]
    assert [word for word, _, _ in words] == headlines
    means = runs.groupby(["depth", "activation"], observed=True)["accuracy/test"].mean()
    did = [(word, float(number)) for word, number in (line.split() for _, line, _ in words)]
    assert [word for word, _ in did] == ["learnt", "learnt", "stalled", "learnt"]
    assert [number for _, number in did] == pytest.approx(list(means), abs=5e-4)
    assert [word for _, _, word in words] == ["preserved", "preserved", "vanishing", "preserved"]
    assert cells(panel) == [verdicts.COLOURS[word.split()[0]] for word in headlines]


def test_the_shares_of_verdicts_divide_a_cell():
    runs = tables(("relu",), (2,), seeds=range(5)).runs
    runs["verdict"] = ["healthy", "dead", "healthy", "diverged", "healthy"]
    (panel,) = verdict_map(runs).axes
    shares = {to_hex(patch.get_facecolor()): patch.get_width() for patch in panel.patches}
    whole = sum(shares.values())
    expected = {"healthy": 0.6, "diverged": 0.2, "dead": 0.2}
    assert {c: s / whole for c, s in shares.items()} == pytest.approx(
        {verdicts.COLOURS[word]: share for word, share in expected.items()}
    )
    (text,) = panel.texts
    assert text.get_text().startswith("healthy 3, others 2\n")


def test_a_cell_tells_the_gradient_at_both_ends_and_leaves_out_what_the_record_lacks():
    runs = tables(("relu",), (2,), seeds=(0, 1)).runs
    runs.loc[:, "verdict/gradient_end"] = "dead"
    runs.loc[0, "verdict/training"] = "wrecked"
    (text,) = verdict_map(runs).axes[0].texts
    score = f"{runs['accuracy/test'].mean():.3f}"
    assert text.get_text() == f"healthy\nwrecked {score}\npreserved → dead"
    for former in (runs.drop(columns=[*AXES]), runs.assign(**dict.fromkeys(AXES))):
        (text,) = verdict_map(former).axes[0].texts
        assert text.get_text() == f"healthy\n{score}"


def test_of_verdicts_as_common_the_gravest_is_named():
    runs = tables(("relu",), (2,), seeds=(0, 1)).runs
    runs.loc[0, "verdict"] = "dead"
    (text,) = verdict_map(runs).axes[0].texts
    assert text.get_text().startswith("dead 1, healthy 1")


def test_verdict_map_over_other_factors():
    runs = tables(("relu",), (2,), rates=(0.01, 0.1)).runs
    (panel,) = verdict_map(runs).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["0.01", "0.1"]
    assert len(verdict_map(runs, rows="depth", columns="lr").axes[0].texts) == 2


def test_the_forecast_map_tells_expectation_and_outcome():
    cells = pd.DataFrame(
        {
            "run": list("abcd"),
            "activation": ["relu", "relu", "sigmoid", "sigmoid"],
            "init": "he_normal",
            "depth": [2, 8, 2, 8],
            "trains": [True, True, False, False],
            "trained": [True, False, True, False],
            "first_to_last": [1.0, 1.1, 0.1, 1e-4],
        }
    )
    words = {
        t.get_text().rpartition("\n")[0].replace("\n", " ") for t in texts_in(forecast_map(cells))
    }
    assert words >= {
        "trains as expected",
        "fails unexpectedly",
        "trains unexpectedly",
        "fails as expected",
    }
    before = texts_in(forecast_map(cells.assign(trained=None)))
    assert {t.get_text().partition("\n")[0] for t in before} >= {"trains", "fails"}
    assert {*forecasts.COLOURS} == {"trains", "fails"} | {
        f"{word} {how}" for word in ("trains", "fails") for how in ("as expected", "unexpectedly")
    }
    two = pd.concat([cells.assign(lr=0.1), cells.assign(lr=1.0, run=list("efgh"), trained=False)])
    assert titles(forecast_map(two)) == ["lr 0.1", "lr 1"]


def test_a_forecast_of_one_depth_has_rows_of_another_setting_and_legible_cells():
    inits, rates = ("standard", "he_normal", "orthogonal", "lsuv", "lecun_normal"), (0.1, 1.0, 3.0)
    activations = ("sigmoid", "tanh", "softsign", "relu", "selu", "gelu")
    cells = pd.DataFrame(
        [
            {"run": f"{i}", "activation": activation, "init": init, "depth": 32, "lr": lr,
             "trains": True, "trained": None, "first_to_last": 1.0}
            for i, (activation, init, lr) in enumerate(product(activations, inits, rates))
        ]
    )  # fmt: skip
    figure = forecast_map(cells)
    figure.draw_without_rendering()
    assert titles(figure) == ["lr 0.1", "lr 1", "lr 3"]
    for panel in figure.axes:
        assert [label.get_text() for label in panel.get_yticklabels()] == sorted(inits)
        assert len(panel.texts) == 30
        box, word = panel.get_window_extent(), panel.texts[0].get_window_extent()
        assert word.width <= box.width / 6
        assert word.height <= box.height / 5


def run_table(seeds=(0, 1, 2)):
    rows = []
    for sigma in (1.0, 2.0, 4.0):
        for depth in (2, 8):
            for seed in seeds:
                accuracy = 0.9 if depth == 2 else 0.1 * sigma + 0.01 * seed
                rows.append(
                    {
                        "run": f"{sigma}{depth}{seed}", "activation": "tanh", "depth": depth,
                        "seed": seed, **OWN, "init.sigma_w2": sigma, "accuracy/train": accuracy,
                        "accuracy/test": accuracy, "theory/deepest": 6 * sigma,
                        "theory/sigma_w2": sigma, "theory/sigma_b2": 0.05, "source": "measured",
                        "start/jacobian_mean_square": sigma**2, "theory/jacobian_mean_square": 1.0,
                        "start/jacobian_relative_variance": 2.0,
                        "theory/jacobian_relative_variance": 3.0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_map_shows_mean_accuracy_and_the_border_of_theory():
    panel = trainability_map(run_table()).axes[0]
    (mesh,) = panel.collections
    np.testing.assert_allclose(mesh.get_array().ravel(), [0.9] * 3 + [0.11, 0.21, 0.41])
    (border,) = panel.lines
    np.testing.assert_allclose(border.get_xdata(), [1, 2, 4])
    np.testing.assert_allclose(border.get_ydata(), [6, 12, 24])
    assert panel.get_xscale() == "log"
    assert border.get_marker() == "_"  # known at the settings that were run only
    with pytest.raises(ValueError, match="'width' is not one of"):
        trainability_map(run_table().drop(columns="width"), setting="width")


def test_the_border_is_theorys_curve_and_not_a_line_between_runs():
    runs = run_table()
    sigmas = np.linspace(0.5, 6, 40)
    curve = pd.DataFrame({"activation": "tanh", "init": "he_normal", "init.sigma_w2": sigmas})
    curve["theory/deepest"] = 2.0 + sigmas**3
    other = curve.assign(activation="relu", **{"theory/deepest": 3.0})
    rows = pd.concat([df.assign(source="theory") for df in (curve, other)] + [runs])
    panel = trainability_map(rows, setting="init.sigma_w2").axes[0]
    (border,) = panel.lines
    np.testing.assert_array_equal(border.get_xdata(), sigmas)
    np.testing.assert_allclose(border.get_ydata(), 2.0 + sigmas**3)
    limits = panel.get_xlim(), panel.get_ylim()
    assert limits == (lambda p: (p.get_xlim(), p.get_ylim()))(trainability_map(runs).axes[0])


@pytest.mark.parametrize(
    ("skip", "label"), [("none", r"theory: $6\,\xi_c$"), ("rezero", "theory: deepest\nthat trains")]
)
def test_the_border_of_residual_networks_is_not_called_a_depth_scale(skip, label):
    figure = trainability_map(run_table().assign(skip=skip))
    assert [text.get_text() for text in legend_of(figure).get_texts()] == [label]


def test_a_border_that_a_setting_does_not_move_is_a_level():
    runs = run_table().drop(columns="lr").rename(columns={"init.sigma_w2": "lr"})
    runs = runs.assign(**{"theory/deepest": 3.0})
    (border,) = trainability_map(runs).axes[0].lines
    np.testing.assert_array_equal(border.get_ydata(), [3.0, 3.0])
    np.testing.assert_array_equal(border.get_xdata(), [0, 1])  # of the panel's width


def test_the_plane_shows_the_runs_and_the_critical_line():
    line = pd.DataFrame({"theory/sigma_w2": [1.0, 1.8], "theory/sigma_b2": [0.0, 0.05]})
    plane = pd.concat([line.assign(activation="tanh", source="theory"), run_table()])
    panel = phase_diagram(plane).axes[0]
    (critical,) = panel.lines
    np.testing.assert_allclose(critical.get_xdata(), [1.0, 1.8])
    (points,) = panel.collections
    np.testing.assert_allclose(points.get_offsets(), [[1, 0.05], [2, 0.05], [4, 0.05]])
    np.testing.assert_allclose(points.get_array(), [0.505, 0.555, 0.655])
    assert points_of_phase_diagram(plane[plane["theory/sigma_w2"] < 2]).empty


def test_each_cell_shows_the_score_at_its_own_best_rate_and_the_rates_that_train():
    runs = tables(("sigmoid", "relu"), (2, 8), rates=(0.01, 0.1, 1.0), seeds=range(4)).runs
    scores = {  # on the training split, by rate
        ("sigmoid", 2): (0.4, 0.9, 0.8), ("sigmoid", 8): (0.1, 0.2, 0.1),
        ("relu", 2): (0.9, 0.8, 0.7), ("relu", 8): (0.3, 0.9, 0.1),
    }  # fmt: skip
    keys = zip(runs["activation"], runs["depth"], runs["lr"], strict=True)
    train = [scores[name, depth][(0.01, 0.1, 1.0).index(lr)] for name, depth, lr in keys]
    runs = runs.assign(**{"accuracy/train": train, "accuracy/test": np.array(train) - 0.01})
    runs.loc[runs["seed"] < 2, "accuracy/test"] = 0.5  # these chose
    figure = best_rate_map(FIGURES["score_at_best_rate"].data(only(runs=runs)))
    (panel,) = figure.axes
    assert [text.get_text().split("\n") for text in panel.texts] == [
        ["0.890", "lr 0.1", "(0.1 to 1)"], ["0.890", "lr 0.01", "(0.01 to 1)"],
        ["0.190", "lr 0.1", "(none)"], ["0.890", "lr 0.1", "(0.1)"],
    ]  # fmt: skip
    assert "mean of 2 seeds; in brackets: the rates that train" in figure.get_suptitle()
    names = [text.get_text() for text in legend_of(figure).get_texts()]
    assert names == ["no rate trains", "one rate trains", "several rates train"]
    assert FIGURES["score_at_best_rate"].data(only(runs=runs[runs["seed"] < 2])).empty


def test_a_map_of_best_rates_without_room_for_words_does_not_explain_them():
    runs = tables(("relu",), range(1, 60), rates=(0.01, 0.1), seeds=range(3)).runs
    figure = best_rate_map(runs)
    assert not figure.axes[0].texts
    assert figure.get_suptitle() == "Test accuracy at the best learning rate\none network"


def test_a_diverged_run_scores_as_guessing_in_the_figure_of_a_sweep_too():
    runs = tables(("sigmoid", "relu"), (2,), rates=(0.01, 0.1, 1.0), seeds=range(3)).runs
    runs = runs.assign(diverged_at=3.0, chance=0.25)
    for frame in (runs, FIGURES["score_at_best_rate"].data(only(runs=runs))):
        (panel,) = best_rate_map(frame).axes
        assert [text.get_text().split("\n")[0] for text in panel.texts] == ["0.250", "0.250"]


def test_a_map_of_best_rates_needs_seeds_to_choose_and_others_to_show():
    runs = tables(("sigmoid", "relu"), (2,), rates=(0.01, 0.1), seeds=range(2)).runs
    with pytest.raises(ConfigError, match="runs: have 2 seeds; at least 3 are needed"):
        best_rate_map(runs)
    runs = tables(("sigmoid", "relu"), (2,), rates=(0.01, 0.1), seeds=range(3)).runs
    with pytest.raises(ConfigError, match="runs: none has a score of the seeds that choose"):
        best_rate_map(runs.assign(**{"accuracy/train": np.nan, "diverged_at": np.nan}))
    (panel,) = best_rate_map(runs).axes
    assert len(panel.texts) == 2


def test_the_only_setting_that_varies_makes_the_columns_of_the_map_of_best_rates():
    runs = tables(("relu",), (2, 8), rates=(0.01, 0.1, 1.0), seeds=range(4)).runs
    skips = pd.CategoricalDtype(["none", "identity"], ordered=True)
    runs = pd.concat(
        [runs.assign(skip=name, run=runs["run"] + name) for name in ("identity", "none")]
    ).astype({"skip": skips})
    (panel,) = best_rate_map(FIGURES["score_at_best_rate"].data(only(runs=runs))).axes
    assert [label.get_text() for label in panel.get_xticklabels()] == ["none", "identity"]
    assert panel.get_xlabel() == "skip"


def test_cells_of_a_large_map_are_small_and_explained_by_a_legend():
    runs = tables(("relu", "tanh"), range(1, 41), epochs=0).runs
    figure = verdict_map(runs)
    assert max(figure.get_size_inches()) <= 17
    assert texts_in(figure) == []
    names = [text.get_text() for text in legend_of(figure).get_texts()]
    assert names == [word for word in verdicts.COLOURS if word in {*runs["verdict"]}]
    assert cells(figure.axes[0]) == [
        verdicts.COLOURS[word] for word in runs.sort_values(["depth", "activation"])["verdict"]
    ]
