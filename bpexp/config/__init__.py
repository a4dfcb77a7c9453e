"""Configuration: the schema of keys, a run's Config and identity, overrides, and help."""

from bpexp.config.config import Config, defaults, refuse_depth, refuse_frozen
from bpexp.config.identity import ALGORITHM, flatten

__all__ = ["ALGORITHM", "Config", "defaults", "flatten", "refuse_depth", "refuse_frozen"]
