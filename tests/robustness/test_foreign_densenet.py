"""Keras's DenseNet121 goes through everything, in a process of its own because its graphs take memory."""

from foreign_networks import check_every_step


def test_every_step(tmp_path, monkeypatch):
    check_every_step("DenseNet121", tmp_path, monkeypatch)
