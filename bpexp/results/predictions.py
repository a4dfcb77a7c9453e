"""The predictions of a network on a data set, as a frame with the names of the classes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from bpexp.data import Dataset
from bpexp.errors import ConfigError, one_of
from bpexp.nn import Network
from bpexp.nn.tasks import TASKS


def predictions(
    network: Network, data: Dataset, *, split: Literal["train", "test"] = "test"
) -> pd.DataFrame:
    """Return the predictions of a network for each example of a data set.

    Args:
        network: the network, as `load_network` returns it.
        data: its data set.
        split: train or test.

    Returns:
        In classification a row for each example, in their order. Columns: class and prediction,
        which are categorical with the names of all classes, or their numbers as text, as levels;
        and probability, the output of the predicted class. `bpexp.figures.confusion` draws them. In
        regression a row for each example and output. Columns: example and output, counted from 0,
        target and prediction.

    Raises:
        ConfigError: there is no such split, or the data do not fit the network.
    """
    if split not in ("train", "test"):
        raise ConfigError(one_of("split", split, ["train", "test"]))
    shape = network.architecture
    if (shape.sizes[0], shape.sizes[-1], shape.task) != (
        *(data.n_features, data.n_outputs),
        data.task,
    ):
        raise ConfigError(f"network: {shape} does not fit {data!r}")
    x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
    outputs = network.outputs(x)
    if not TASKS[data.task].labels:
        example, output = np.indices(outputs.shape)
        columns: dict[str, Any] = {"example": example, "output": output, "target": y}
        columns["prediction"] = outputs
        return pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    names = data.classes or network.classes or tuple(map(str, range(data.n_outputs)))
    predicted = outputs.argmax(axis=1)
    return pd.DataFrame(
        {
            "class": pd.Categorical.from_codes(y, categories=pd.Index(names)),
            "prediction": pd.Categorical.from_codes(predicted, categories=pd.Index(names)),
            "probability": outputs.max(axis=1),
        }
    )
