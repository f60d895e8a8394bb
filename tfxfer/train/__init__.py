"""Training: what is frozen is computed once, what trains is the model's own."""

from tfxfer.train.finder import find_learning_rate
from tfxfer.train.fitting import History, fit
from tfxfer.train.tuning import Sweep, fine_tune, sweep

__all__ = ["History", "Sweep", "find_learning_rate", "fine_tune", "fit", "sweep"]
