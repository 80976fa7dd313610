"""MobileNet V2 (Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks", table 2)."""

from __future__ import annotations

from typing import Literal

from edgekit.models.architecture import (
    Architecture,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAveragePool,
    Layer,
    Residual,
    Softmax,
)

Depth = Literal["full", "stem"]

_FIRST_FILTERS = 32
_LAST_FILTERS = 1280
# (expansion, filters, repeats, stride of the first repeat) at alpha 1.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_BLOCKS = tuple(
    (expansion, filters, stride if repeat == 0 else 1)
    for expansion, filters, repeats, stride in _STAGES
    for repeat in range(repeats)
)
BLOCK_COUNT = len(_BLOCKS)


def mobilenet_v2(
    image_size: int,
    channels: int,
    classes: int,
    alpha: float = 1.0,
    depth: Depth = "full",
    blocks: int = BLOCK_COUNT,
) -> Architecture:
    """MobileNet V2 for ``image_size`` and width multiplier ``alpha``.

    ``depth`` "stem" keeps the first ``blocks`` of the 17 inverted residuals and leaves out the last
    pointwise convolution, whose 1,280 filters no alpha below 1 shrinks.
    """
    width = divisible_filters(_FIRST_FILTERS * alpha)
    layers: list[Layer] = [Convolution("conv_0", width, 3, 2, "relu6")]
    for number, (expansion, filters, stride) in enumerate(_BLOCKS[: _kept(depth, blocks)], start=1):
        written = divisible_filters(filters * alpha)
        layers += _inverted_residual(number, width, expansion, written, stride, layers[-1].name)
        width = written
    if depth == "full":
        last = divisible_filters(_LAST_FILTERS * alpha) if alpha > 1.0 else _LAST_FILTERS
        layers.append(Convolution("conv_last", last, 1, 1, "relu6"))
    layers += [GlobalAveragePool("pool"), Dense("logits", classes), Softmax("probabilities")]
    return Architecture("mobilenet_v2", image_size, channels, tuple(layers))


def _kept(depth: Depth, blocks: int) -> int:
    return BLOCK_COUNT if depth == "full" else blocks


def _inverted_residual(
    number: int, width: int, expansion: int, filters: int, stride: int, previous: str
) -> list[Layer]:
    layers: list[Layer] = []
    if expansion != 1:
        layers.append(Convolution(f"expand_{number}", width * expansion, 1, 1, "relu6"))
    layers.append(DepthwiseConvolution(f"depthwise_{number}", 3, stride, "relu6"))
    layers.append(Convolution(f"project_{number}", filters, 1, 1, "linear"))
    if stride == 1 and width == filters:
        layers.append(Residual(f"add_{number}", previous))
    return layers


def divisible_filters(filters: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``filters``, never more than a tenth below it, at least 8."""
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * filters else rounded
