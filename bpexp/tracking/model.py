"""A trained network as an MLflow model: this file is the model's code, weights.npz its weights.

MLflow runs this file ('models from code'), so that no pickle is written or read. The model contains
a copy of the package: serving needs NumPy and MLflow, and bpexp need not be installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from bpexp.record.run import Run


class ServedNetwork(PythonModel):
    """Maps inputs (N, n_0) to the outputs (N, K) of the trained network."""

    def load_context(self, context: Any) -> None:
        """Read the weights, and import the script that registers its activation if there is one."""
        from bpexp.nn import Network
        from bpexp.register import load_plugins

        load_plugins()
        for name, path in context.artifacts.items():
            if name != "weights":
                spec = importlib.util.spec_from_file_location(Path(path).stem, path)
                assert spec is not None
                assert spec.loader is not None
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
        self._network = Network.load(context.artifacts["weights"])

    # Without type hints: MLflow would take them for the schema instead of the signature below.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the outputs (N, K): probabilities of classes, or the predictions of a regression.

        The names of the classes, if any, are in the model's metadata `classes`.
        """
        return self._network.outputs(np.asarray(model_input))


def log_model(run: Run, step: int, note: str, sources: Sequence[Path] = ()) -> str:
    """Log a run's network as the model `network` of MLflow's active run and return the model's id.

    The network is described from the run's record and not loaded, so that a registered activation
    need not be imported in this process.

    Args:
        run: the run, which has weights.
        step: the last step, whose metrics MLflow attaches to the model.
        note: its description in Markdown.
        sources: files of a script that registered the network's activation. They are copied into
            the model and are imported only when it is served.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from bpexp.nn.choices import Choice
    from bpexp.record.layout import WEIGHTS
    from bpexp.register import load_plugins, used

    load_plugins()
    weights, config = run.folder / WEIGHTS, run.start["config"]
    with np.load(weights, allow_pickle=False) as arrays:
        classes = arrays["classes"].tolist() if "classes" in arrays else None
    packages = [row.package for row in used([("activation", Choice(config["activation"]["name"]))])]
    sizes, dtype = run.start["sizes"], np.dtype(config["dtype"])
    logged = mlflow.pyfunc.log_model(
        name="network",
        step=step,
        tags={"mlflow.note.content": note},
        python_model=__file__,
        artifacts={"weights": str(weights)} | {path.name: str(path) for path in sources},
        signature=ModelSignature(
            Schema([TensorSpec(dtype, (-1, sizes[0]))]),
            Schema([TensorSpec(dtype, (-1, sizes[-1]))]),
        ),
        code_paths=[str(Path(__file__).parents[1])],
        pip_requirements=[f"numpy=={np.__version__}", *filter(None, packages)],
        metadata={"classes": classes} if classes else None,
    )
    return str(logged.model_id)


set_model(ServedNetwork())
