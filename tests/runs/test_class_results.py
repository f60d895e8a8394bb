"""The worst and the most frequent class, by hand."""

import numpy as np

from tfxfer.runs import class_results
from tfxfer.runs.class_results import WorstClass

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 3])


def test_the_worst_class_and_what_it_is_taken_for():
    predicted = np.array([0, 0, 0, 1, 3, 3, 1, 3])  # of 1, one in three is right; of 2 there are no images
    assert class_results.worst(LABELS, predicted, 4) == WorstClass(label=1, right=1, tested=3, taken_for=3)
    assert class_results.worst(LABELS, LABELS, 4) is None


def test_the_most_frequent_class_of_training_or_else_of_the_test():
    facts = {"classes": ["a", "b", "c", "d"]}
    assert class_results.most_frequent(facts, LABELS) == 0
    counted = facts | {"dataset": {"counts": {"train": [1, 2, 9, 3]}}}
    assert class_results.most_frequent(counted, LABELS) == 2
