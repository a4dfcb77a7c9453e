"""The training to change: that of a recorded run, or of a network with data and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.config import Config
from bpexp.config.command import command
from bpexp.config.config import refuse_depth, refuse_frozen
from bpexp.config.grid import configs, grid
from bpexp.config.identity import completed
from bpexp.config.schema import checked
from bpexp.data import Dataset, load_once
from bpexp.data.dataset import make_dataset
from bpexp.errors import BpexpError, ConfigError, one_of
from bpexp.nn import Architecture, Choice, Network
from bpexp.nn.norms import check_batches
from bpexp.nn.stack import check_layers, initial_theta
from bpexp.nn.tasks import TASKS
from bpexp.record.run import Run

OWN = Choice("own")
"""The data set and the initialization of a network that was given."""

SETTINGS = ("lr", "epochs", "batch_size", "optimizer", "schedule", "stop", "frozen", "seed")
TRAINING: Mapping[str, Any] = {"lr": 0.1, "epochs": 20, "batch_size": 32}  # as `bpexp.train`
UNSAID: Mapping[str, Any] = {
    "optimizer": checked("optimizer", "sgd"),
    "schedule": checked("schedule", "constant"),
    "stop": checked("stop", "none"),
    "frozen": 0,
}  # defaults of `bpexp.train`
REDRAWN = Choice("he_normal")  # draws the arrays that only the changed network has


@dataclass(frozen=True)
class Subject:
    """A training that is repeated with changes.

    Attributes:
        name: the name of the run, or a description of the network.
        config: the configuration to change.
        data: the data set.
        network: the network whose parameters are the initial ones; None: they are drawn.
        program: the script that started the run, if it registered functions that the run uses.
    """

    name: str
    config: Config
    data: Dataset
    network: Network | None = None
    program: str = ""

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return the training of a recorded run.

        Raises:
            BpexpError: `bpexp.watch` recorded the run, or its data have changed.
            ConfigError: its configuration is no longer valid.
        """
        recorded = completed(run.start["config"])
        if recorded["data"]["name"] == OWN.name:
            raise BpexpError(
                f"run: {run.start['name']} was trained by another program; give its network, as "
                "bpexp.from_torch returns it, and its data"
            )
        config = Config.of(recorded)
        data = load_once(config.data.name, **config.data.parameters)
        if data.digest != run.start["digest"]:
            raise BpexpError(f"data: {data.source} has changed since the run was trained")
        return cls(run.start["name"], config, data, program=run.start.get("program", ""))

    @classmethod
    def of_network(
        cls, network: Network, data: Dataset, examples: int, settings: Mapping[str, Any]
    ) -> Self:
        """Return the training of a network, which itself does not change.

        Args:
            network: the network before training.
            data: the data set.
            examples: the largest number of examples of each split.
            settings: values of some of SETTINGS.

        Raises:
            ConfigError: a setting is unknown or out of range, or the data do not fit.
        """
        for name in settings:
            if name not in SETTINGS:
                raise ConfigError(one_of("setting", name, SETTINGS))
        shape = network.architecture
        if (shape.sizes[0], shape.sizes[-1], shape.task) != (
            *(data.n_features, data.n_outputs),
            data.task,
        ):
            raise ConfigError(f"network: {shape} does not fit {data!r}")
        hidden = shape.sizes[1:-1]
        keys: dict[str, Any] = {"depth": len(hidden), "width": max(hidden, default=1)}
        keys |= {name: getattr(shape, name) for name in ("activation", "skip", "norm", "cost")}
        keys |= {"dtype": str(network.theta.dtype), "tracking": "off", **TRAINING, **settings}
        (config,) = configs(grid(keys))
        config = replace(config, data=OWN, init=OWN)
        return cls(str(shape), config, sampled(data, examples), network)

    def architecture(self, config: Config) -> Architecture:
        """Return the architecture of a changed configuration, with the network's layer sizes."""
        if self.network is None:
            return config.architecture(self.data)
        first, *hidden, last = self.network.architecture.sizes
        sizes = (first, *hidden[: config.depth], last)
        return Architecture.dense(
            sizes, config.activation, config.cost, self.data.task, config.skip, config.norm
        )

    def fits(self, config: Config) -> bool:
        """Return whether a changed configuration is valid for the data."""
        try:
            refuse_frozen(config.frozen, config.depth)
            refuse_depth(config.depth, config.skip)
            shape = self.architecture(config)
            check_batches(config.norm, config.batch_size, len(self.data.x_train))
            if config.init != OWN:
                check_layers(shape, config.init)
        except (ValueError, ConfigError):
            return False
        return True

    def theta(self, config: Config) -> NDArray[np.float64]:
        """Return the parameters at step 0, (P,) float64.

        Those of a run, and those of a network with a changed initialization, are drawn from the
        seed of the configuration. Otherwise an array of the network is copied if the changed
        network has an array of the same name and shape in the layer of the same number, or in the
        output layer if it is one of the output layer. Other arrays are drawn.
        """
        shape, batch = self.architecture(config), self.data.x_train[: config.probe.examples]
        if self.network is None or config.init != OWN:
            return initial_theta(shape, config.init, config.seed, batch)
        theta = initial_theta(shape, REDRAWN, config.seed, batch)
        own = self.network.parameters
        arrays = shape.parameters(theta)
        for mine, new in zip([*own[: len(arrays) - 1], own[-1]], arrays, strict=True):
            for name, array in new.items():
                if name in mine and mine[name].shape == array.shape:
                    array[...] = mine[name]
        return theta

    def command(self, name: str, config: Config, seeds: Sequence[int]) -> str:
        """Return the command or Python call that trains a changed configuration again.

        Args:
            name: the name of the change.
            config: the changed configuration.
            seeds: the seeds to train; a Python call has the first one only.
        """
        if self.network is None:
            return command(config.nested(), program=self.program, seeds=seeds)
        given = {key: getattr(config, key) for key in SETTINGS} | {"seed": seeds[0]}
        shown = [
            f"{key}={_expression(value)}"
            for key, value in given.items()
            if value != UNSAID.get(key)
        ]
        return f"bpexp.train(found.network({name!r}), found.data, {', '.join(shown)})"


def sampled(data: Dataset, examples: int) -> Dataset:
    """Return a data set with at most this many examples of each split, drawn at random."""
    splits = []
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        order = default_rng(SeedSequence(0)).permutation(len(x))[:examples]
        splits.append((x[order], y[order]))
    if len(data.x_train) <= examples and len(data.x_test) <= examples:
        return data
    return make_dataset(
        data.name, data.source, *splits,
        task=data.task,
        n_classes=data.n_outputs if TASKS[data.task].labels else None,
        classes=data.classes,
        image_shape=data.image_shape,
    )  # fmt: skip


def _expression(value: object) -> str:
    return f"bpexp.{value!r}" if isinstance(value, Choice) else repr(value)
