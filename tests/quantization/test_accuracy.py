"""Accuracy and confusion, on counts that can be checked by hand."""

import numpy as np
import pytest

from edgekit.verification.accuracy import accuracy, class_recalls, confusion_matrix

LABELS = np.array([0, 0, 0, 1, 1, 3])
PREDICTIONS = np.array([0, 1, 0, 1, 3, 3])


def test_accuracy():
    assert accuracy(PREDICTIONS, LABELS) == pytest.approx(4 / 6)


def test_confusion_matrix_has_labels_in_rows():
    matrix = confusion_matrix(PREDICTIONS, LABELS, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert matrix.trace() / matrix.sum() == accuracy(PREDICTIONS, LABELS)


def test_small_integer_types_do_not_overflow():
    labels = np.full(5, 200, dtype=np.uint8)
    assert confusion_matrix(labels, labels, 201)[200, 200] == 5


def test_recall_of_a_class_without_pictures_is_nan():
    recalls = class_recalls(confusion_matrix(PREDICTIONS, LABELS, 4))
    np.testing.assert_allclose(recalls, [2 / 3, 1 / 2, np.nan, 1.0])


@pytest.mark.parametrize("judge", [accuracy, lambda p, q: confusion_matrix(p, q, 4)])
def test_different_counts(judge):
    with pytest.raises(ValueError, match="cannot be judged"):
        judge(PREDICTIONS[:3], LABELS)


def test_nothing_to_judge():
    with pytest.raises(ValueError, match="cannot be judged"):
        accuracy(PREDICTIONS[:0], LABELS[:0])


@pytest.mark.parametrize("classes", [3, 1])
def test_class_indices_out_of_range(classes):
    with pytest.raises(ValueError, match="must lie between 0 and"):
        confusion_matrix(PREDICTIONS, LABELS, classes)
