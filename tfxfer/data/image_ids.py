"""Ids of images: an image keeps its id through splits, limits and corruptions."""

import numpy as np

ID_STEP = 10**9
"""A corrupted image's id is its base image's id, plus this number times (5 x number of corruption + severity)."""


def base_ids(ids: np.ndarray) -> np.ndarray:
    """Ids of the images that others were made of, int64 (n,): their own unless they are corrupted.

    Args:
        ids: int64 (n,).
    """
    return ids % ID_STEP
