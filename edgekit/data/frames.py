"""Camera frames under the preprocessing contract, as ``firmware/application/`` does it on the board.

This is the specification of ``ek_preprocess.h`` in Python: from the bytes of a raw frame to the picture
that a network reads. A file's picture and a camera's frame differ in their decoding only; cropping and
resizing are those of :mod:`edgekit.data.preprocessing`.

- RGB565 becomes RGB888 by repeating the highest bits.
- YUV becomes RGB by ITU-R BT.601 or BT.709 in fixed point with 16 fractional bits, halves rounded up. A
  grayscale picture is Y by itself, stretched to 0…255 where Y ranges from 16 to 235.
- RGB becomes grayscale as Pillow does it: (19595 R + 38470 G + 7471 B + 32768) / 65536.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.data.preprocessing import Uint8Array, crop_and_resize
from edgekit.errors import DataError

PixelFormat = Literal["rgb888", "bgr888", "rgb565le", "rgb565be", "gray8", "yuyv", "uyvy", "nv12", "yuv420"]
Yuv = Literal["bt601", "bt601_full", "bt709"]

PIXEL_FORMATS: tuple[PixelFormat, ...] = (
    "rgb888",
    "bgr888",
    "rgb565le",
    "rgb565be",
    "gray8",
    "yuyv",
    "uyvy",
    "nv12",
    "yuv420",
)
"""In the order of ``ek_pixel_format``."""
YUV: tuple[Yuv, ...] = ("bt601", "bt601_full", "bt709")
"""In the order of ``ek_yuv``."""

_YUV_FORMATS = frozenset({"yuyv", "uyvy", "nv12", "yuv420"})
_HALF = 1 << 15


@dataclass(frozen=True)
class _YuvConstants:
    """Factors times 65536."""

    y_of_black: int
    y_gain: int
    v_to_r: int
    u_to_g: int
    v_to_g: int
    u_to_b: int


_YUV_CONSTANTS: dict[Yuv, _YuvConstants] = {
    "bt601": _YuvConstants(16, 76309, 104597, 25675, 53279, 132201),
    "bt601_full": _YuvConstants(0, 65536, 91881, 22554, 46802, 116130),
    "bt709": _YuvConstants(16, 76309, 117489, 13975, 34925, 138438),
}

_Planes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class FrameFormat:
    """How a frame's bytes hold its pixels; rows and planes follow each other without a gap.

    ``width`` and ``height`` are in pixels. ``yuv`` is of no meaning for formats that are not YUV.
    """

    pixels: PixelFormat
    width: int
    height: int
    yuv: Yuv = "bt601"

    @property
    def size_bytes(self) -> int:
        """Bytes of a frame."""
        pairs = -(-self.width // 2)
        match self.pixels:
            case "rgb888" | "bgr888":
                return 3 * self.width * self.height
            case "rgb565le" | "rgb565be":
                return 2 * self.width * self.height
            case "gray8":
                return self.width * self.height
            case "yuyv" | "uyvy":
                return 4 * pairs * self.height
            case _:
                return self.width * self.height + 2 * pairs * -(-self.height // 2)


def frame_picture(frame: bytes, frame_format: FrameFormat, image_size: int, channels: int) -> Uint8Array:
    """The picture (image_size, image_size, channels) uint8 that a network reads of a camera's ``frame``.

    Raises DataError where the frame is not as long as its format says.
    """
    if len(frame) != frame_format.size_bytes:
        raise DataError(
            f"the frame has {len(frame):,} bytes; {frame_format.width}×{frame_format.height} pixels of "
            f"{frame_format.pixels} are {frame_format.size_bytes:,}."
        )
    data = np.frombuffer(frame, np.uint8)
    if frame_format.pixels in _YUV_FORMATS:
        planes = _yuv_planes(data, frame_format)
        constants = _YUV_CONSTANTS[frame_format.yuv]
        image = _luma(planes, constants) if channels == 1 else _rgb(planes, constants)
    else:
        image = _unpacked(data, frame_format).convert("L" if channels == 1 else "RGB")
    picture = np.asarray(crop_and_resize(image, image_size), dtype=np.uint8)
    return picture.reshape(image_size, image_size, channels)


def _unpacked(data: Uint8Array, frame_format: FrameFormat) -> Image.Image:
    height, width = frame_format.height, frame_format.width
    if frame_format.pixels == "gray8":
        return Image.fromarray(data.reshape(height, width))
    if frame_format.pixels in {"rgb888", "bgr888"}:
        colours = data.reshape(height, width, 3)
        return Image.fromarray(
            np.ascontiguousarray(colours[:, :, ::-1] if frame_format.pixels == "bgr888" else colours)
        )
    word = data.view("<u2" if frame_format.pixels == "rgb565le" else ">u2").reshape(height, width)
    r, g, b = word >> 11, word >> 5 & 63, word & 31
    eight_bits = np.stack([r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2], axis=-1)
    return Image.fromarray(eight_bits.astype(np.uint8))


def _yuv_planes(data: Uint8Array, frame_format: FrameFormat) -> _Planes:
    """Y, U and V of each pixel, (height, width) each."""
    height, width = frame_format.height, frame_format.width
    pairs, half_height = -(-width // 2), -(-height // 2)
    wide = data.astype(np.int64)
    if frame_format.pixels in {"yuyv", "uyvy"}:
        quads = wide.reshape(height, pairs, 4)
        y_at, u_at = (0, 1) if frame_format.pixels == "yuyv" else (1, 0)
        y = quads[:, :, y_at::2].reshape(height, 2 * pairs)[:, :width]
        u, v = quads[:, :, u_at], quads[:, :, u_at + 2]
    else:
        y, chroma = wide[: height * width].reshape(height, width), wide[height * width :]
        if frame_format.pixels == "nv12":
            u, v = chroma.reshape(half_height, pairs, 2).transpose(2, 0, 1)
        else:
            u, v = chroma.reshape(2, half_height, pairs)
        u, v = (plane.repeat(2, axis=0)[:height] for plane in (u, v))
    return y, u.repeat(2, axis=1)[:, :width], v.repeat(2, axis=1)[:, :width]


def _luma(planes: _Planes, constants: _YuvConstants) -> Image.Image:
    y = constants.y_gain * (planes[0] - constants.y_of_black) + _HALF
    return Image.fromarray(np.clip(y >> 16, 0, 255).astype(np.uint8))


def _rgb(planes: _Planes, constants: _YuvConstants) -> Image.Image:
    y = constants.y_gain * (planes[0] - constants.y_of_black) + _HALF
    u, v = planes[1] - 128, planes[2] - 128
    channels = (
        y + constants.v_to_r * v,
        y - constants.u_to_g * u - constants.v_to_g * v,
        y + constants.u_to_b * u,
    )
    return Image.fromarray(np.clip(np.stack(channels, axis=-1) >> 16, 0, 255).astype(np.uint8))
