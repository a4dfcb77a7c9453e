"""Training: stacks, seeds, probes, freezing, divergence, resuming."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.data import load
from bpexp.nn import OPTIMIZERS, Architecture, Choice, Network
from bpexp.nn.choices import as_choice
from bpexp.nn.initializers import batch_order
from bpexp.nn.stack import Stack, initial_theta
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import hits
from bpexp.training import STOPS, Trainer, run, train
from bpexp.training.evaluation import EpochScore

DIGITS = load("digits", limit=200)


def make(
    seeds=(0,),
    rates=None,
    depth=2,
    activation="relu",
    optimizer="sgd",
    dtype="float32",
    data=DIGITS,
    **options,
):
    sizes = (data.n_features, *[16] * depth, data.n_outputs)
    architecture = Architecture.dense(sizes, activation, "cross_entropy")
    rows = [initial_theta(architecture, Choice("he_normal"), seed) for seed in seeds]
    return Trainer(
        Stack.of(architecture, rows, dtype),
        data,
        learning_rates=rates or [0.1] * len(seeds),
        seeds=seeds,
        optimizer=as_choice(optimizer, "optimizer", OPTIMIZERS),
        batch_size=32,
        **{"epochs": 3, **options},
    )


def go(trainer, epochs=3, stop=None, probe_every=None):
    """Run to the end; return {row: [(step, epoch, metrics, layers)]} and {row: final theta}."""
    seen, final = {}, {}
    for record in run(
        trainer, epochs=epochs, stop=stop or STOPS["none"](), probe_every=probe_every
    ):
        for r, row in enumerate(record.rows.tolist()):
            seen.setdefault(row, []).append(record.of(r))
            if record.ended[r]:
                final[row] = trainer.stack.theta[r].copy()
    return seen, final


def same(one, other):
    assert [o.step for o in one] == [o.step for o in other]
    for a, b in zip(one, other, strict=True):
        assert a.metrics == b.metrics or any(np.isnan(v) for v in a.metrics.values())
        assert a.layers.keys() == b.layers.keys()
        for name in a.layers:
            assert a.layers[name].tobytes() == b.layers[name].tobytes(), (a.step, name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_in_a_stack_is_the_run_alone_bit_for_bit(optimizer, dtype):
    seeds, rates = (0, 1, 2), [0.1, 0.02, 0.3]
    together, weights = go(make(seeds, rates, optimizer=optimizer, dtype=dtype))
    for row, (seed, rate) in enumerate(zip(seeds, rates, strict=True)):
        alone, own = go(make((seed,), [rate], optimizer=optimizer, dtype=dtype))
        same(together[row], alone[0])
        assert weights[row].tobytes() == own[0].tobytes()


def test_a_run_is_the_same_when_its_neighbours_end_early():
    """Divergence and stop rules take runs out of the stack at different epochs."""
    stop = STOPS["cost"](target=1.2)
    seeds, rates = (0, 1, 2), [0.2, 1e9, 0.01]
    together, weights = go(make(seeds, rates), epochs=8, stop=stop)
    assert len({len(observations) for observations in together.values()}) == 3
    for row in range(3):
        alone, own = go(make(seeds[row : row + 1], rates[row : row + 1]), epochs=8, stop=stop)
        same(together[row], alone[0])
        assert weights[row].tobytes() == own[0].tobytes()


@pytest.mark.parametrize("probe_every", [0, 1, 5, 7])
def test_measuring_changes_nothing(probe_every):
    _, plain = go(make())
    seen, probed = go(make(), probe_every=probe_every)
    assert plain[0].tobytes() == probed[0].tobytes()
    steps = [o.step for o in seen[0] if o.layers]
    last = 3 * 7  # 200 examples in batches of 32
    expected = {0, last} | set(range(0, last + 1, probe_every) if probe_every else [])
    assert steps == sorted(expected)


def test_step_zero_is_before_any_update():
    trainer = make()
    before = trainer.stack.theta.copy()
    first = next(run(trainer, epochs=3, stop=STOPS["none"]()))
    assert first.step == 0
    assert (trainer.stack.theta == before).all()
    network = Network(trainer.stack.architecture, before[0])
    expected = network.loss(DIGITS.x_train[:512], DIGITS.y_train[:512])
    assert first.metrics["loss/train"][0] == pytest.approx(expected, rel=1e-6)


def batches(seed=0, epoch=1):
    """An epoch's batches of 32 of DIGITS: indices."""
    order = batch_order(seed, epoch, 200)
    return [order[start : start + 32] for start in range(0, 200, 32)]


