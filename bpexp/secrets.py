"""What may be written and printed: text and configurations without the secrets of addresses.

A tracking store's address may hold a password or a token. `without_secrets` cuts it, and whatever
is written to a file, sent to a store, raised or printed passes through it. A process that needs the
secret receives the address in an environment variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

T = TypeVar("T")

CUT = "***"
# What follows the scheme, unless it is a path. Paths that are made of addresses have one slash.
ADDRESS = re.compile(r"(?<=\w\w:/)(/?)([^\s/]\S*)")
QUERY = re.compile(r"([?&#])([\w.%-]+)=([^&;#\s'\"]+)")
SECRET_NAME = re.compile(r"token|secret|pass|pwd|key|auth|sig|cred|session|jwt|code", re.IGNORECASE)
HARMLESS = {"viewStateShareKey"}  # names a view in addresses of MLflow's pages
SECRET_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=%-]{16,}")
PORT = re.compile(r"\d*(\W|$)")


def without_secrets(value: T) -> T:
    """Return text, or nested mappings and lists of text, as it may be written.

    The part before @ in addresses, and values of queries that are called or look like tokens, are
    replaced by ***. Other values are returned as they are.

    >>> without_secrets("http://me:s3cr3t@host:5000/x?token=t&page=2")
    'http://***@host:5000/x?token=***&page=2'
    >>> without_secrets({"uri": "sqlite:////home/a@b/mlflow.db", "depth": 2})
    {'uri': 'sqlite:////home/a@b/mlflow.db', 'depth': 2}
    """
    if isinstance(value, str):
        # Messages of HTTP libraries show a query without the rest of its address.
        return cast(T, QUERY.sub(_cut_query, ADDRESS.sub(lambda a: a[1] + _cut_user(a[2]), value)))
    if isinstance(value, Mapping):
        return cast(T, {key: without_secrets(entry) for key, entry in value.items()})
    if isinstance(value, list | tuple):
        return cast(T, type(value)(without_secrets(entry) for entry in value))
    return value


def has_secret(text: str) -> bool:
    """Return whether a text holds what `without_secrets` cuts."""
    return without_secrets(text) != text


def without_user(address: str) -> str:
    """Return an address as a link that can be opened: without the part before @."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _cut_user(address: str) -> str:
    """Cut user and password of an address without its scheme.

    A password that is not encoded may hold / ? # and @. A message may show the beginning of an
    address only: what follows a colon and is no port is a password then.
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
