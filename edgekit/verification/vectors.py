"""Input vectors for verification: real pictures, noise, and structured corners, all seeded.

Uniform noise alone proves little: many networks map all of it to a handful of outputs. So noise comes
in several grains (from one value a picture to one a pixel), corners sit at the ends of the int8 range,
and pictures come first wherever there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.ir import Graph, Int8Array, Tensor


@dataclass(frozen=True)
class Vectors:
    """``inputs`` holds, for each graph input, int8 (N, *shape[1:]); ``origins`` names each of the N.

    ``labels`` gives the class of the first ``len(labels)`` vectors, which are the labelled pictures.
    """

    inputs: tuple[Int8Array, ...]
    origins: tuple[str, ...]
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.origins)

    def one(self, index: int) -> tuple[Int8Array, ...]:
        """Vector ``index`` alone, with a batch of one."""
        return tuple(values[index : index + 1] for values in self.inputs)


def concatenate(parts: Sequence[Vectors]) -> Vectors:
    """All vectors in order. Only the first part may carry labels."""
    filled = [part for part in parts if len(part)]
    columns = zip(*(part.inputs for part in filled), strict=True)
    return Vectors(
        inputs=tuple(np.concatenate(column) for column in columns),
        origins=tuple(origin for part in filled for origin in part.origins),
        labels=filled[0].labels,
    )


def picture_vectors(
    pictures: Int8Array, labels: Sequence[int], names: Sequence[str] | None = None
) -> Vectors:
    """Quantized pictures (N, H, W, C) for the only input of a graph, with their classes."""
    origins = names or [f"picture {index}" for index in range(len(pictures))]
    return Vectors((pictures,), tuple(origins), tuple(int(label) for label in labels))


def noise_vectors(graph: Graph, count: int, seed: int) -> Vectors:
    """``count`` seeded noise inputs, the grain cycling from one value a pixel to very coarse."""
    generator = np.random.Generator(np.random.PCG64(seed))
    grains = (1, 2, 4, 8, 16)
    origins = tuple(f"noise {index} (grain {grains[index % len(grains)]})" for index in range(count))
    inputs = tuple(
        _stack([_noise(generator, tensor, grains[index % len(grains)]) for index in range(count)], tensor)
        for tensor in _input_tensors(graph)
    )
    return Vectors(inputs, origins)


def structured_vectors(graph: Graph) -> Vectors:
    """The corners of the int8 range, ramps, checkerboards and single impulses."""
    patterns: Mapping[str, Callable[[NDArray[np.int64], Tensor], NDArray[np.int64]]] = {
        "all -128": lambda index, tensor: np.full_like(index, -128),
        "all 127": lambda index, tensor: np.full_like(index, 127),
        "all zero point": lambda index, tensor: np.full_like(index, tensor.zero_point),
        "ramp": lambda index, tensor: index % 256 - 128,
        "falling ramp": lambda index, tensor: 127 - index % 256,
        "slow ramp": lambda index, tensor: index * 255 // max(1, tensor.size_bytes - 1) - 128,
        "checkerboard": lambda index, tensor: np.where(index % 2 == 0, -128, 127),
        "coarse checkerboard": lambda index, tensor: np.where(index // 7 % 2 == 0, 127, -128),
        "first element only": lambda index, tensor: np.where(index == 0, 127, -128),
        "last element only": lambda index, tensor: np.where(index == tensor.size_bytes - 1, 127, -128),
        "one of three": lambda index, tensor: np.where(index % 3 == 0, 127, tensor.zero_point),
        "steep steps": lambda index, tensor: np.where(index // 16 % 2 == 0, 64, -64),
    }
    inputs = tuple(
        _stack(
            [
                pattern(np.arange(tensor.size_bytes, dtype=np.int64), tensor).reshape(tensor.shape[1:])
                for pattern in patterns.values()
            ],
            tensor,
        )
        for tensor in _input_tensors(graph)
    )
    return Vectors(inputs, tuple(patterns))


def _input_tensors(graph: Graph) -> list[Tensor]:
    return [graph.tensors[index] for index in graph.inputs]


def _stack(values: Sequence[NDArray[np.int64]], tensor: Tensor) -> Int8Array:
    if not values:
        return np.empty((0, *tensor.shape[1:]), dtype=np.int8)
    return np.stack(values).astype(np.int8)


def _noise(generator: np.random.Generator, tensor: Tensor, grain: int) -> NDArray[np.int64]:
    """Uniform int8 noise of one input, constant over blocks of ``grain`` along all axes but the last."""
    shape = tensor.shape[1:]
    coarse = [-(-size // grain) if axis < len(shape) - 1 else size for axis, size in enumerate(shape)]
    values = generator.integers(-128, 128, size=coarse, dtype=np.int64)
    for axis in range(len(shape) - 1):
        values = np.repeat(values, grain, axis=axis)
    return values[tuple(slice(size) for size in shape)]
