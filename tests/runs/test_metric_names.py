"""The table of metrics describes every key, each by one row; that recipes write no others, their own tests check."""

import math
import re
from pathlib import Path

import pytest

from tfxfer.runs import metric_names

TEXT = """
seconds/training seconds/as_few/before test/ece_uncalibrated test/answered test/answered_accuracy_low test/ece
test/answered_accuracy test/accuracy test/accuracy_low before/probe_accuracy after/silhouette
after/knn_purity layers/before/stem/nc1 layers/after/stage1/cdnv data/mean data/median data/std data/duplicate_groups
data/leaking_groups data/near_copies_test data/near_copies_validation data/outlier_median
scale/mean scale/std deletion/gradcam++/probability deletion/layercam/top deletion/middle/lowest
deletion/gradcam/random deletion/gradcam/gain deletion/gradcam/high deletion/gradcam/empty deletion/gradcam/images
sanity/head vgg19/nc1 vgg19/equal_norms vgg19/equal_angle vgg19/maximal_angle pixels/cdnv
resnet18_tuned/classifier_equal_norms resnet18/classifier_equal_angle resnet18/classifier_maximal_angle resnet18/nc3
resnet18/nc4 scattering/lda/test_accuracy scattering/lda/train_accuracy resnet18/last_layer/validation_accuracy
pixels/svm/fit_seconds pixels/svm/predict_seconds pixels/svm/parameters pixels/svm/model_bytes pixels/svm/converged
pixels/svm/C pixels/knn/k pixels/lda/shrinkage cnn/test_accuracy head/train_accuracy cnn/validation_accuracy
cnn/fit_seconds cnn/predict_seconds cnn/parameters cnn/model_bytes logistic/converged svm/C knn/k lda/shrinkage
svm/sweep_rows svm/sweep_seconds cnn/ece cnn/inverted/accuracy cnn/test/confidence cnn/digits/confidence
cnn/digits/auroc head/overfits_after_epoch before/corrupted_accuracy as_published/after/clean_accuracy
after/clean_accuracy_low as_few/before/corrupted_accuracy_high before/grid/gaussian_noise_5 after/grid/mean_15
adapted/clean_accuracy adapted/corrupted_accuracy_low adapted/grid/fog_1 adapted/grid/mce_vs_before_15
after/grid/relative_mce_vs_before_19
validation/accuracy validation/log_loss search/busy_share search/seconds test/balanced_accuracy
frozen/efficientnet_lite0_validation_accuracy
few_shot/5/head2toe/accuracy few_shot/all/head/accuracy_low few_shot/20/lp_ft/seconds few_shot/50/wise_ft/weight
labels/logistic/needed labels/head/needed_high labels/head/reached
head2toe/accuracy resnet18/head2toe/last_layer_accuracy head2toe/gain vgg19/head2toe/gain_low head2toe/fraction
head2toe/features head2toe/candidates resnet18/head2toe/kept/conv2
interpolation/0.3/val_clean_accuracy interpolation/1/corrupted_accuracy interpolated/clean_accuracy interpolated/weight
interpolated/corrupted_kept interpolated/clean_won_back
surgery/fog/none plain/accuracy groups/cnn/permuted/accuracy cost
groups/dropout_cnn/cost cost_low scratch/accuracy tuned/accuracy sweep/40/accuracy
sweep/dense/val_accuracy sweep/0/seconds sweep/0/nc1 tuned_less_scratch/n tuned_less_frozen/clusters
tuned_less_scratch/first_accuracy tuned_less_scratch/second_accuracy tuned_less_scratch/only_first
tuned_less_scratch/only_second tuned_less_scratch/difference tuned_less_scratch/low tuned_less_frozen/p
"""
KEYS = TEXT.split()


def rows(key):
    return [metric.pattern for metric in metric_names.TABLE if metric.expression.fullmatch(key)]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_has_one_row(key):
    assert len(rows(key)) == 1
    assert metric_names.meaning(key).pattern == rows(key)[0]


def test_no_row_is_left_without_a_key():
    assert {metric.pattern for metric in metric_names.TABLE} == {row for key in KEYS for row in rows(key)}


def test_rows_are_complete():
    for metric in metric_names.TABLE:
        assert set(re.findall(r"<(\w+)>", metric.pattern)) <= metric_names.PLACES.keys()
        assert metric.label
        assert metric.text
        low, high = metric.range
        assert low < high


@pytest.mark.parametrize("key", ["", "accuracy", "test/accuracy/more", "before/silhouete", "sweep/0/cost", "seconds/"])
def test_other_keys_have_none(key):
    assert metric_names.meaning(key) is None


def test_labels():
    assert metric_names.label("pixels/nc1") == "NC1"
    assert metric_names.label("cnn/ece") == "calibration error"
    assert metric_names.label("of/my_own") == "my own"


def test_what_does_not_agree_is_named():
    good = {"test/accuracy": 1.0, "before/silhouette": -1.0, "sanity/head": math.nan, "seconds/export": 3.5}
    assert metric_names.undeclared(good) == []
    assert metric_names.undeclared({"test/acuracy": 0.5}) == ["test/acuracy: not in tfxfer.runs.metric_names.TABLE"]
    assert metric_names.undeclared({"test/accuracy": 50.0}) == ["test/accuracy = 50: expected 0 to 1 (share)"]


def test_the_readme_and_the_documentation_name_declared_metrics():
    """Keys that they quote, such as "test/accuracy", are in the table."""
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    quoted = re.findall(r'"((?:test|before|after|seconds)/[\w/]+)"', text)
    assert quoted
    assert [key for key in quoted if metric_names.meaning(key) is None] == []
