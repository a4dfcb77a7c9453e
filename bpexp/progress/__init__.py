"""Show the progress of work in a terminal, in a notebook or in a log."""

from bpexp.progress.progress import Progress, begin

__all__ = ["Progress", "begin"]
