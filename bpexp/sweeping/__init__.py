"""Sweeps: plan, stacks, executors, the mirror process, and Hydra's side of it."""
