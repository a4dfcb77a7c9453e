"""The record of a run on disk: its journal, atomic files, metrics and tables."""
