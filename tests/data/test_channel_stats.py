import numpy as np
import pytest
from PIL import Image

from tfxfer import data
from tfxfer.data import channel_stats


def test_figures_are_numpys(pictures):
    learned = pictures.rows["train"].images.astype(float)
    mean, std = channel_stats.mean_and_std(pictures)
    assert mean == pytest.approx([learned.mean()])
    assert std == pytest.approx([learned.std()])


def test_each_channel_has_its_own(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(20):
            pixels = rng.integers([0, 100, 7], [256, 120, 8], (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    splits = data.load(f"folder:{tmp_path}", image_size=8)
    learned = splits.rows["train"].images[:].reshape(-1, 3).astype(float)
    mean, std = channel_stats.mean_and_std(splits)
    np.testing.assert_allclose(mean, learned.mean(0))
    np.testing.assert_allclose(std, learned.std(0))
    counts = channel_stats.histogram(splits, "train", "test")
    assert counts.shape == (3, 256)
    assert counts.sum(1).tolist() == [64 * (splits.size("train") + splits.size("test"))] * 3
    assert counts[2, 7] == counts[2].sum()
