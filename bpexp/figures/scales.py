"""Figures of what a whole network does to its signals: decay rates and Jacobians, by depth."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.summaries import decay
from bpexp.figures import style
from bpexp.figures.frames import at_start, compared, levels, parted, settings
from bpexp.figures.gradients import by_depth
from bpexp.figures.instruments import above_noise, ends_of_training
from bpexp.figures.lines import draw_lines, has_interval, notes

RATE, ERROR = "gradient/decay_rate", "gradient/decay_rate_se"


def decay_rates(layers: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run and source at the run's first probe: its decay rate and standard error.

    Args:
        layers: columns run, source, step, layer, delta_norm and the configuration.

    Returns:
        The columns of a run, gradient/decay_rate and gradient/decay_rate_se (nats a layer), where
        they are defined: from two hops on, without exact zeros.
    """
    rows = at_start(layers).sort_values("layer")
    found = []
    for _, run in rows.groupby(["run", "source"], sort=False):
        summary = decay(run["delta_norm"].to_numpy(float))
        if RATE in summary:
            found.append(run.head(1).assign(**{RATE: summary[RATE], ERROR: summary[ERROR]}))
    none = rows.head(0).assign(**{RATE: [], ERROR: []})
    return pd.concat(found, ignore_index=True) if found else none


@style.styled
def decay_rate_by_depth(layers: pd.DataFrame) -> Figure:
    """Draw the decay rate before training against depth, a line an activation.

    A line an initialization if only that varies; other settings that vary part panels.
    x: hidden layers. y: mean log ratio of delta norms, nats a layer towards the input; below 0 the
    gradient vanishes, above it explodes. Bands: 95 % Student t interval of the mean over seeds;
    bars, with fewer than three seeds: 1.96 standard errors from the scatter over the layers. Thin
    and dashed: theory.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, delta_norm, source; or what
            `decay_rates` makes of them.
    """
    rates = layers if RATE in layers else decay_rates(layers)
    figure, panels = by_depth(rates, RATE)
    main = compared(rates)
    palette = style.colours(rates, main)
    for panel, rows in panels:
        panel.axhline(0, color=style.NEUTRAL, linewidth=0.6, zorder=1)
        if has_interval(rows):
            continue
        for level, part in rows[rows["source"] == "measured"].groupby(main, observed=True):
            look: dict[str, Any] = {"fmt": "none", "ecolor": palette[level], "elinewidth": 1}
            panel.errorbar(part["depth"], part[RATE], yerr=1.96 * part[ERROR], capsize=2, **look)
    figure.supylabel("decay rate (nats a layer)")
    figure.suptitle("Decay rate of the gradient before training")
    return figure


def moments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the Jacobian's moments before training, a row a run, moment and source.

    Args:
        runs: columns start/jacobian_mean_square, start/jacobian_relative_variance, the same as
            theory/..., and the configuration.

    Returns:
        The columns of a run, moment (which), value and source; nothing where none was measured.
    """
    if "start/jacobian_mean_square" not in runs or runs["start/jacobian_mean_square"].isna().all():
        return runs.head(0)
    prefixes = {"measured": "start/jacobian", "theory": "theory/jacobian"}
    parts = [
        runs.assign(moment=moment, value=runs[f"{prefix}_{moment}"], source=source)
        for source, prefix in prefixes.items()
        for moment in ("mean_square", "relative_variance")
        if f"{prefix}_{moment}" in runs
    ]
    return pd.concat(parts, ignore_index=True)


@style.styled
def jacobian_moments(rows: pd.DataFrame) -> Figure:
    """Draw mean and relative variance of the squared singular values before training.

    x: hidden layers. y, log scale: the mean of s^2, 1 where signals keep their length on average,
    and var s^2 / (mean s^2)^2, 0 where they all do (dynamical isometry). A line an activation, or
    an initialization if only that varies; other settings part panels. Thin and dashed: mean field
    (Pennington et al. 2017).

    Args:
        rows: as `moments` returns them.
    """
    main = compared(rows)
    drawn = rows[rows["value"].notna()]
    parts = parted(drawn, ["moment", *settings(drawn, [main, "depth"])])
    palette, shapes = style.colours(rows, main), style.markers(rows, main)
    figure, axes = style.panels(len(parts), columns=2, size=(3.4, 2.6), sharex=True)
    for panel, (title, part) in zip(axes, parts, strict=True):
        draw_lines([(panel, part)], "depth", "value", main, palette, markers=shapes, log=True)
        panel.set_title(title.replace("_", " "))
        style.whole(panel.xaxis, levels(drawn, "depth"))
    figure.supxlabel("hidden layers")
    shown = {name: palette[name] for name in levels(drawn, main)}
    style.legend(figure, main, shown, shapes, notes=notes(drawn, "value", log=True))
    figure.suptitle("Squared singular values of the Jacobian before training")
    return figure


@style.styled
def jacobian_spectrum(spectra: pd.DataFrame) -> Figure:
    """Draw the Jacobian's singular values against their rank, before and after training.

    x: share of the singular values that are as large or larger. y: singular value of
    dz^(L-1)/dz^(1), log scale; geometric mean over examples and seeds. Flat at 1: dynamical
    isometry. A line for each activation, or initialization if only that varies; a panel for each
    depth and other setting that varies. Values below 1e-15 of the largest are rounding errors and
    left out.

    Args:
        spectra: columns run, activation, init, depth, seed, step, example, rank, singular_value.
    """
    rows = above_noise(ends_of_training(spectra), "singular_value", ["example"])
    main = compared(rows)
    parts = parted(rows, ["depth", *settings(rows, [main, "depth"]), "when"])
    palette = style.colours(rows, main)
    figure, axes = style.panels(len(parts), columns=4, size=(2.6, 2.2), sharex=True, sharey=True)
    pairs = [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)]
    draw_lines(pairs, "share", "singular_value", main, palette, log=True, marker="")
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set_title(title)
        panel.axhline(1, color=style.NEUTRAL, linewidth=0.6, zorder=1)
    figure.supxlabel("share of singular values as large or larger")
    figure.supylabel(r"singular value of $\partial z^{(L-1)}/\partial z^{(1)}$")
    shown = {name: palette[name] for name in levels(rows, main)}
    style.legend(figure, main, shown, dict.fromkeys(shown, ""), notes=notes(rows, "share"))
    figure.suptitle("Singular values of the input-output Jacobian")
    return figure
