"""Counts, sizes and times as text, for the tables of subcommands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def counted(words: Iterable[str]) -> str:
    """Return each word with its number of occurrences, the most frequent first.

    >>> counted(["failed", "finished", "finished"])
    '2 finished, 1 failed'
    """
    return ", ".join(f"{n} {word}" for word, n in Counter(words).most_common()) or "-"


def bytes_text(number: float) -> str:
    """Return a number of bytes with a unit, three digits.

    >>> bytes_text(512), bytes_text(2_300_000)
    ('512 B', '2.3 MB')
    """
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def age(moment: float) -> str:
    """Return the time since a moment as text, such as "3 h ago"."""
    seconds = max(0.0, time.time() - moment)
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def moment(seconds: float) -> str:
    """Return a time as text in the local time zone, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
