"""Remedies: train a run that did not learn with changes, and report which changes make it learn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.data import Dataset
from bpexp.errors import BpexpError, ConfigError, out_of_range
from bpexp.nn import Network
from bpexp.progress import begin
from bpexp.record.run import Run
from bpexp.remedying.answer import Remedies
from bpexp.remedying.changes import candidates
from bpexp.remedying.subject import Subject
from bpexp.remedying.trials import try_all

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Remedies", "remedies"]

SEEDS, SECONDS, EXAMPLES = 3, 20.0, 2000


def remedies(
    run: Network | Run | Mapping[str, Any] | pd.Series[Any] | str | Path,
    data: Dataset | None = None,
    *,
    seconds: float = SECONDS,
    seeds: int = SEEDS,
    examples: int = EXAMPLES,
    progress: bool = False,
    **settings: Any,
) -> Remedies:
    """Train a run or a network with each of several changes; report which changes make it learn.

        found = bpexp.remedies(bpexp.load_runs("deep").iloc[0])
        found.first, found.frame(), found.figure()

    The changes are a third and three times the learning rate, other initializations (among them the
    critical sigma_w2), warmup, clipping, other activations, normalisation, skip connections, half
    of the layers, and some pairs of these (`bpexp.remedying.changes`). The unchanged training is
    the first. Trainings with equal seeds have the same order of examples and the same random draw,
    from which each initialization computes the weights, so that only the change differs. A change
    trains if at least half of its trials end more than half way from guessing to a perfect score on
    the training split.

    All changes are trained with the run's own seed, the smallest change first, and then with the
    further seeds. Changes that are not reached within the time limit are listed as not tried.
    Nothing is written.

    Args:
        run: a row of `load_runs`, a run's folder, or a `Run` of a Study; or a Network before
            training, such as `bpexp.from_torch` returns. A changed network starts from the
            parameters of the given one, where it has parameters of the same name and shape.
        data: the data set of a network.
        seconds: the time limit of the trials, checked after each epoch.
        seeds: the number of seeds: the run's own seed and the integers that follow.
        examples: the largest number of examples of each split, drawn at random, for a network. A
            run is trained on all of its examples.
        progress: whether to show a bar.
        settings: settings of a network: lr (0.1), epochs (20), batch_size (32), optimizer ("sgd"),
            schedule, stop, frozen and seed, as in `bpexp.train`.

    Raises:
        ConfigError: an argument is out of range, or a setting is unknown or does not fit.
        BpexpError: there is no such run, its data have changed, or it has no epochs.
    """
    for name, value, least in (("seconds", seconds, 0.0), ("seeds", seeds, 1)):
        if not value >= least:
            raise ConfigError(out_of_range(name, value, f"a number of at least {least}"))
    subject = _subject(run, data, examples, settings)
    if not subject.config.epochs:
        raise BpexpError("run: epochs=0 trains nothing, so that there is nothing to change")
    found = [c for c in candidates(subject.config, subject.data) if subject.fits(c.config)]
    numbers = range(subject.config.seed, subject.config.seed + seeds)
    begun = time.perf_counter()
    label, total = f"trying {len(found) - 1} changes", len(found) * seeds
    with begin(label, total, "trial", shown=progress) as shown:
        trials = try_all(subject, found, numbers, seconds, shown)
    return Remedies(subject, found, trials, numbers, time.perf_counter() - begun)


def _subject(run: Any, data: Dataset | None, examples: int, settings: Mapping[str, Any]) -> Subject:
    """Return the training to change, from the arguments of `remedies`.

    Raises:
        ConfigError: data or settings are given with a run, or no data with a network.
        BpexpError: there is no such run.
    """
    if isinstance(run, Network):
        if not isinstance(data, Dataset):
            raise ConfigError(
                f"data: {data!r} is not a data set; bpexp.dataset(x, y) makes one of arrays"
            )
        return Subject.of_network(run, data, examples, settings)
    given = [*(["data"] if data is not None else []), *settings]
    if given:
        raise ConfigError(f"{given[0]}: a run has its own; allowed only with a network")
    if isinstance(run, Run):
        return Subject.of_run(run)
    if not isinstance(run, str | Path) and not hasattr(run, "keys"):
        allowed = "a row of load_runs, a folder, a Run or a Network"
        raise ConfigError(f"run: a {type(run).__name__} is not {allowed}")
    folder = Path(run) if isinstance(run, str | Path) else Path(str(run["folder"]))
    found = Run.at(folder)
    if found is None:
        raise BpexpError(f"run: no run in {folder}")
    return Subject.of_run(found)
