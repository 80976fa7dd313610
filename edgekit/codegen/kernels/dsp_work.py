"""How often the kernels of firmware/kernels/dsp/ do in a row what their cost grows with, for
``KernelCall.row_work``: the same loops, counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from edgekit.graph.ir import Window

RowWork: TypeAlias = tuple[tuple[str, int], ...]

_QUAD = 4
_LADDER = 16  # steps that a walk along a window goes through at once


def depthwise_windows_work(
    window: Window, widths: tuple[int, int], channels: int, multiplier: int, strip: int
) -> RowWork:
    """Any window, strip by strip of the pixels that have columns in common: columns that are expanded for
    each four channels, and steps of two rows of a column along which windows slide once for each output.
    """
    input_width, output_width = widths
    pairs, odd = -(-window.height // 2), window.height % 2
    steps, quads = pairs * window.width, -(-channels // _QUAD)
    work = Counter[str]()
    for first in range(window.dilation_width):
        for x in range(first, output_width, window.dilation_width * strip):
            pixels = min(-(-(output_width - x) // window.dilation_width), strip)
            count = (pixels - 1) * window.stride_width + window.width
            left = x * window.stride_width - window.pad_left
            places = range(left, left + count * window.dilation_width, window.dilation_width)
            inside = sum(0 <= place < input_width for place in places)
            slides = pixels * quads * multiplier
            work.update(
                strips=1,
                filled=(count - inside) * pairs,
                strip_quads=quads,
                strip_pairs=quads * pairs,
                strip_outputs=quads * multiplier,
                column_pairs=quads * inside * (pairs - odd),
                odd_columns=quads * inside * odd,
                slides=slides,
                steps=slides * steps,
                ladders=slides * -(-steps // _LADDER),
            )
    return tuple((kind, count) for kind, count in work.items() if count)
