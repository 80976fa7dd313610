"""Splits and samples are seeded, spread over the classes, and the same with every NumPy version."""

import numpy as np
import pytest

from edgekit.data.split import shuffled, stratified_sample, stratified_split

LABELS = np.array([0] * 50 + [1] * 30 + [2] * 2)


def test_a_split_takes_its_share_of_every_class():
    kept, held = stratified_split(LABELS, 0.1, seed=0)
    assert np.bincount(LABELS[held]).tolist() == [5, 3, 1]
    assert sorted([*kept, *held]) == list(range(82))


def test_nothing_is_held_back_at_fraction_0():
    kept, held = stratified_split(LABELS, 0.0, seed=0)
    assert (len(kept), len(held)) == (82, 0)


def test_a_class_of_one_keeps_its_picture():
    kept, held = stratified_split(np.array([0, 1, 1]), 0.5, seed=0)
    assert 0 in kept
    assert len(held) == 1


def test_the_seed_decides():
    held = [stratified_split(LABELS, 0.2, seed)[1].tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


@pytest.mark.parametrize(("count", "by_class"), [(7, [3, 2, 2]), (10, [4, 4, 2]), (200, [50, 30, 2])])
def test_a_sample_is_spread_evenly(count, by_class):
    sample = stratified_sample(LABELS, count, seed=0)
    assert np.bincount(LABELS[sample]).tolist() == by_class
    assert (np.diff(sample) > 0).all()


def test_the_order_is_pinned():
    """Raw PCG64 output is the same with every NumPy version; made with NumPy 2.4.6."""
    assert shuffled(np.arange(8), seed=0).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]
