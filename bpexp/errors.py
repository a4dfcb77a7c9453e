"""Errors that a user can cause, and the form of their messages."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Iterable

from bpexp.secrets import without_secrets

MOST_LISTED = 15  # a longer list of allowed names is omitted if there is a nearest match


class BpexpError(Exception):
    """Base class of errors that a user can cause; the message is one line, the exit code 2."""

    def __init__(self, message: str) -> None:
        """Store the message without secrets, see `bpexp.secrets`."""
        super().__init__(without_secrets(message))


class ConfigError(BpexpError):
    """An invalid configuration value: an unknown name, a wrong type, a value out of range."""


class DataError(BpexpError):
    """A data file that is missing, damaged, or has other contents than its format requires."""


class StorageError(BpexpError):
    """A full or read-only disk, on which runs cannot be recorded; the exit code is 1."""


class BridgeError(BpexpError):
    """A network of another library that has no equal here, or the other way round."""


class ExecutorError(BpexpError):
    """An engine that trains elsewhere and does not answer, or has another version of the code."""


def require_folder() -> None:
    """Raise ConfigError if the current folder was deleted: no relative path can be resolved."""
    try:
        os.getcwd()
    except OSError:
        raise ConfigError("the current folder no longer exists") from None


def one_of(field: str, received: object, allowed: Iterable[str]) -> str:
    """Return the message for a name that is not in a table, with the nearest match.

    >>> one_of("activation", "rleu", ["relu", "tanh"])
    "activation: 'rleu' is not one of relu, tanh; did you mean 'relu'?"
    """
    names = sorted(allowed)
    lower = {name.lower(): name for name in names}
    nearest = difflib.get_close_matches(str(received).lower(), lower, n=1)
    hint = f"; did you mean '{lower[nearest[0]]}'?" if nearest else ""
    if nearest and len(names) > MOST_LISTED:
        return f"{quoted(field)}: {_shown(received)} is unknown{hint}"
    return f"{quoted(field)}: {_shown(received)} is not one of {', '.join(names)}{hint}"


def out_of_range(field: str, received: object, allowed: str) -> str:
    """Return the message for a value that is out of range or of another type.

    >>> out_of_range("depth", -1, "an integer of at least 0")
    'depth: -1 is not an integer of at least 0'
    """
    return f"{field}: {_shown(received)} is not {allowed}"


def reason(error: BaseException) -> str:
    """Return the first line of an exception's message, cut to 200 characters.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x"))
    'No such file or directory'
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _cut(without_secrets(str(text).strip().partition("\n")[0]), 200)


def in_quotes(key: str, value: object) -> str:
    r"""Return an override of text as a shell takes it, in quotes for Hydra and for the shell.

    >>> print(in_quotes("study", 5))
    'study="5"'
    >>> print(in_quotes("data.path", 'a"b.npz'))
    'data.path="a\"b.npz"'
    """
    # Hydra reads backslashes before a quote as escapes, and all others as they are.
    escaped = re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + m[2].replace('"', '\\"'), str(value))
    return shlex.quote(f'{key}="{escaped}"')


def quoted(text: str) -> str:
    """Return text unchanged if it is one short printable line, else its shortened repr."""
    return text if text.isprintable() and len(text) <= 80 else _shown(text)


def _shown(value: object) -> str:
    """Return the repr in one line; those of frames and arrays have several."""
    return _cut(without_secrets(" ".join(repr(value).splitlines())), 80)


def ending(text: str, limit: int) -> str:
    """Return text of at most `limit` characters; of a longer one, the end after three dots."""
    return text if len(text) <= limit else f"...{text[3 - limit :]}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
