"""Configuration: the schema of keys, a run's Config and identity, overrides, and help."""

from bpexp.config.config import ALGORITHM, Config, defaults, flatten, refuse_frozen

__all__ = ["ALGORITHM", "Config", "defaults", "flatten", "refuse_frozen"]
