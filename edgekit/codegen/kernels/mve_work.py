"""How often the convolutions of firmware/kernels/mve/ do in a row what their cost grows with, for
``KernelCall.row_work``: the same loops, counted.
"""

from __future__ import annotations

from collections import Counter

from edgekit.codegen.kernels.row_work import as_row_work, column_tiles
from edgekit.codegen.kernels.values import RowWork
from edgekit.graph.ir import Window

_LANES = 16
_PIXELS = 4
_GROUP = 4
_LADDER = 8  # steps of sixteen elements that a walk goes through at once
_TAPS = 3
_FEW_ROWS = 8  # of a window, whose addresses registers hold
_WINDOW_TILES = (4, 6, 8)  # pixels for which there is code


def pixels_work(width: int, depth: int, filters: int) -> RowWork:
    """A row of ``width`` pixels that are read where they lie, of ``depth`` elements each."""
    return as_row_work(_dots(width, depth, filters))


def windows_work(
    window: Window, widths: tuple[int, int], channels: int, filters: int, patches: int, together: int
) -> RowWork:
    """Windows of rows of the input of ``widths[0]`` pixels that are copied first, ``patches`` at a time and
    ``together`` at once.
    """
    input_width, output_width = widths
    run = window.width * channels
    first = -(-window.pad_left // window.stride_width)
    room = input_width + window.pad_left - window.width
    last = -1 if room < 0 else room // window.stride_width
    work = Counter[str]()
    for begin in range(0, output_width, patches):
        x, left = begin, min(patches, output_width - begin)
        work["strips"] += 1
        if x < first or x + left > last + 1:
            work.update(fills=1, filled=left * window.height * run)
        work.update(_dots(left, window.height * run, filters))
        while left > 0:
            at_once = min(left, together)
            inside = 0 if x < first else last + 1 - x
            times = max(min(max(inside, 0), left) // at_once, 1)
            parts = -(-run // _LANES)
            work.update(copies=1, parts=parts, runs=parts * times, copied_runs=parts * times * window.height)
            x, left = x + times * at_once, left - times * at_once
    return as_row_work(work)


def columns_work(window: Window, widths: tuple[int, int], channels: int, filters: int) -> RowWork:
    """3x3 windows by tiles of four pixels, the last of which may overlap the one before it."""
    input_width, output_width = widths
    stride, blocks, quads = window.stride_width, channels // _LANES, filters // _GROUP
    slots = 6 if stride == 1 else 9
    starts = sorted({*range(0, output_width - _PIXELS, _PIXELS), output_width - _PIXELS})
    way = "strided_" if stride > 1 else "" if blocks > 1 else "single_"
    work = Counter({"tiles": len(starts), f"{way}quads": len(starts) * quads})
    if way != "single_":
        work[f"{way}blocks"] = len(starts) * quads * blocks
    for x in starts:
        left = x * stride - window.pad_left
        inside = min(left + slots, input_width) - max(left, 0)
        if inside < slots:
            work.update(fills=1, filled=_TAPS * slots * channels)
        if inside < slots or blocks > 1 or stride > 1:
            work.update(copies=1, copied_blocks=_TAPS * blocks, copied_columns=_TAPS * blocks * inside)
    return as_row_work(work)


def depthwise_windows_work(
    window: Window, widths: tuple[int, int], channels: int, tile_pixels: int, steps: int, way: str
) -> RowWork:
    """Any window by tiles of neighbours, which are every so many pixels where it is dilated: what a group of
    four channels meets of columns to copy, four at once, one by one or byte by byte, and of steps of sixteen
    taps.
    """
    quads = -(-channels // _GROUP)
    work = Counter[str]()
    for tile in column_tiles(window, widths, tile_pixels):
        size = next(size for size in _WINDOW_TILES if tile.pixels <= size)
        work.update(
            {
                "tiles": 1,
                "filled": tile.columns * window.height if tile.inside < tile.columns else 0,
                f"quads_of_{size}": quads,
                f"steps_of_{size}": quads * steps,
                "vectors": quads * -(-tile.pixels // _PIXELS),
            }
        )
        columns, rows = {
            "": (quads * -(-tile.inside // _PIXELS), window.height),
            "unaligned": (quads * tile.inside, window.height),
            "bytes": (channels * tile.inside, -(-window.height // _PIXELS)),
        }[way]
        tall = "tall_" if way == "" and window.height > _FEW_ROWS else ""
        work.update({f"{tall}columns": columns, f"{tall}column_rows": columns * rows})
        work["channels"] += channels if way == "bytes" else 0
    return as_row_work(work)


def _dots(pixels: int, depth: int, filters: int) -> Counter[str]:
    """Tiles of four pixels, the last of which may have three, and one or two single pixels: groups of four
    filters each meets, and steps of sixteen elements.
    """
    tiles, rest = divmod(pixels, _PIXELS)
    runs = int(tiles > 0)
    if rest > 2:
        tiles, rest, runs = tiles + 1, 0, runs + 1
    quads, steps = filters // _GROUP, -(-depth // _LANES)
    work = Counter(tile_runs=runs, tiles=tiles, singles=rest)
    for name, count in (("tile", tiles * quads), ("single", rest * quads)):
        if steps == 1:
            work[f"{name}_shallow_quads"] = count
        else:
            work[f"{name}_quads"] = count
            work[f"{name}_steps"] = count * steps
            work[f"{name}_ladders"] = count * ((steps - 1) // _LADDER)
    return work


def depthwise_work(window: Window, widths: tuple[int, int], channels: int, tile_pixels: int) -> RowWork:
    """3x3 windows by tiles of about the same size: what each group of four channels meets of the code that
    fetches columns, of that which multiplies, and of vectors of outputs.
    """
    input_width, output_width = widths
    step = -(-output_width // -(-output_width // tile_pixels))
    quads = channels // _GROUP
    work = Counter[str]()
    for x in range(0, output_width, step):
        pixels = min(step, output_width - x)
        left = x * window.stride_width - window.pad_left
        columns = (pixels - 1) * window.stride_width + _TAPS
        inside = min(left + columns, input_width) - max(left, 0)
        fetched = 0 if inside < _PIXELS else 1 if inside <= 2 * _PIXELS else 2
        multiplied = 2 if window.stride_width > 1 else int(pixels > 6)
        work.update(
            {
                "tiles": 1,
                "filled": columns if inside < columns else 0,
                f"quads_fetched_{fetched}": quads,
                f"quads_multiplied_{multiplied}": quads,
                "vectors": quads * -(-pixels // _PIXELS),
                "columns": quads * inside if fetched == 0 else 0,
            }
        )
    return as_row_work(work)
