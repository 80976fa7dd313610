"""What the counts of ``KernelCall.row_work`` have in common, whatever the instruction set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import gcd

from edgekit.codegen.kernels.values import RowWork
from edgekit.graph.ir import Window


@dataclass(frozen=True)
class ColumnTile:
    """Pixels that are computed together, the columns that their windows have, and those inside the input."""

    pixels: int
    columns: int
    inside: int


def column_tiles(window: Window, widths: tuple[int, int], most_pixels: int) -> Iterator[ColumnTile]:
    """The tiles of a row, of at most so many pixels whose windows share columns: neighbours, or every so many
    pixels where the window is dilated. ``widths`` are those of the input and of the output.
    """
    input_width, output_width = widths
    together = gcd(window.dilation_width, window.stride_width)
    phases, pixel_columns = window.dilation_width // together, window.stride_width // together
    for phase in range(phases):
        for x in range(phase, output_width, phases * most_pixels):
            pixels = min(-(-(output_width - x) // phases), most_pixels)
            columns = (pixels - 1) * pixel_columns + window.width
            left = x * window.stride_width - window.pad_left
            places = range(left, left + columns * window.dilation_width, window.dilation_width)
            yield ColumnTile(pixels, columns, sum(0 <= place < input_width for place in places))


def as_row_work(work: Mapping[str, int]) -> RowWork:
    """``work`` without what there is none of."""
    return tuple((kind, count) for kind, count in work.items() if count)
