"""Which texts can be the address of an MLflow store."""

from __future__ import annotations

STORE = "the address of a store, such as sqlite:///mlflow.db or http://127.0.0.1:5000"
DATABRICKS = ("databricks", "uc")  # MLflow's names without ://


def is_store(address: str) -> bool:
    """Return whether MLflow can write to an address, judged by its form.

    MLflow no longer writes to folders, neither as paths nor as file:// addresses.

    Args:
        address: for example that of a database or a server.
    """
    scheme, separator, place = address.partition("://")
    if not separator:
        return address.partition(":")[0] in DATABRICKS
    return scheme.isprintable() and scheme.strip() not in ("", "file") and place != ""
