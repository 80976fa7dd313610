"""The preprocessing contract: from a picture file to the bytes that the device reads.

1. Decode JPEG, PNG, BMP or WebP (of an animation the first frame), at most 50 million pixels.
2. Turn the picture upright by its EXIF orientation.
3. Lay transparent pictures on white; convert to RGB, or to grayscale by ITU-R 601-2
   (L = 0.299 R + 0.587 G + 0.114 B).
4. Crop the largest centred square (an odd remainder leaves one more pixel on the right or below).
5. Resize to the model's side with Pillow's bilinear filter (a triangle as wide as the reduction, so
   shrinking averages and does not alias). Its arithmetic is integer; ``firmware/application/`` does the
   same to the frames of a camera, byte for byte.

The result is uint8 HWC. A network trained here sees (pixel - 128) / 128; its int8 input is then
pixel - 128, the same byte with its top bit flipped, and the device needs no arithmetic at all.
"""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edgekit.errors import DataError, ModelError

Uint8Array = NDArray[np.uint8]
Int8Array = NDArray[np.int8]
Float32Array = NDArray[np.float32]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
# What Pillow raises on damaged files, by format and by place.
_DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
# Input quantizations under which int8 is pixel - 128, for real = (p - 128) / 128, p / 255 and p.
_PIXEL_QUANTIZATIONS = ((1 / 128, 0), (1 / 255, -128), (1.0, -128))


def read_picture(path: Path, image_size: int, channels: int) -> Uint8Array:
    """The picture at ``path`` as (image_size, image_size, channels) uint8 under the contract above.

    Raises DataError naming the file and the reason.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise DataError(f"{path} has {size_bytes:,} bytes; pictures may have up to {MAX_FILE_BYTES:,}.")
        encoded = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the picture {path}: {error.strerror}.") from error
    return decode_picture(encoded, image_size, channels, str(path))


def decode_picture(encoded: bytes, image_size: int, channels: int, name: str) -> Uint8Array:
    """Like :func:`read_picture`, from the bytes of a file; ``name`` names the picture in errors."""
    try:
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise DataError(f"{name} has {pixels:,} pixels; pictures may have up to {MAX_PIXELS:,}.")
            upright = ImageOps.exif_transpose(image)
            prepared = crop_and_resize(_convert(upright, channels), image_size)
    except _DECODE_ERRORS as error:
        raise DataError(f"{name} is not a readable picture: {_reason(error)}.") from error
    array = np.asarray(prepared, dtype=np.uint8)
    return array.reshape(image_size, image_size, channels)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no JPEG, PNG, BMP or WebP file"
    return f"{error}".strip().rstrip(".") or type(error).__name__


def _convert(image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip instead of scale
        samples = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(samples >> 8, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    if channels == 1 and image.mode not in {"L", "1"}:
        return image.convert("RGB").convert("L")
    return image.convert("L" if channels == 1 else "RGB")


def crop_and_resize(image: Image.Image, image_size: int) -> Image.Image:
    """Steps 4 and 5 of the contract, on an image of mode L or RGB."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((image_size, image_size), Image.Resampling.BILINEAR)


def to_float(pixels: Uint8Array) -> Float32Array:
    """(pixel - 128) / 128 in float32: [-1, 127/128], exact."""
    return (pixels.astype(np.float32) - np.float32(128)) / np.float32(128)


def quantize_pixels(
    pixels: Uint8Array,
    scale: float,
    zero_point: int,
    real_range: tuple[float, float] | None = None,
) -> Int8Array:
    """int8 model input for uint8 ``pixels`` of any shape, given the input tensor's quantization.

    Where the quantization covers the 256 pixel values one to one (scale 1/128 with zero point 0, 1/255
    with -128, 1.0 with -128), q = pixel - 128 exactly. For any other quantization ``real_range`` must
    say which real values pixel 0 and pixel 255 stand for; then :func:`pixel_table` has q.

    Raises ModelError where the quantization is another one and ``real_range`` is not given.
    """
    if real_range is not None:
        return np.asarray(pixel_table(scale, zero_point, real_range)[pixels], dtype=np.int8)
    if not covers_pixels(scale, zero_point):
        raise ModelError(
            f"the model's input quantization (scale {scale:.9g}, zero point {zero_point}) does not map the "
            "256 pixel values one to one, so what a pixel means to this model is not known. Say which real "
            "values black and white stand for (real_range), for example -1 and 1."
        )
    flipped: Uint8Array = pixels ^ np.uint8(0x80)
    return flipped.view(np.int8)


def pixel_table(scale: float, zero_point: int, real_range: tuple[float, float]) -> Int8Array:
    """int8 of each pixel value (256,), where pixel 0 and pixel 255 stand for the two of ``real_range``.

    Both are quantized to 16 fractional bits; what lies between is on the line through them, halves round
    up, clamped to int8. ``ek_pixel_table`` computes the same on a device.
    """
    black, white = (math.floor((real / scale + zero_point) * 65536 + 0.5) for real in real_range)
    pixels = np.arange(256, dtype=np.int64)
    numerator = black * (255 - pixels) + white * pixels + (255 << 15)
    table: Int8Array = np.clip(numerator // (255 << 16), -128, 127).astype(np.int8)
    return table


def covers_pixels(scale: float, zero_point: int) -> bool:
    """Whether q = pixel - 128 under this input quantization (scales compared as float32)."""
    return any(
        zero_point == known_zero_point and abs(scale - known_scale) <= known_scale * 1e-6
        for known_scale, known_zero_point in _PIXEL_QUANTIZATIONS
    )


def is_picture_name(path: Path) -> bool:
    """Whether the file name ends like a picture's (case ignored) and is not hidden."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
