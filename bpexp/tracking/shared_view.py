"""The shared view of an experiment: the columns and charts that MLflow's pages show.

A shared view is a tag of the experiment, in a format of MLflow's own that a browser test checks. A
page whose address names the tag shows the view. Other versions of MLflow may have another format;
addresses of their pages do not name the tag.
"""

from __future__ import annotations

import base64
import json
import urllib.request
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from bpexp.secrets import without_user

FORMAT = (3, 17)  # the version of MLflow, major and minor, whose format this is
KEY = "bpexp"  # one view for each experiment; later sweeps update it
TAG = f"mlflow.sharedViewState.{KEY}"
LONGEST = 5000  # characters of an experiment's tag
TIMEOUT = 5.0  # seconds to wait for a server's version
RUNS_SHOWN = 100  # in a chart
LOGARITHMIC = ("gradient/first_to_last", "grad_norm/")  # prefixes of metrics with log axes
NAME_COLUMN = "attributes.`Run Name`"
WIDTHS = {NAME_COLUMN: 130, "runDateAndNestInfo": 100}  # pixels of MLflow's own columns
WIDTH_OF = {"params": (60, 120), "metrics": (100, 160), "tags": (86, 160)}  # least, greatest
CLOSED = ("final", "start")  # collapsed sections: their numbers do not change with the step


def is_known(uri: str) -> bool:
    """Return whether the MLflow version that serves a store's pages has the known format."""
    try:
        if uri.startswith("http"):
            address = f"{without_user(uri).rstrip('/')}/version"
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
                found = answer.read().decode()
        else:
            found = version("mlflow")
        return tuple(int(part) for part in found.split(".")[:2]) == FORMAT
    except (OSError, ValueError):
        return False


def encoded(title: str, columns: Sequence[str], metrics: Sequence[str], moment: int) -> str:
    """Return the tag's value.

    Args:
        title: the view's title.
        columns: as MLflow names them, such as params.`depth`, from left to right.
        metrics: the metrics of the charts, in their order; the part before the first / is the
            section. The last ones are left out if the tag would be too long; MLflow draws them
            with its default settings.
        moment: the time of the view's creation in milliseconds.
    """
    while True:
        text = json.dumps(_state(columns, metrics), separators=(",", ":"))
        packed = "deflate;" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        view = {"name": title, "createdAt": moment, "updatedAt": moment, "state": packed}
        value = json.dumps(view)
        if len(value) <= LONGEST or not metrics:
            return value
        metrics = metrics[: len(metrics) * 9 // 10]


def _state(columns: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    sections = dict.fromkeys(metric.partition("/")[0] for metric in metrics)
    return {
        "searchFilter": "tags.kind = 'run'",
        "orderByKey": "tags.`order`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns],
        "columnOrder": [NAME_COLUMN, *columns],
        "columnWidths": WIDTHS | {column: _width(column) for column in columns},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
        "isAccordionReordered": True,
        "compareRunSections": [
            {
                "uuid": name,
                "name": name,
                "display": name not in CLOSED,
                "isReordered": False,
                "deleted": False,
                "isGenerated": True,
            }
            for name in [*sections, *CLOSED]
        ],
        "compareRunCharts": [_chart(metric) for metric in metrics],
    }


def _width(column: str) -> int:
    """Return a column's width in pixels, which shows most of its name and a number's exponent."""
    name = column.partition("`")[2].rstrip("`")
    narrowest, widest = WIDTH_OF[column.partition(".")[0]]
    return min(max(narrowest, 24 + 6 * len(name)), widest)


def _chart(metric: str) -> dict[str, Any]:
    section = metric.partition("/")[0]
    return {
        "type": "LINE",
        "uuid": metric,
        "metricSectionId": section,
        "metricKey": metric,
        "displayName": metric,
        "deleted": False,
        "isGenerated": True,
        "runsCountToCompare": RUNS_SHOWN,
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "log" if metric.startswith(LOGARITHMIC) else "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
