"""Runs give the numbers that are recorded in recorded/values.json, bit for bit.

Bits are those of one NumPy on one kind of processor. Elsewhere last digits differ, and training,
which is chaotic, carries them on: there only what is known before training is compared.
"""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from recorded.record import VALUES, environment, found, study, summary

RECORDED = json.loads(VALUES.read_text())
RUNS = RECORDED["runs"]
SAME_BITS = RECORDED["environment"] == environment()
RTOL = {"float32": 1e-4, "float64": 1e-10}
BEFORE_TRAINING = ("identity", "sizes", "chance", "keys")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return found(study(tmp_path_factory.mktemp("recorded")))


def leaves(value, path=""):
    """Every number, word or null in nested lists and mappings, with its place."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            yield from leaves(part, f"{path}/{key}")
    else:
        yield path, value


def different(expected, got):
    """The places where two nested values differ in any bit, hashes last."""
    one, other = dict(leaves(expected)), dict(leaves(got))
    places = [p for p in one | other if repr(one.get(p, "absent")) != repr(other.get(p, "absent"))]
    return [
        f"{place}: {one.get(place, 'absent')} -> {other.get(place, 'absent')}"
        for place in sorted(places, key=lambda place: place.endswith("sha256"))
    ]


def far(expected, got, rtol):
    """The places of an observation where two differ by more than `rtol` of the recorded number.

    A singular value is compared with the largest one: the smallest are rounding errors of it.
    """
    one, other = dict(leaves(expected[:4])), dict(leaves(got[:4]))
    places = [
        f"{place}: {one[place]} -> {other.get(place, 'absent')}"
        for place in one
        if not np.allclose(other.get(place, np.inf), one[place], rtol, atol=0, equal_nan=True)
    ]
    if expected[4] is not None:
        atol = rtol * np.max(expected[4])
        places += [] if np.allclose(got[4], expected[4], rtol=0, atol=atol) else ["spectra"]
    return places


def changes(expected, run, same_bits=SAME_BITS):
    """What of a run is not as it was recorded; keys that were added since are left aside."""
    got = json.loads(json.dumps(summary(run, expected["keys"])))
    if same_bits:
        return different(expected, got)
    known = [{key: side[key] for key in BEFORE_TRAINING} for side in (expected, got)]
    return different(*known) + far(expected["first"], got["first"], RTOL[expected["dtype"]])


def test_identities_are_the_recorded_ones(runs):
    assert sorted(runs) == sorted(RUNS)


@pytest.mark.parametrize("identity", RUNS)
def test_numbers_are_the_recorded_ones(runs, identity):
    assert changes(RUNS[identity], runs[identity]) == []


def observations(run):
    return [line for line in run["lines"] if line["kind"] == "observation"]


@pytest.mark.parametrize("same_bits", [True, False])
def test_a_change_before_training_is_noticed(runs, same_bits):
    for identity, run in runs.items():
        expected = json.loads(json.dumps(summary(run)))
        factor = 1 + 2 * RTOL[expected["dtype"]]
        for part in ("layers", "metrics"):
            changed = copy.deepcopy(run)
            numbers = observations(changed)[0][part]
            if part == "layers":
                numbers["delta_norm"][-1] *= factor
            else:
                numbers["loss/train"] *= factor
            (place, *_) = changes(expected, changed, same_bits)
            assert ("delta_norm" if part == "layers" else "loss/train") in place, identity


def test_a_last_bit_in_the_midst_of_training_or_in_the_weights_is_noticed(runs):
    identity = max(runs, key=lambda identity: len(runs[identity]["lines"]))
    run = runs[identity]
    expected = json.loads(json.dumps(summary(run)))
    changed = copy.deepcopy(run)
    norms = next(line["layers"]["q"] for line in observations(changed)[1:-1] if line["layers"])
    norms[0] = float(np.nextafter(norms[0], 1))
    (place,) = changes(expected, changed, same_bits=True)
    assert place.startswith("/sha256:")
    changed = copy.deepcopy(run)
    theta = changed["theta"]["theta_001"]
    theta[0, 0] = np.nextafter(theta[0, 0], theta.dtype.type(1))
    assert any(p.startswith("/theta/theta_001/") for p in changes(expected, changed, True))


def test_what_later_versions_add_is_left_aside(runs):
    for run in runs.values():
        expected = json.loads(json.dumps(summary(run)))
        grown = copy.deepcopy(run)
        for line in grown["lines"]:
            line["added"] = 1
            for part in ("layers", "metrics"):
                if line.get(part):
                    line[part]["added"] = [1.0]
        if not expected["keys"]["spectra"]:
            observations(grown)[0]["spectra"] = [[1.0]]
        assert changes(expected, grown, same_bits=True) == []
        assert changes(expected, grown, same_bits=False) == []
        del observations(grown)[0]["layers"]["q"]
        assert changes(expected, grown, same_bits=True) != []
        assert changes(expected, grown, same_bits=False) != []
