"""The start line of a watched or diagnosed module, with the configuration keys of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from bpexp.bridge.listening import Listener
from bpexp.bridge.measuring import MEASURED, chance, scores
from bpexp.config import ALGORITHM
from bpexp.record.observations import dimensions
from bpexp.version import VERSION

ACTIVATIONS = {"leaky_relu": "leaky"}
NORMS = {"": "none", "batch_norm": "batch", "layer_norm": "layer", "rms_norm": "rms"}
COSTS = {"nll_loss": "cross_entropy", "mse_loss": "squared_error"}
OWN = {"name": "own"}


def start_line(
    module: Any, heard: Listener, examples: int, *, identity: str, name: str, **settings: Any
) -> dict[str, Any]:
    """Return the fields of the start line of a module's journal.

    Args:
        module: the module.
        heard: the layers and the loss of its forward pass.
        examples: number of examples of the batch.
        identity: the run's identity.
        name: the run's name.
        settings: values of keys that replace the defaults: lr, optimizer, study, ...
    """
    layers = heard.layers
    hidden = layers[:-1] or layers
    kind = Counter(layer.activation for layer in hidden).most_common(1)[0][0]
    norm = Counter(layer.norm for layer in hidden).most_common(1)[0][0]
    widths = [int(layer.z.numel() // examples) for layer in layers]
    loss = heard.loss.name if heard.loss else "own"
    config = {
        "data": OWN,
        "depth": len(layers) - 1,
        "width": max(widths[:-1], default=widths[0]),
        "activation": {"name": ACTIVATIONS.get(kind, kind)},
        "skip": {"name": "identity" if heard.residual else "none"},
        "norm": {"name": NORMS.get(norm, norm)},
        "init": OWN,
        "cost": {"name": COSTS.get(loss, loss)},
        "optimizer": OWN,
        "lr": 0.0,
        "schedule": {"name": "constant"},
        "batch_size": examples,
        "epochs": 0,
        "stop": {"name": "none"},
        "frozen": 0,
        "seed": 0,
        "dtype": str(layers[0].weight.dtype).removeprefix("torch."),
        "threads": 1,
        "probe": {"every": None, "examples": examples},
        "study": "",
        **settings,
    }
    found = scores(heard)
    return {
        "identity": identity,
        "attempt": 1,
        "algorithm": ALGORITHM,
        "name": name,
        "config": config,
        "digest": identity,  # unique, so that no such run supersedes another
        "data": {"name": "own", "source": "the batches of a program"},
        "sizes": [int(layers[0].weight[0].numel()), *widths],
        "task": "classification" if "accuracy/train" in found else "regression",
        "chance": chance(heard),
        "dimensions": dimensions(MEASURED),
        "versions": {"bpexp": VERSION, "numpy": np.__version__},
    }
