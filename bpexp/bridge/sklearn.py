"""Make a Network from a multi-layer perceptron of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpexp.errors import BridgeError, one_of
from bpexp.nn import Architecture, Choice, Network

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}


def from_sklearn(estimator: Any) -> Network:
    """Return a network with the function, the parameters and the dtype of a fitted perceptron.

    `Network.outputs` equals `predict_proba` of an MLPClassifier and `predict` of an MLPRegressor.
    Gradients are those of its loss without the penalty `alpha`. For two classes the estimator has
    one output and the network has two, of which the first is 0 before the softmax.

    Args:
        estimator: a fitted sklearn.neural_network.MLPClassifier or MLPRegressor.

    Raises:
        BridgeError: it is something else, is not fitted, or has outputs of another kind.
    """
    kind = type(estimator).__name__
    if kind not in ("MLPClassifier", "MLPRegressor"):
        raise BridgeError(one_of("estimator", kind, ("MLPClassifier", "MLPRegressor")))
    if not hasattr(estimator, "coefs_"):
        raise BridgeError(f"estimator: this {kind} is not fitted")
    weights, biases = [*estimator.coefs_], [*estimator.intercepts_]
    output = estimator.out_activation_
    classes = None
    if kind == "MLPRegressor":
        task, cost = "regression", Choice("squared_error", {"output": "identity", "factor": 0.5})
        if output != "identity":
            raise BridgeError(f"estimator: no equivalent of its output activation {output}")
    elif output == "logistic" and estimator.n_outputs_ > 1:  # several labels per example
        task, cost = "classification", Choice("binary_cross_entropy")
    else:
        task, cost = "classification", Choice("cross_entropy")
        classes = [str(name) for name in estimator.classes_]
        if output == "logistic":  # sigma(z) = softmax(0, z)
            weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
            biases[-1] = np.hstack([np.zeros_like(biases[-1]), biases[-1]])
    sizes = [len(weights[0]), *(array.shape[1] for array in weights)]
    architecture = Architecture.dense(sizes, ACTIVATIONS[estimator.activation], cost, task)
    pairs = zip(biases, weights, strict=True)
    theta = np.concatenate([np.vstack([b[None], w]).ravel() for b, w in pairs])
    return Network(architecture, theta, classes=classes)
