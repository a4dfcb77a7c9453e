"""A trained network as an MLflow model: this file is the model's code, its npz the weights.

MLflow runs the file itself ('models from code'), so that no pickle is written or read. The package
travels with the model: serving needs NumPy and MLflow, and bpexp need not be installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ServedNetwork(PythonModel):
    """Maps inputs (N, n_0) to the outputs (N, K) of the trained network."""

    def load_context(self, context: Any) -> None:
        """Read the weights."""
        from bpexp.nn import Network

        self._network = Network.load(context.artifacts["weights"])

    # MLflow reads hints as a schema of its own; the signature below says more.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the outputs (N, K): of classes probabilities, in regression the numbers.

        Names of classes, if there are, are the model's metadata `classes`.
        """
        return self._network.outputs(np.asarray(model_input))


def log_model(weights: Path, step: int, note: str) -> str:
    """Log a run's network as the model `network` of MLflow's active run and return the model's id.

    Args:
        weights: the network's file.
        step: the last step, whose metrics MLflow gives to the model.
        note: its description in Markdown.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from bpexp.nn import Network

    network = Network.load(weights)
    sizes, dtype = network.architecture.sizes, network.theta.dtype
    logged = mlflow.pyfunc.log_model(
        name="network",
        step=step,
        tags={"mlflow.note.content": note},
        python_model=__file__,
        artifacts={"weights": str(weights)},
        signature=ModelSignature(
            Schema([TensorSpec(dtype, (-1, sizes[0]))]),
            Schema([TensorSpec(dtype, (-1, sizes[-1]))]),
        ),
        code_paths=[str(Path(__file__).parents[1])],
        pip_requirements=[f"numpy=={np.__version__}"],
        metadata={"classes": list(network.classes)} if network.classes else None,
    )
    return str(logged.model_id)


set_model(ServedNetwork())
