"""Predictions by the names of the classes, and the map of which are taken for which."""

import numpy as np
import pytest

import bpexp
from bpexp.errors import BpexpError
from bpexp.figures import confusion

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
NAMES = ["hen", "cow", "pig"]
LABELS = np.arange(60) % 3


@pytest.fixture(scope="module")
def data():
    """The order of the names is not that of the alphabet."""
    return bpexp.dataset(X, LABELS, names=NAMES)


@pytest.fixture(scope="module")
def network(data):
    net = bpexp.Network.create([3, 8, 3], activation="tanh")
    bpexp.train(net, data, epochs=1)
    return net


@pytest.mark.parametrize("split", ["train", "test"])
def test_predictions_have_the_names_of_their_classes(network, data, split):
    x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
    outputs = network.outputs(x)
    found = bpexp.predictions(network, data, split=split)
    best = [max(range(3), key=lambda k, row=row: row[k]) for row in outputs]
    assert found["class"].tolist() == [NAMES[k] for k in y]
    assert found["prediction"].tolist() == [NAMES[k] for k in best]
    assert found["probability"].tolist() == [row[k] for row, k in zip(outputs, best, strict=True)]
    assert found["class"].cat.categories.tolist() == NAMES
    assert network.predict(x, names=True).tolist() == found["prediction"].tolist()


def test_without_names_they_are_the_numbers_as_text():
    plain = bpexp.dataset(X, LABELS)
    net = bpexp.Network.create([3, 8, 3])
    found = bpexp.predictions(net, plain)
    assert found["class"].tolist() == [str(k) for k in plain.y_test]
    with pytest.raises(ValueError, match="names: True is not False"):
        net.predict(X, names=True)


def test_those_of_a_regression_are_numbers(data):
    numbers = bpexp.dataset(X, X[:, :2] ** 2)
    net = bpexp.Network.create([3, 8, 2], task="regression")
    found = bpexp.predictions(net, numbers)
    expected = net.outputs(numbers.x_test)
    for _, row in found.iterrows():
        place = int(row["example"]), int(row["output"])
        assert (row["target"], row["prediction"]) == (numbers.y_test[place], expected[place])
    with pytest.raises(BpexpError, match="have no classes"):
        confusion(found)
    with pytest.raises(BpexpError, match="does not fit"):
        bpexp.predictions(net, data)
    with pytest.raises(BpexpError, match="split: 'tst' is"):
        bpexp.predictions(net, numbers, split="tst")


def test_the_map_counts_each_pair_under_its_names(network, data):
    found = bpexp.predictions(network, data)
    (panel,) = confusion(found).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == NAMES
    assert [label.get_text() for label in panel.get_xticklabels()] == NAMES
    shown = {(t.get_position()[1], t.get_position()[0]): int(t.get_text()) for t in panel.texts}
    pairs = list(zip(found["class"], found["prediction"], strict=True))
    for row, own in enumerate(NAMES):
        for column, other in enumerate(NAMES):
            assert shown.get((row, column), 0) == pairs.count((own, other))
    right = sum(a == b for a, b in pairs) / len(pairs)
    assert confusion(found).get_suptitle() == f"{right:.1%} right"
