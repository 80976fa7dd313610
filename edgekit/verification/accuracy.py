"""Accuracy of predicted classes against labels. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

IntegerArray = NDArray[np.integer[Any]]


def accuracy(predictions: IntegerArray, labels: IntegerArray) -> float:
    """Fraction of ``predictions`` (N,) class indices equal to ``labels`` (N,).

    Raises ValueError for arrays of different shapes or without entries.
    """
    if predictions.shape != labels.shape or predictions.size == 0:
        raise ValueError(f"{predictions.shape} predictions cannot be judged by {labels.shape} labels")
    return float(np.mean(predictions == labels))


def confusion_matrix(predictions: IntegerArray, labels: IntegerArray, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row = label, column = prediction.

    Raises ValueError for arrays of different shapes or class indices outside 0…classes - 1.
    """
    if predictions.shape != labels.shape:
        raise ValueError(f"{predictions.shape} predictions cannot be judged by {labels.shape} labels")
    for indices in (predictions, labels):
        if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < classes:
            raise ValueError(f"class indices must lie between 0 and {classes - 1}")
    cells = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(cells.ravel(), minlength=classes * classes).reshape(classes, classes)


def class_recalls(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fraction recognised of each class (row) of a confusion matrix; NaN where a class has no pictures."""
    totals = matrix.sum(axis=1)
    recalls = np.full(len(matrix), np.nan)
    np.divide(matrix.diagonal(), totals, out=recalls, where=totals > 0)
    return recalls
