"""Progress of work that takes a while: a line in a terminal, in a notebook or in a log."""

from bpexp.progress.progress import Progress, begin

__all__ = ["Progress", "begin"]
