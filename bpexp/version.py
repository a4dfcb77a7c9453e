"""The version of the package, which records hold; pyproject.toml and CITATION.cff repeat it."""

VERSION = "0.1.0"
