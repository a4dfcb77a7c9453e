"""Training: trainers of stacks of networks, and the loop that yields records of their runs."""

from bpexp.training.history import History
from bpexp.training.loop import run, train
from bpexp.training.records import Observation, Record
from bpexp.training.schedules import SCHEDULES
from bpexp.training.stopping import STOPS, check_stop
from bpexp.training.trainer import Trainer

__all__ = [
    "SCHEDULES",
    "STOPS",
    "History",
    "Observation",
    "Record",
    "Trainer",
    "check_stop",
    "run",
    "train",
]
