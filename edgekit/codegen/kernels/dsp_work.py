"""How often the kernels of firmware/kernels/dsp/ do in a row what their cost grows with, for
``KernelCall.row_work``: the same loops, counted.
"""

from __future__ import annotations

from collections import Counter

from edgekit.codegen.kernels.row_work import as_row_work, column_tiles
from edgekit.codegen.kernels.values import RowWork
from edgekit.graph.ir import Window

_QUAD = 4
_LADDER = 16  # steps that a walk along a window goes through at once


def depthwise_windows_work(
    window: Window, widths: tuple[int, int], channels: int, multiplier: int, strip: int
) -> RowWork:
    """Any window, strip by strip of the pixels that have columns in common: columns that are expanded for
    each four channels, and steps of two rows of a column along which windows slide once for each output.
    """
    pairs, odd = -(-window.height // 2), window.height % 2
    steps, quads = pairs * window.width, -(-channels // _QUAD)
    work = Counter[str]()
    for tile in column_tiles(window, widths, strip):
        slides = tile.pixels * quads * multiplier
        work.update(
            strips=1,
            filled=(tile.columns - tile.inside) * pairs,
            strip_quads=quads,
            strip_pairs=quads * pairs,
            strip_outputs=quads * multiplier,
            column_pairs=quads * tile.inside * (pairs - odd),
            odd_columns=quads * tile.inside * odd,
            slides=slides,
            steps=slides * steps,
            ladders=slides * -(-steps // _LADDER),
        )
    return as_row_work(work)
