"""``picture.h``: what ``ek_preprocess.h`` has to know of a model that reads one picture."""

from __future__ import annotations

from edgekit.codegen.border import origin
from edgekit.data.preprocessing import covers_pixels
from edgekit.graph.ir import Graph, Tensor

_ONE_TO_ONE = """\
/* Its int8 input is pixel - 128: there is no table. */
#define EK_PICTURE_TABLE NULL
"""

_OTHER = """\
/*
 * The quantization of its input (scale {scale!r}, zero point {zero_point}) does not map the 256 pixel values
 * one to one, so there is no EK_PICTURE_TABLE: fill a table of your own. Where the network was trained on
 * pixels from -1 (black) to 1 (white):
 *
 *     static int8_t table[256];
 *     ek_pixel_table(table, EK_PIXEL_Q16(-1.0), EK_PIXEL_Q16(1.0));
 */
"""


def picture_tensor(graph: Graph) -> Tensor | None:
    """The only input of ``graph`` where that is a square picture, grayscale or RGB, else None."""
    tensor = graph.tensors[graph.inputs[0]]
    if len(graph.inputs) != 1 or len(tensor.shape) != 4:
        return None
    batch, height, width, channels = tensor.shape
    is_picture = batch == 1 and height == width >= 2 and channels in {1, 3}
    return tensor if is_picture else None


def generate_picture(graph: Graph) -> dict[str, str]:
    """``picture.h`` as {file name: text}; nothing for a model that does not read one square picture."""
    tensor = picture_tensor(graph)
    if tensor is None:
        return {}
    scale, zero_point = tensor.scale, tensor.zero_point
    template = _ONE_TO_ONE if covers_pixels(scale, zero_point) else _OTHER
    text = f"""\
{origin(graph)}
#ifndef EDGEKIT_PICTURE_H
#define EDGEKIT_PICTURE_H

#include <stddef.h>

/* The picture that the model reads: its width and height, and 1 (grayscale) or 3 (RGB) channels. */
#define EK_PICTURE_SIDE     {tensor.shape[1]}
#define EK_PICTURE_CHANNELS {tensor.shape[3]}

{template.format(scale=scale, zero_point=zero_point)}
/* A real value of the input as ek_pixel_table takes it, computed by the compiler where it is constant. */
#define EK_PIXEL_Q16(real) \\
    ((int32_t)((int64_t)(((real) / {scale!r} + {zero_point}) * 65536 + 0.5 + 2147483648.0) - 2147483648))

#endif /* EDGEKIT_PICTURE_H */
"""
    return {"picture.h": text}


def reads_pixels(graph: Graph) -> bool:
    """Whether ``graph`` reads one square picture whose int8 values are pixel - 128."""
    tensor = picture_tensor(graph)
    return tensor is not None and covers_pixels(tensor.scale, tensor.zero_point)
