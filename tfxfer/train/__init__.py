"""Training: what is frozen is computed once, what trains is the model's own."""

from tfxfer.train.fitting import fit

__all__ = ["fit"]
