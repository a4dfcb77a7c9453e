"""Modules for `to_torch` that PyTorch does not have."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """x + scale * body(x).

    Attributes:
        body: the branch.
        scale: a number, or a parameter if it is trained.
    """

    def __init__(self, body: nn.Module, scale: float | nn.Parameter = 1.0) -> None:
        """Store the branch and its scale."""
        super().__init__()
        self.body, self.scale = body, scale
        self._scales = (
            isinstance(scale, torch.Tensor) or scale != 1
        )  # torch.fx cannot trace a condition

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of the stream and the branch."""
        branch = self.body(x)
        return x + (self.scale * branch if self._scales else branch)
