"""The report: a study as one HTML file that can be read without a network.

`python -m bpexp.report STUDY` writes it for a study; every sweep ends with its own.
"""

from bpexp.report.page import write_report
from bpexp.report.study import report_study

__all__ = ["report_study", "write_report"]
