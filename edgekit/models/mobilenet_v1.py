"""MobileNet V1 (Howard et al. 2017, "MobileNets", table 1) as an :class:`Architecture`."""

from __future__ import annotations

from typing import Literal

from edgekit.models.architecture import (
    Architecture,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAveragePool,
    Layer,
    Softmax,
)

Depth = Literal["full", "shallow", "stem"]

_FIRST_FILTERS = 32
# (filters, stride) of the thirteen depthwise separable blocks at alpha 1.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
# The paper's "shallow" network leaves out the five blocks of 14x14x512.
_SHALLOW_BLOCKS = _BLOCKS[:6] + _BLOCKS[11:]
BLOCK_COUNT = len(_BLOCKS)


def mobilenet_v1(
    image_size: int,
    channels: int,
    classes: int,
    alpha: float = 1.0,
    depth: Depth = "full",
    blocks: int = BLOCK_COUNT,
    separable: bool = True,
) -> Architecture:
    """MobileNet V1 for ``image_size`` (224 times rho in the paper) and width multiplier ``alpha``.

    ``depth`` "stem" keeps the first ``blocks`` of the 13 blocks. ``separable=False`` gives the paper's
    full-convolution network (table 4), in which each block is one 3x3 convolution.
    """
    kept = {"full": _BLOCKS, "shallow": _SHALLOW_BLOCKS, "stem": _BLOCKS[:blocks]}[depth]
    layers: list[Layer] = [Convolution("conv_0", scaled_filters(_FIRST_FILTERS, alpha), 3, 2, "relu6")]
    for number, (filters, stride) in enumerate(kept, start=1):
        width = scaled_filters(filters, alpha)
        if separable:
            layers.append(DepthwiseConvolution(f"depthwise_{number}", 3, stride, "relu6"))
            layers.append(Convolution(f"pointwise_{number}", width, 1, 1, "relu6"))
        else:
            layers.append(Convolution(f"conv_{number}", width, 3, stride, "relu6"))
    layers += [GlobalAveragePool("pool"), Dense("logits", classes), Softmax("probabilities")]
    return Architecture("mobilenet_v1", image_size, channels, tuple(layers))


def scaled_filters(filters: int, alpha: float) -> int:
    """``filters`` under the width multiplier: truncated like Keras Applications, but at least 8."""
    return max(8, int(filters * alpha))
