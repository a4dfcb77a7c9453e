"""Identity: what is hashed, and that added keys leave records readable and runs finished."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass, replace

import pytest
from growth import NEUTRAL, SGD, Grown, grow, grown_config
from helpers import ROOT, defaults, make_config

from bpexp.config import ALGORITHM, Config, flatten
from bpexp.config import identity as module
from bpexp.config.identity import completed, configuration, nest, recorded_algorithm
from bpexp.config.keys import ORIGINAL, Group
from bpexp.config.schema import KEYS

FIRST = json.loads((ROOT / "tests" / "recorded" / "keys_0_1.json").read_text())
OLD = ROOT / "tests" / "recorded" / "study_0_1" / "runs"
STARTS = [
    json.loads(path.read_text().partition("\n")[0])
    for path in sorted(OLD.glob("*/*/journal.jsonl"))
]


def test_every_key_that_was_added_has_a_neutral_value():
    """Without it finished runs would be trained anew, and old records have no theory."""
    for name, key in KEYS.items():
        first = FIRST.get(key.formerly or name, {}) if isinstance(key, Group) else {}
        if (key.formerly or name) not in FIRST:
            assert key.neutral is not ORIGINAL, f"{name}: declare a neutral value"
        for row in first:
            parameters = inspect.signature(key.table[row]).parameters
            added = {*parameters} - {*first[row]}
            assert added == {*key.later.get(row, ())}, f"{name}.{row}: declare neutral values"


@pytest.mark.parametrize("name", [n for n, key in KEYS.items() if key.neutral is not ORIGINAL])
def test_a_neutral_value_is_an_allowed_one(name):
    flat = make_config().flat().items()
    lacking = nest({k: v for k, v in flat if k != name and not k.startswith(f"{name}.")})
    whole = completed(lacking)
    assert Config.of(whole).nested() == whole


def test_the_hash_is_that_of_version_0_1_by_hand():
    for start in STARTS:
        config = start["config"]
        flat = {"algorithm": 5, "digest": start["digest"], "data": config["data"]["name"]}
        for key in ("depth", "width", "lr", "batch_size", "epochs", "frozen", "seed"):
            flat[key] = config[key]
        flat |= {"dtype": "float32", "threads": 1, "probe.every": None}
        flat |= {f"probe.{key}": config["probe"][key] for key in ("examples", "jacobian")}
        for group in ("activation", "init", "cost", "optimizer", "stop"):
            for key, value in config[group].items():
                flat[group if key == "name" else f"{group}.{key}"] = value
        text = json.dumps(flat, sort_keys=True)
        expected = hashlib.sha256(text.encode()).hexdigest()[:16]
        assert start["identity"] == expected
        assert module.identity(config, start["digest"], 5) == expected


def test_added_keys_change_no_identity_at_their_neutral_values(monkeypatch):
    before = make_config(optimizer=SGD).identity("d")
    grow(monkeypatch)
    assert grown_config().identity("d") == before
    for changes in (
        {"pace": {"name": "steady", "hold": 3}},
        {"pace": {"name": "rising", "hold": 0}},
        {"noise": 0.1},
        {"optimizer": {**SGD, "lag": 1}},
    ):
        assert grown_config(**changes).identity("d") != before
    assert grown_config(mood="gay").identity("d") == before
    several = [{"name": "rising", "hold": hold} for hold in (0, 1)]
    assert len({grown_config(pace=pace).identity("d") for pace in several}) == 2


def test_what_a_record_lacks_is_read_as_neutral(monkeypatch):
    grow(monkeypatch)
    for start in STARTS:
        recorded = json.loads(json.dumps(start["config"]))
        config = Grown.of(completed(recorded))
        assert recorded == start["config"]
        assert config.nested().items() >= NEUTRAL.items()
        if config.optimizer.name == "sgd":
            assert config.optimizer.parameters["lag"] == 0
        identity = module.identity(config.nested(), start["digest"], start.get("algorithm", 5))
        assert identity == start["identity"]
        assert configuration(config.nested(), "d") == configuration(start["config"], "d")


def test_released_0_1_had_no_jacobian_and_no_draw():
    config = make_config().nested()
    del config["probe"]["jacobian"], config["draw"]
    assert completed(config) == make_config().nested()
    assert list(completed(config)) == list(make_config().nested())


def test_what_is_there_is_kept(monkeypatch):
    grow(monkeypatch)
    config = grown_config(noise=0.5, optimizer={**SGD, "lag": 7}, mood="gay").nested()
    assert completed(config) == config


@dataclass(frozen=True)
class Renamed:
    """Which key is renamed, and to what."""

    old: str
    new: str


@pytest.mark.parametrize(
    "name", [Renamed("lr", "rate"), Renamed("cost", "loss"), Renamed("probe.examples", "batch")],
    ids=lambda renamed: renamed.old,
)  # fmt: skip
def test_a_renamed_key_is_read_under_its_new_name_and_hashed_under_its_first(monkeypatch, name):
    config = make_config(cost={"name": "squared_error", "factor": 0.5}).nested()
    before, of_0_1 = (module.identity(config, "d", number) for number in (ALGORITHM, 5))
    key = replace(KEYS[name.old], formerly=name.old)
    for table in ("IDENTITY_KEYS", "KEYS"):
        keys = {k: v for k, v in getattr(module, table).items() if k != name.old}
        monkeypatch.setattr(module, table, keys | {name.new: key})
    renamed = completed(config)
    assert name.old not in flatten(renamed)
    assert flatten(renamed)[name.new] == flatten(config)[name.old]
    assert completed(renamed) == renamed
    assert module.identity(renamed, "d", ALGORITHM) == before
    assert recorded_algorithm(config, "d", of_0_1) == 5


@pytest.mark.parametrize("algorithm", [1, 2, 3, 4, 5])
def test_the_algorithm_of_an_old_record_is_found_from_its_identity(algorithm):
    config = STARTS[0]["config"]
    identity = module.identity(config, "d", algorithm)
    assert recorded_algorithm(config, "d", identity) == algorithm
    assert recorded_algorithm(config, "e", identity) == 0


def test_nest_undoes_flatten():
    config = make_config(activation={"name": "leaky", "negative_slope": 0.2})
    flat = dict(sorted(config.flat().items(), reverse=True))  # parameters before their groups
    assert nest(flat) == config.nested()
    assert nest(flatten(defaults())) == defaults()
