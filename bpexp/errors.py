"""The errors a user can cause, and the one form in which they are worded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BpexpError(Exception):
    """A mistake of the user's, told in one line; the command line exits with 2."""


class ConfigError(BpexpError):
    """A configuration value that cannot be used: an unknown name, a wrong type, a bad range."""


class DataError(BpexpError):
    """A data file that is missing, damaged or not what it claims to be."""


class StorageError(BpexpError):
    """A disk that is full or may not be written: nothing can be recorded, so nothing is trained."""


def one_of(field: str, received: object, allowed: Iterable[str]) -> str:
    """Word the refusal of a name that is not in a table.

    >>> one_of("activation", "rleu", ["relu", "tanh"])
    "activation: 'rleu' is not one of relu, tanh; did you mean 'relu'?"
    """
    names = sorted(allowed)
    message = f"{quoted(field)}: {_shown(received)} is not one of {', '.join(names)}"
    nearest = difflib.get_close_matches(str(received), names, n=1)
    return f"{message}; did you mean '{nearest[0]}'?" if nearest else message


def out_of_range(field: str, received: object, allowed: str) -> str:
    """Word the refusal of a value of the right kind in the wrong range, or of the wrong kind.

    >>> out_of_range("depth", -1, "an integer of at least 0")
    'depth: -1 is not an integer of at least 0'
    """
    return f"{field}: {_shown(received)} is not {allowed}"


def reason(error: BaseException) -> str:
    """Return what an exception says, in one line and not at length.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x"))
    'No such file or directory'
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _cut(str(text).strip().partition("\n")[0], 200)


def quoted(text: str) -> str:
    """Return what a user typed as it is if that is one short line, else its beginning."""
    return text if text.isprintable() and len(text) <= 80 else _shown(text)


def _shown(value: object) -> str:
    return _cut(repr(value), 80)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
