"""Read a study from a tracking store, in the same rows as from journals."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bpexp.analysis.verdict import AXES
from bpexp.config.identity import completed, configuration, flatten, nest, recorded_algorithm
from bpexp.config.keys import Group
from bpexp.config.schema import KEYS
from bpexp.errors import BpexpError
from bpexp.record.metrics import NO_START, Part, final_names, flat_name
from bpexp.record.run import newest
from bpexp.tracking.client import IS_RUN, configured, connect, search

if TYPE_CHECKING:
    from mlflow.entities import Run


def stored_rows(study: str, uri: str, superseded: bool) -> list[dict[str, Any]]:
    """Return the rows that `bpexp.results.frames.run_row` returns.

    Raises:
        BpexpError: the store has no such study.
    """
    with configured():
        return [_row(run, study) for run in _stored_runs(study, uri, superseded)]


def stored_layers(study: str, uri: str, superseded: bool) -> list[Part]:
    """Return the identifying columns of each finished run, and its table of layer statistics.

    Raises:
        BpexpError: the store has no such study.
    """
    with configured():
        runs = [r for r in _stored_runs(study, uri, superseded) if r.info.status == "FINISHED"]
        return [(_own(run, study), _layers(run, uri)) for run in runs]


def _stored_runs(study: str, uri: str, superseded: bool) -> list[Run]:
    """Return the runs of a study in the order in which they started."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise BpexpError(f"study: {uri} has no experiment {study!r}")
    found = search(client, experiment.experiment_id, IS_RUN, order_by=["attributes.start_time"])
    if superseded:
        return list(found)
    return newest((_configuration(run), (_algorithm(run), _attempt(run)), run) for run in found)


def _own(run: Run, study: str) -> dict[str, Any]:
    about = {"run": run.data.tags["identity"], "name": run.info.run_name}
    version = {"algorithm": _algorithm(run), "attempt": _attempt(run)}
    return about | version | flatten(completed({"study": study, **_recorded(run)}))


def _recorded(run: Run) -> dict[str, Any]:
    """Return the configuration as it was recorded, nested."""
    params = run.data.params
    return nest({key: _value(text, _types(key, params)) for key, text in params.items()})


def _types(name: str, params: Mapping[str, str]) -> tuple[type, ...]:
    """Return the types that the schema declares for a param; empty if it has no such key.

    A param of a group's row, such as data.root, has the types of the row's keyword argument.
    """
    key = KEYS.get(name)
    if key is not None:
        return (str,) if isinstance(key, Group) else (key.kind, *[NoneType] * key.nullable)
    group, _, parameter = name.partition(".")
    row = KEYS.get(group)
    factory = row.table.get(params[group]) if isinstance(row, Group) and group in params else None
    signature = inspect.signature(factory, eval_str=True).parameters if factory else {}
    if parameter not in signature:
        return ()
    annotation = signature[parameter].annotation
    return getattr(annotation, "__args__", (annotation,))


def _value(text: str, types: tuple[type, ...]) -> Any:
    """Return the value that MLflow stores as text; it stays text if `types` allow text."""
    if str in types:
        return None if text == "None" and NoneType in types else text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _attempt(run: Run) -> int:
    return int(run.data.tags.get("attempt", 1))


def _algorithm(run: Run) -> int:
    """Return the number of the run's algorithm; version 0.1 did not store it."""
    if "algorithm" in run.data.tags:
        return int(run.data.tags["algorithm"])
    return recorded_algorithm(_recorded(run), _digest(run), run.data.tags["identity"])


def _configuration(run: Run) -> str:
    """Return the hash that is equal for runs of which one supersedes the others."""
    known: str | None = run.data.tags.get("configuration")
    return known or configuration(completed(_recorded(run)), _digest(run))


def _digest(run: Run) -> str:
    """Return the digest of the run's data set; the run's identity if it has not ended."""
    entries = run.inputs.dataset_inputs if run.inputs else []
    return str(entries[0].dataset.digest if entries else run.data.tags["identity"])


def _row(run: Run, study: str) -> dict[str, Any]:
    tags, metrics = run.data.tags, run.data.metrics
    task = tags.get("task", "classification")
    return {
        **_own(run, study),
        "status": run.info.status,
        "verdict": tags.get("verdict"),
        **{name: tags.get(name) for name in AXES},
        "evidence": tags.get("evidence"),
        "diverged_at": tags.get("diverged_at"),
        "seconds": float(tags.get("seconds", "nan")),
        "epoch": metrics.get("epoch", 0.0),
        "task": task,
        "chance": float(tags.get("chance", "nan")),
        "chance/test": float(tags.get("chance/test", "nan")),
        **{name: metrics.get(f"final/{flat_name(name)}", np.nan) for name in final_names(task)},
        **NO_START,
        **{name: value for name, value in metrics.items() if name.startswith("start/")},
        "folder": tags.get("folder"),
    }


def _layers(run: Run, uri: str) -> dict[str, Any]:
    from mlflow import artifacts

    path = artifacts.download_artifacts(
        artifact_uri=f"{run.info.artifact_uri}/layers.parquet", tracking_uri=uri
    )
    return {str(name): values.to_numpy() for name, values in pd.read_parquet(path).items()}
