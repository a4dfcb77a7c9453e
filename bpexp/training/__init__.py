"""Training: trainers that move stacks, and the loop that tells what is known of them."""

from bpexp.training.loop import Observation, Record, run, train
from bpexp.training.stopping import STOPS
from bpexp.training.trainer import Trainer

__all__ = ["STOPS", "Observation", "Record", "Trainer", "run", "train"]
