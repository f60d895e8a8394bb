"""Numbers of images: an image keeps its own through splits, limits and corruptions."""

import numpy as np

ID_STEP = 10**9
"""A corrupted image's id is that of the image it was made of, plus this times (the number of its cell + 1)."""


def base_ids(ids: np.ndarray) -> np.ndarray:
    """Ids of the images that others were made of, int64 (n,): their own where they are not corrupted.

    Args:
        ids: int64 (n,).
    """
    return ids % ID_STEP
