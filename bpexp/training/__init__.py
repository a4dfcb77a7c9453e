"""Training: trainers that move stacks, and the loop that tells what is known of them."""

from bpexp.training.loop import Observation, Record, run, train
from bpexp.training.stopping import STOPS, check_stop
from bpexp.training.trainer import Trainer

__all__ = ["STOPS", "Observation", "Record", "Trainer", "check_stop", "run", "train"]
