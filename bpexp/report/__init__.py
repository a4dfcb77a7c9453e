"""The report: a study as one HTML file that can be read without a network.

`python -m bpexp.report STUDY` writes it for a study; every sweep ends with its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpexp.report.study import report_study

__all__ = ["report_study"]


def __getattr__(name: str) -> Any:
    """Import `report_study` at its first use: `python -m bpexp.report` imports this file first."""
    if name != "report_study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bpexp.report.study import report_study

    return report_study
