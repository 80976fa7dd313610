"""Every pass on random networks: the outputs and every layer that is left have the model's bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from graph.agreement import assert_equal_layers, probing_inputs
from graph.passes.equality import differing_tensors
from graph.passes.networks import RandomNetwork

from edgekit.graph.executor import execute_all
from edgekit.graph.ir import Add, Graph
from edgekit.graph.passes import bounds, channel_groups, dead_channels, deploy, padding
from edgekit.graph.passes.bounds import Bounds, graph_bounds
from edgekit.graph.passes.dead_channels import remove_dead_channels
from edgekit.graph.passes.padding import fold_padding
from edgekit.graph.passes.redundant import remove_redundant
from edgekit.graph.tflite import read_tflite

NETWORKS = 200
PASSES = {
    "all": lambda graph: deploy(graph).graph,
    "dead channels": lambda graph: remove_dead_channels(graph, multiple=1),
    "padding": fold_padding,
    "redundant": remove_redundant,
}


@cache
def network(seed: int) -> Graph:
    return read_tflite(RandomNetwork(seed).build(layers=3 + seed % 3), f"random {seed}")


def wrong(run: Callable[[Graph], Graph]) -> Iterator[int]:
    """Seeds of the networks that ``run`` changes the bytes of."""
    for seed in range(NETWORKS):
        graph = network(seed)
        if differing_tensors(graph, run(graph), probing_inputs(graph, noise=6)):
            yield seed


@pytest.mark.parametrize("name", PASSES)
def test_no_byte_changes(name):
    assert list(wrong(PASSES[name])) == []


def test_the_networks_try_every_pass():
    savings = [deploy(network(seed)).savings for seed in range(NETWORKS)]
    counts = {name: sum(any(s.name == name for s in found) for found in savings) for name in _names(savings)}
    assert counts.keys() == {"dead channels", "folded padding", "redundant operators"}
    assert counts["dead channels"] > 40
    assert min(counts.values()) >= 3
    opcodes = {op.opcode for seed in range(NETWORKS) for op in network(seed).ops}
    assert len(opcodes) == 10


def _names(savings):
    return {saving.name for found in savings for saving in found}


def test_bounds_hold():
    for seed in range(NETWORKS):
        graph = network(seed)
        inputs = probing_inputs(graph, noise=20)
        found = graph_bounds(graph)
        for index, values in execute_all(graph, inputs).items():
            assert (found[index].low <= values.min(axis=0)).all(), (seed, index)
            assert (values.max(axis=0) <= found[index].high).all(), (seed, index)


def narrow_bounds(monkeypatch):
    def narrower(lowest, highest, *stage, honest=bounds._factored):
        found = honest(lowest, highest, *stage)
        return Bounds(found.low, np.maximum(found.low, found.high.astype(np.int16) - 1).astype(np.int8))

    monkeypatch.setattr(bounds, "_factored", narrower)


def ignore_padding(monkeypatch):
    monkeypatch.setattr(dead_channels, "_is_padded", lambda op: False)


def forget_the_zero_point(monkeypatch):
    def sums(analysis, op, *channels, honest=dead_channels._constant_sums):
        return honest(analysis, replace(op, input_zero_point=0), *channels)

    monkeypatch.setattr(dead_channels, "_constant_sums", sums)


def forget_what_is_folded(monkeypatch):
    monkeypatch.setattr(dead_channels, "_constant_sums", lambda *_: 0)


def forget_that_int32_wraps(monkeypatch):
    def never(sums, *stage, honest=bounds._requantize_unless_wrapping):
        values, _ = honest(sums, *stage)
        return values, np.zeros(values.shape, dtype=bool)

    monkeypatch.setattr(bounds, "_requantize_unless_wrapping", never)


def remove_outputs(monkeypatch):
    def unpinned(graph, honest=channel_groups.channel_groups):
        groups = honest(graph)
        return replace(groups, pinned=np.zeros_like(groups.pinned))

    monkeypatch.setattr(dead_channels, "channel_groups", unpinned)


def remove_one_side_of_a_sum(monkeypatch):
    def split(op, widths, honest=channel_groups._links):
        return iter(()) if isinstance(op, Add) else honest(op, widths)

    monkeypatch.setattr(channel_groups, "_links", split)


def pad_with_any_value(monkeypatch):
    monkeypatch.setattr(padding, "_is_exact", lambda *_: True)


def pad_on_the_wrong_side(monkeypatch):
    def mirrored(op, pad, graph, honest=padding._with_padding):
        return honest(op, replace(pad, before=pad.after, after=pad.before), graph)

    monkeypatch.setattr(padding, "_with_padding", mirrored)


FAULTS = [
    narrow_bounds,
    ignore_padding,
    forget_the_zero_point,
    forget_what_is_folded,
    forget_that_int32_wraps,
    remove_outputs,
    remove_one_side_of_a_sum,
    pad_with_any_value,
    pad_on_the_wrong_side,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_noticed(monkeypatch, fault):
    fault(monkeypatch)

    def run(graph: Graph) -> Graph:
        return fold_padding(remove_dead_channels(graph, multiple=1))

    try:
        noticed = any(True for _ in wrong(run))
    except (ValueError, IndexError):
        noticed = True  # shapes that do not fit, by NumPy itself
    assert noticed


def test_the_networks_are_what_tflm_takes():
    for seed in range(0, NETWORKS, 10):
        model = RandomNetwork(seed).build(layers=3 + seed % 3)
        assert_equal_layers(model, network(seed), probing_inputs(network(seed)))
