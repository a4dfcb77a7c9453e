"""The sections of a configuration, whose keys have a common first name: probe.every, ..."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bpexp.config.schema import KEYS, checked
from bpexp.errors import ConfigError, one_of, out_of_range


@dataclass(frozen=True)
class Probe:
    """When, and on how many examples, a run is measured.

    Attributes:
        every: optimizer steps between probes; None: every epoch; 0: first and last only.
        examples: size of the probe batch.
        counts: the number of examples at which an instrument is measured, by the instrument's
            `examples_key`; 0: it is not measured.
    """

    every: int | None
    examples: int
    counts: Mapping[str, int]

    @classmethod
    def of(cls, *, every: int | None, examples: int, **counts: int) -> Probe:
        """Return the section with the values of the keys under `probe.`."""
        return cls(every, examples, counts)

    def nested(self) -> dict[str, int | None]:
        """Return the keys under `probe.`."""
        return {"every": self.every, "examples": self.examples, **self.counts}


@dataclass(frozen=True)
class Checkpoint:
    """Epochs and seconds between checkpoints; one is written when either has passed."""

    every: int | None
    seconds: float | None

    def nested(self) -> dict[str, float | None]:
        """Return the keys under `checkpoint.`."""
        return dict(vars(self))


@dataclass(frozen=True)
class Figures:
    """How figures are written."""

    format: list[str]

    def nested(self) -> dict[str, list[str]]:
        """Return the keys under `figures.`."""
        return {"format": [*self.format]}


def section(name: str, mapping: object) -> dict[str, Any]:
    """Return the checked values of the keys of a section, such as `probe`."""
    keys = [key.removeprefix(f"{name}.") for key in KEYS if key.startswith(f"{name}.")]
    if not isinstance(mapping, Mapping):
        raise ConfigError(out_of_range(name, mapping, f"a group of keys: {', '.join(keys)}"))
    for key in mapping:
        if key not in keys:
            raise ConfigError(one_of(name, key, keys))
    return {key: checked(f"{name}.{key}", mapping.get(key)) for key in keys}
