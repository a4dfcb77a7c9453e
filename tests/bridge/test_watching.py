"""Watched training loops: their numbers stay, and the record is one like any other."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import bpexp
from bpexp.errors import BridgeError
from bpexp.report import report_study

torch = pytest.importorskip("torch")
nn = torch.nn

DIGITS = bpexp.load_data("digits", limit=120)
X = torch.tensor(DIGITS.x_train.astype(np.float32))
Y = torch.tensor(DIGITS.y_train)


def module(seed=0, width=16):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Dropout(0.1),
        nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10),
    )  # fmt: skip


def loop(net, epochs=3, lr=0.05, loss=nn.functional.cross_entropy, y=Y, each=lambda: None):
    """A training loop as people write it, with an evaluation; returns the losses."""
    optimizer, found = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9), []
    torch.manual_seed(5)
    for _ in range(epochs):
        for batch in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            value = loss(net(X[batch]), y[batch])
            value.backward()
            optimizer.step()
            found.append(value.item())
            each()
        net.eval()
        with torch.no_grad():
            net(X)
        net.train()
    return found


def test_watching_changes_nothing_and_records_the_loops_own_numbers(tmp_path):
    plain, watched = module(), module()
    losses = loop(plain)
    with bpexp.watch(watched, every=4, root=tmp_path, steps_per_epoch=len(losses) // 3) as study:
        assert loop(watched) == losses
    for ours, theirs in zip(watched.state_dict().values(), plain.state_dict().values(),
                            strict=True):  # fmt: skip
        assert torch.equal(ours, theirs)

    runs, layers = bpexp.load_runs(study), bpexp.load_layers(study)
    assert layers["step"].unique().tolist() == list(range(0, len(losses), 4))
    curves = bpexp.load_curves(study)
    np.testing.assert_allclose(curves["loss/train"], losses[::4], rtol=1e-6)
    assert curves["epoch"].iloc[-1] == pytest.approx(curves["step"].iloc[-1] * 3 / len(losses))
    row = runs.iloc[0]
    assert (row["status"], row["verdict/training"], row["depth"]) == ("FINISHED", "learnt", 2)
    assert (row["optimizer"], row["lr"], row["norm"], row["cost"]) == (
        *("sgd", 0.05, "batch", "cross_entropy"),
    )


def test_the_first_measurement_is_that_of_a_diagnosis(tmp_path):
    net = module()
    net[3].p = 0.0
    torch.manual_seed(5)
    batch = torch.randperm(len(X)).split(32)[0]
    expected = bpexp.diagnose(net, nn.CrossEntropyLoss(), X[batch], Y[batch]).observation.layers
    with bpexp.watch(net, root=tmp_path) as study:
        loop(net, epochs=1)
    found = bpexp.load_layers(study)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


def test_the_update_ratio_and_the_distance_are_those_of_the_parameters(tmp_path):
    net, kept = module(), []

    def keep():
        kept.append([(net[i].weight.detach().clone(), net[i].bias.detach().clone())
                     for i in (0, 4, 6)])  # fmt: skip

    keep()
    with bpexp.watch(net, every=2, root=tmp_path) as study:
        loop(net, each=keep)
    found = bpexp.load_layers(study).set_index(["step", "layer"])["update_ratio"]
    curves = bpexp.load_curves(study).set_index("step")
    assert found.loc[0].isna().all()
    for step in (2, 4, 8):
        for number in range(3):
            now, last = (torch.cat([w.ravel(), b]).double()
                         for w, b in (kept[step][number], kept[step - 1][number]))  # fmt: skip
            ratio = ((now - last).norm() / now.norm()).item()
            assert found.loc[step, number + 1] == pytest.approx(ratio, rel=1e-5)
        start, now = kept[0][0][0], kept[step][0][0]
        moved = ((now - start).norm() / start.norm()).item()
        assert curves.loc[step, "distance/first"] == pytest.approx(moved, rel=1e-5)


def test_a_regression_and_a_loss_of_ones_own(tmp_path):
    y = X[:, :10] * 2
    with bpexp.watch(module(), every=3, root=tmp_path, name="mse") as study:
        loop(module(), loss=nn.functional.mse_loss, y=y)  # another module: nothing is recorded
    assert list(study.loaded()) == []
    net = module()
    with bpexp.watch(net, every=3, root=tmp_path, name="mse") as study:
        loop(net, loss=nn.functional.mse_loss, y=y)
    row = bpexp.load_runs(study).iloc[0]
    assert (row["task"], row["name"], row["cost"]) == ("regression", "mse", "squared_error")
    assert np.isfinite(row["r2/train"])
    assert row["verdict"] in ("healthy", "stalled", "wrecked")
    net = module()
    with bpexp.watch(net, every=3, root=tmp_path) as study:
        loop(net, loss=lambda a, t: (a**4).mean())
    row = bpexp.load_runs(study).iloc[0]
    assert (row["status"], row["cost"]) == ("FINISHED", "own")
    assert row.isna()["verdict"]


def fail():
    raise RuntimeError("own")


def test_ends_that_are_no_success(tmp_path):
    net = module()
    watch = bpexp.watch(net, every=1, root=tmp_path)
    with pytest.raises(RuntimeError, match="own"), watch as study:
        loop(net, each=fail)
    assert bpexp.load_runs(study).iloc[0]["status"] == "FAILED"
    with bpexp.watch(net, every=1, root=tmp_path) as study:
        loop(net, lr=1e38)
    row = bpexp.load_runs(study).iloc[0]
    assert (row["status"], row["verdict"]) == ("FINISHED", "diverged")
    assert row["diverged_at"] > 0
    with pytest.raises(BridgeError, match="every: 0 is not"):
        bpexp.watch(net, every=0, root=tmp_path)


def test_tables_and_figures_take_it(tmp_path):
    for width in (8, 16):
        net = module(width=width)
        with bpexp.watch(net, every=6, root=tmp_path, study="loops") as study:
            loop(net)
    tables = bpexp.load_tables("loops", root=tmp_path)
    assert sorted(tables.runs["width"]) == [8, 16]
    assert bpexp.figures.gradient_by_layer(tables.layers).axes
    assert (study.folder / next(iter(study.members)) / "layers.parquet").exists()


@pytest.mark.full
def test_the_report_and_mlflow_take_it(tmp_path):
    from bpexp.tracking.command import main as sync

    net = module()
    with bpexp.watch(net, every=6, root=tmp_path, study="loops") as study:
        loop(net)
    assert report_study("loops", root=tmp_path).stat().st_size > 10_000
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow and SQLAlchemy warn of each other
        assert sync(["loops", "--root", str(tmp_path), "--tracking-uri", uri]) == 0
    stored = bpexp.load_layers("loops", uri=uri)["grad_norm"]
    np.testing.assert_allclose(stored, bpexp.load_layers(study)["grad_norm"])
