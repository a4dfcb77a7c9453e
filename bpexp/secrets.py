"""Remove passwords and tokens from addresses in text and configurations.

A tracking store's address may hold a password or a token. All that is written to a file, sent to a
store, raised or printed passes through `without_secrets`. A process that needs the secret receives
the address in an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

T = TypeVar("T")

CUT = "***"
# The text after a scheme, unless it is a path. Paths derived from addresses have one slash there.
ADDRESS = re.compile(r"(?<=\w\w:/)(/?)([^\s/]\S*)")
QUERY = re.compile(r"([?&#])([\w.%-]+)=([^&;#\s'\"]+)")
SECRET_NAME = re.compile(r"token|secret|pass|pwd|key|auth|sig|cred|session|jwt|code", re.IGNORECASE)
HARMLESS = {"viewStateShareKey"}  # a query parameter of MLflow's pages that names a saved view
SECRET_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=%-]{16,}")
PORT = re.compile(r"\d*(\W|$)")


def without_secrets(value: T) -> T:
    """Return text, or nested mappings and lists of text, with secrets replaced by ***.

    Secrets are the part of an address before @, and the values of query parameters whose name or
    form is that of a token. Values other than text are returned unchanged.

    >>> without_secrets("http://me:s3cr3t@host:5000/x?token=t&page=2")
    'http://***@host:5000/x?token=***&page=2'
    >>> without_secrets({"uri": "sqlite:////home/a@b/mlflow.db", "depth": 2})
    {'uri': 'sqlite:////home/a@b/mlflow.db', 'depth': 2}
    """
    if isinstance(value, str):
        # HTTP libraries print queries without the rest of the address, so QUERY needs no address.
        return cast(T, QUERY.sub(_cut_query, ADDRESS.sub(lambda a: a[1] + _cut_user(a[2]), value)))
    if isinstance(value, Mapping):
        return cast(T, {key: without_secrets(entry) for key, entry in value.items()})
    if isinstance(value, list | tuple):
        return cast(T, type(value)(without_secrets(entry) for entry in value))
    return value


def has_secret(text: str) -> bool:
    """Return whether `without_secrets` would change a text."""
    return without_secrets(text) != text


def without_user(address: str) -> str:
    """Return an address without user and password, as a link that can be opened."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _cut_user(address: str) -> str:
    """Replace user and password in an address given without its scheme.

    A password that is not percent-encoded may contain / ? # and @. If a message shows only the
    beginning of an address, text after a colon that is not a port is taken to be a password.
    """
    authority = re.split("[/?#]", address, maxsplit=1)[0]
    host, colon, port = authority.partition(":")
    user, at, _ = (address if colon else authority).rpartition("@")
    if at:
        return CUT + address[len(user) :]
    if colon and not host.startswith("[") and not PORT.match(port):
        return CUT
    return address


def _cut_query(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    named = SECRET_NAME.search(name) and name not in HARMLESS
    secret = named or SECRET_VALUE.fullmatch(value)
    return f"{mark}{name}={CUT if secret else value}"
