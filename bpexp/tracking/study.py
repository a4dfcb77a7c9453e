"""MLflow's page of a study: its description, and the shared view of its runs."""

from __future__ import annotations

from collections.abc import Sequence

from bpexp.analysis.verdict import SHORT_AXES
from bpexp.config import flatten
from bpexp.config.identity import differing
from bpexp.config.questions import question
from bpexp.console import count_of
from bpexp.nn.tasks import find_task
from bpexp.record.metrics import SPLITS, flat_name
from bpexp.record.order import begun
from bpexp.record.run import Run
from bpexp.record.studies import Study
from bpexp.secrets import without_secrets
from bpexp.tracking import shared_view
from bpexp.tracking.experiment import milliseconds
from bpexp.tracking.view import NOTE

ALWAYS = ("activation", "depth")
# Sweeps, and characters of each command: MLflow refuses a tag of more than 5000 characters.
SHOWN_SWEEPS, SHOWN_COMMAND = 6, 400
READING = """\
Each row is a run. Columns `final/` are measured at the end of training, `start/` before the first
step. `gradient_first_to_last` is the norm of delta in the first layer divided by that in the last:
below 1 the gradient vanishes towards the input, above 1 it explodes. `verdict` summarises what the
gradient did (`verdict/gradient_start`) and what training did (`verdict/training`). Gradient charts
have logarithmic axes."""


def experiment_tags(
    study: Study, uri: str, experiment: str, sweeps: dict[str, str]
) -> dict[str, str]:
    """Return the tags of a study's experiment.

    Args:
        study: the study on disk.
        uri: the store's address.
        experiment: MLflow's id of the experiment.
        sweeps: MLflow's id of each sweep's own run, by the sweep's id.
    """
    if not study.runs:
        return {}
    tags = {NOTE: _description(study, experiment, sweeps)}
    if shared_view.is_known(uri):
        moment = milliseconds(max(run.start["time"] for run in study.runs))
        tags[shared_view.TAG] = shared_view.encoded(
            study.name, columns(study.runs), charts(study.runs), moment
        )
    return tags


def columns(runs: Sequence[Run]) -> list[str]:
    """Return the columns of the table of runs: swept keys, verdicts, and metrics."""
    keys = dict.fromkeys([*ALWAYS, *_varied(runs)])
    scores = [flat_name(f"{metric}/test") for metric in _scores(runs)]
    numbers = [*scores, "gradient_first_to_last", "loss_test"]
    verdicts = ("verdict", *SHORT_AXES)
    return [
        *(f"params.`{key}`" for key in keys),
        *(f"tags.`{name}`" for name in verdicts),
        *(f"metrics.`final/{name}`" for name in numbers),
    ]


def charts(runs: Sequence[Run]) -> list[str]:
    """Return the metrics of the charts: scores, loss, and gradients."""
    layers = max(len(run.start["sizes"]) for run in runs) - 1
    return [
        *(f"{metric}/{split}" for metric in (*_scores(runs), "loss") for split in SPLITS),
        "gradient/first_to_last",
        "gradient/decay_rate",
        "gradient/decay_rate_se",
        *(f"grad_norm/layer_{layer:03d}" for layer in range(1, layers + 1)),
    ]


def _varied(runs: Sequence[Run]) -> list[str]:
    return differing([flatten(run.start["config"]) for run in runs])


def _scores(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that score the runs' tasks."""
    return [*dict.fromkeys(find_task(run.task).metric for run in runs)]


def _description(study: Study, experiment: str, sweeps: dict[str, str]) -> str:
    lines = [f"**{question(study.name, _varied(study.runs))}**", ""]
    for sweep in sorted(study.sweeps, key=begun, reverse=True)[:SHOWN_SWEEPS]:
        count = count_of(len(sweep["members"]), "run")
        if run := sweeps.get(sweep["id"]):
            page = f"#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"
            count = f"[{count}: summary and figures]({page})"
        lines += [f"- `{without_secrets(sweep['command'])[:SHOWN_COMMAND]}` ({count})"]
    return "\n".join([*lines, "", READING])
