"""The plain way of the same sweep: Hydra's basic launcher, PyTorch, `mlflow.log_metric`.

As the documentation of each shows it, with one thread:

    python plain_sweep.py -m lr=0.01,0.1 seed=0,1
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import hydra
import mlflow
import torch
from hydra.core.config_store import ConfigStore
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


@dataclass
class Config:
    depth: int = 2
    width: int = 32
    lr: float = 0.1
    epochs: int = 5
    batch_size: int = 32
    seed: int = 0


ConfigStore.instance().store(name="config", node=Config)


def network(config: Config) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = []
    sizes = [64, *[config.width] * config.depth, 10]
    for n, m in pairwise(sizes):
        modules += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config: Config) -> float:
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    parts = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    x_train, x_test, y_train, y_test = map(torch.tensor, parts)
    net, cost = network(config), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=config.lr)
    linear = [module for module in net if isinstance(module, torch.nn.Linear)]

    def log(epoch: int, loss: float, accuracy: float) -> float:
        """Log what bpexp logs: the epoch's means, the test set, the probe batch's gradients."""
        mlflow.log_metric("epoch", epoch, step=epoch)
        mlflow.log_metric("loss/train", loss, step=epoch)
        mlflow.log_metric("accuracy/train", accuracy, step=epoch)
        with torch.no_grad():
            out = net(x_test)
            tested = float((out.argmax(1) == y_test).float().mean())
            mlflow.log_metric("loss/test", float(cost(out, y_test)), step=epoch)
            mlflow.log_metric("accuracy/test", tested, step=epoch)
        net.zero_grad()
        cost(net(x_train[:512]), y_train[:512]).backward()
        norms = [float(module.weight.grad.norm()) for module in linear]
        mlflow.log_metric("gradient/first_to_last", norms[0] / norms[-1], step=epoch)
        for number, norm in enumerate(norms, start=1):
            mlflow.log_metric(f"grad_norm/layer_{number:03d}", norm, step=epoch)
        return tested

    with mlflow.start_run():
        mlflow.log_params(dict(config))
        with torch.no_grad():
            out = net(x_train[:512])
        accuracy = float((out.argmax(1) == y_train[:512]).float().mean())
        tested = log(0, float(cost(out, y_train[:512])), accuracy)
        for epoch in range(1, config.epochs + 1):
            total = correct = 0.0
            for index in torch.randperm(len(x_train)).split(config.batch_size):
                optimizer.zero_grad()
                out = net(x_train[index])
                loss = cost(out, y_train[index])
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(index)
                correct += float((out.argmax(1) == y_train[index]).sum())
            tested = log(epoch, total / len(x_train), correct / len(x_train))
        torch.save(net.state_dict(), "weights.pt")
        mlflow.log_artifact("weights.pt")
        Path("weights.pt").unlink()
    return tested


if __name__ == "__main__":
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    mlflow.set_experiment("plain")
    main()