def test_an_epoch_is_what_a_loop_of_gradients_makes_of_it():
    """The running mean of the cost, and the last, smaller batch divided by its own size."""
    trainer = make(dtype="float64")
    network = Network(trainer.stack.architecture, trainer.stack.theta[0].copy())
    assert [len(index) for index in batches()] == [32] * 6 + [8]
    total = 0.0
    for index in batches():
        x, y = DIGITS.x_train[index], DIGITS.y_train[index]
        total += network.loss(x, y) * len(index)
        for theta, gradient in zip(network.layers, network.gradients(x, y), strict=True):
            theta -= 0.1 * gradient
    seen, final = go(trainer, epochs=1)
    assert seen[0][-1].metrics["loss/train"] == pytest.approx(total / 200, rel=1e-12)
    np.testing.assert_allclose(final[0], network.theta, rtol=1e-9, atol=1e-14)
    test_loss = network.loss(DIGITS.x_test, DIGITS.y_test)
    assert seen[0][-1].metrics["loss/test"] == pytest.approx(test_loss, rel=1e-12)


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_each_network_has_its_own_rate(clip, decay):
    """Clipped, then pulled to 0, then times the rate; a network's rate is not its neighbour's."""
    rates = [0.1, 1e-4, 1.3]
    parameters = {"clip_norm": clip, "weight_decay": decay}
    trainer = make([0, 1, 2], rates, optimizer=Choice("sgd", parameters), dtype="float64")
    starts = trainer.stack.theta.copy()
    go(trainer, epochs=1)
    for seed, (start, rate) in enumerate(zip(starts, rates, strict=True)):
        network, found = Network(trainer.stack.architecture, start), trainer.stack.theta[seed]
        for index in batches(seed):
            gradients = network.gradients(DIGITS.x_train[index], DIGITS.y_train[index])
            gradient = np.concatenate([g.ravel() for g in gradients])
            norm = np.linalg.norm(gradient)
            gradient *= min(1, clip / norm) if clip else 1
            for layer in network.layers:
                layer[1:] *= 1 - rate * decay
            network.theta[:] -= rate * gradient
        np.testing.assert_allclose(found, network.theta, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("frozen", [0, 1, 2, 3])
def test_frozen_layers_keep_their_initial_weights(frozen):
    trainer = make(frozen=frozen)
    before = trainer.stack.theta.copy()
    _, final = go(trainer)
    moved = [
        (a != b).any()
        for a, b in zip(
            trainer.stack.architecture.thetas(before[0]),
            trainer.stack.architecture.thetas(final[0]),
            strict=True,
        )
    ]
    assert moved == [layer > frozen for layer in (1, 2, 3)]


def test_divergence_ends_a_run_at_its_step():
    trainer = make(rates=[1e9])
    records = list(run(trainer, epochs=5, stop=STOPS["none"]()))
    assert records[-1].ended.all()
    assert 0 < records[-1].diverged_at[0] <= 7
    assert len(records) == 2
    # by hand: the step is the first whose batch's cost is not finite
    again = make(rates=[1e9])
    network = Network(again.stack.architecture, again.stack.theta[0])
    finite = []
    for index in batches():
        x, y = DIGITS.x_train[index], DIGITS.y_train[index]
        with np.errstate(all="ignore"):
            finite.append(np.isfinite(network.loss(x, y)))
            for theta, gradient in zip(network.layers, network.gradients(x, y), strict=True):
                theta -= np.float32(1e9) * gradient
    assert records[-1].diverged_at[0] == finite.index(False) + 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_is_the_undisturbed_one(optimizer):
    whole, weights = go(make((0, 1), optimizer=optimizer), epochs=4)
    first = make((0, 1), optimizer=optimizer)
    states = None
    for record in run(first, epochs=4, stop=STOPS["none"]()):
        if record.epoch == 2:
            states = [{k: v.copy() for k, v in first.state(r).items()} for r in range(2)]
            break
    second = make((0, 1), optimizer=optimizer)
    second.restore(states)
    rest, resumed = go(second, epochs=4)
    for row in range(2):
        same(whole[row][3:], rest[row])
        assert weights[row].tobytes() == resumed[row].tobytes()


def replayed(optimizer, epochs):
    """Yield a network's parameters before training and after each step, from its trainer's own."""
    trainer = make(optimizer=optimizer)
    yield 0, trainer.stack.theta[0].copy()
    for _ in range(epochs):
        for _ in trainer.advance(1):
            yield trainer.step, trainer.stack.theta[0].copy()
        yield trainer.step, trainer.stack.theta[0].copy()
        trainer.close_epoch()


def relative(theta, other, layer, denominator):
    """The norm of a layer's difference over that of `denominator`, by plain sums in float64."""
    thetas = make().stack.architecture.thetas
    one, two, three = (thetas(x.astype(float))[layer] for x in (theta, other, denominator))
    return np.sqrt(((one - two) ** 2).sum() / (three**2).sum())


@pytest.mark.parametrize("every", [None, 0, 1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_update_ratio_is_that_of_the_last_optimizer_step(optimizer, every):
    thetas = dict(replayed(optimizer, 2))
    seen, _ = go(make(optimizer=optimizer), epochs=2, probe_every=every)
    probed = [one for one in seen[0] if one.layers]
    assert np.isnan(probed[0].layers["update_ratio"]).all()
    assert len(probed) == {None: 3, 0: 2, 1: 15, 3: 6}[every]
    for one in probed[1:]:
        after, before = thetas[one.step], thetas[one.step - 1]
        expected = [relative(after, before, layer, after) for layer in range(3)]
        np.testing.assert_allclose(one.layers["update_ratio"], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("frozen", [0, 1, 3])
def test_distances_are_those_from_step_zero_at_every_epochs_end(frozen):
    seen, _ = go(make(frozen=frozen), epochs=2, probe_every=0)
    trainer = make(frozen=frozen)
    initial, k = trainer.stack.theta[0].copy(), min(frozen, 2)
    assert (seen[0][0].metrics["distance/first"], seen[0][0].metrics["distance/last"]) == (0, 0)
    for one in seen[0][1:]:
        list(trainer.advance())
        trainer.close_epoch()
        theta = trainer.stack.theta[0]
        for name, layer in (("distance/first", k), ("distance/last", 2)):
            expected = relative(theta, initial, layer, initial)
            assert one.metrics[name] == pytest.approx(expected, rel=1e-9, abs=0)
            assert (one.metrics[name] > 0) == (frozen < 3)


def test_the_distance_of_a_layer_that_moved_from_zero_is_infinite():
    trainer = make()
    trainer.stack.layers[-1][:] = 0
    trainer = make_again(trainer)
    list(trainer.advance())
    metrics, _ = trainer.close_epoch()
    assert metrics["distance/last"][0] == np.inf
    assert 0 < metrics["distance/first"][0] < np.inf


def make_again(trainer):
    """Return a new trainer of a trainer's networks as they are now."""
    return Trainer(
        trainer.stack, DIGITS, learning_rates=[0.1], seeds=[0],
        optimizer=Choice("sgd"), batch_size=32, epochs=3,
    )  # fmt: skip


def test_order_is_a_function_of_seed_and_epoch():
    first, second, other = batch_order(3, 1, 200), batch_order(3, 2, 200), batch_order(4, 1, 200)
    assert (first == batch_order(3, 1, 200)).all()
    assert all((np.sort(order) == np.arange(200)).all() for order in (first, second, other))
    assert (first != second).any()
    assert (first != other).any()


def test_train_reaches_the_accuracy_of_the_readme():
    network = Network.create([64, 32, 32, 10], seed=0)
    history = train(network, load("digits"), lr=0.1, epochs=10)
    accuracy = history[-1].metrics["accuracy/test"]
    data = load("digits")
    assert accuracy == (network.predict(data.x_test) == data.y_test).mean()
    assert accuracy > 0.9


def test_zero_epochs_measure_only():
    seen, final = go(make(), epochs=0)
    assert [o.step for o in seen[0]] == [0]
    assert seen[0][0].layers
    assert 0 in final


@pytest.mark.parametrize(
    ("rule", "costs", "accuracies", "expected"),
    [
        (STOPS["none"](), [0.0], [1.0], False),
        (STOPS["cost"](target=0.5), [0.6, 0.5], [0, 0], True),
        (STOPS["cost"](target=0.5), [0.4, 0.6], [0, 0], False),
        (STOPS["accuracy"](target=0.9), [1, 1], [0.5, 0.9], True),
        (STOPS["patience"](epochs=2), [3, 2, 2, 2], [0] * 4, True),
        (STOPS["patience"](epochs=2), [3, 2, 2, 1.9], [0] * 4, False),
        (STOPS["patience"](epochs=2), [3, 2], [0] * 2, False),
        (STOPS["patience"](epochs=2, min_delta=0.5), [3, 2, 1.8, 1.6], [0] * 4, True),
    ],
)
def test_stop_rules(rule, costs, accuracies, expected):
    assert rule(costs, accuracies) is expected


def test_a_networks_accuracy_knows_nothing_of_its_neighbours():
    """Ties of one network and NaN of another could make up for each other in number."""
    tied, broken = np.zeros((2, 2)), np.full((2, 2), np.nan)
    labels = np.array([1, 1])
    columns = np.eye(2)[:, labels]
    alone = [hits(z, columns) for z in (tied, broken)]
    together = hits(np.stack([tied, broken], axis=1), columns[:, None])
    np.testing.assert_array_equal(together, alone)
    assert not np.any(alone)


def test_a_mean_cost_beyond_float64_is_the_largest_costs_step():
    cost = Choice("squared_error", {"output": "identity"})
    stack = Stack(Architecture.dense((2, 2), "relu", cost), np.zeros((1, 6)))
    labels = np.array([0, 1, 0, 1])
    score = EpochScore(stack, Targets.of(labels, 2, float, labels=True))
    score.z[..., :2], score.z[..., 2:] = 0, 9e153
    with np.errstate(over="ignore"):
        _, broken = score(labels[None], [2, 4])
    assert broken.tolist() == [2]


def test_batch_norm_is_scored_at_step_0_with_the_statistics_of_the_probe_batch():
    data = load("digits", limit=96)
    network = Network.create([64, 8, 8, 10], norm="batch", dtype="float64", seed=3)
    x, y = data.x_train.astype(float), data.y_train
    a = x
    for theta in network.layers[:-1]:
        u = theta[0] + a @ theta[1:]
        a = np.maximum((u - u.mean(0)) / np.sqrt(u.var(0) + 1e-5), 0)
    z = network.layers[-1][0] + a @ network.layers[-1][1:]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected = -np.log(p[np.arange(len(y)), y]).mean()
    running = network.loss(data.x_test, data.y_test)
    start = train(network, data, epochs=0)[0].metrics
    assert start["loss/train"] == pytest.approx(expected, rel=1e-12)
    assert start["loss/test"] == pytest.approx(running, rel=1e-12)
