"""Preprocessing is a contract: every step gives exactly the bytes that its description promises."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from edgekit.data.preprocessing import (
    MAX_FILE_BYTES,
    MAX_PIXELS,
    covers_pixels,
    decode_picture,
    quantize_pixels,
    read_picture,
    to_float,
)
from edgekit.errors import DataError, ModelError

ALL_PIXELS = np.arange(256, dtype=np.uint8)
FLOAT32_1_255 = float(np.float32(1 / 255))


def encode(image: Image.Image, file_format: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def random_image(mode: str, size: tuple[int, int] = (20, 20), seed: int = 0) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.frombytes(mode, size, pixels.tobytes())


def test_to_float_is_exact():
    assert to_float(ALL_PIXELS).dtype == np.float32
    np.testing.assert_array_equal(to_float(ALL_PIXELS) * 128 + 128, ALL_PIXELS)
    assert to_float(ALL_PIXELS)[[0, 128, 255]].tolist() == [-1.0, 0.0, 127 / 128]


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(1 / 128, 0), (1 / 255, -128), (FLOAT32_1_255, -128), (1.0, -128)]
)
def test_pixel_quantizations_subtract_128(scale, zero_point):
    quantized = quantize_pixels(ALL_PIXELS, scale, zero_point)
    assert quantized.dtype == np.int8
    np.testing.assert_array_equal(quantized, ALL_PIXELS.astype(int) - 128)


def test_the_shortcut_equals_quantizing_the_real_values():
    real = to_float(ALL_PIXELS).astype(np.float64)
    np.testing.assert_array_equal(quantize_pixels(ALL_PIXELS, 1 / 128, 0), np.rint(real * 128))


@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 128, -1), (1 / 127, 0), (0.5847, 83), (2.0, -128)])
def test_other_quantizations_need_an_explicit_choice(scale, zero_point):
    assert not covers_pixels(scale, zero_point)
    with pytest.raises(ModelError, match=rf"zero point {zero_point}\).*real_range"):
        quantize_pixels(ALL_PIXELS, scale, zero_point)


def test_explicit_real_range_rounds_and_clamps():
    # Black is -1 and white is 1; scale 1/100 reaches ±1 at ±100 around zero point 50.
    quantized = quantize_pixels(ALL_PIXELS, 0.01, 50, real_range=(-1.0, 1.0))
    assert quantized[0] == -50
    assert quantized[255] == 127
    assert quantized[200] == round((200 * 2 / 255 - 1) / 0.01) + 50


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_square_picture_of_the_right_size_keeps_its_bytes(mode, channels):
    image = random_image(mode)
    decoded = decode_picture(encode(image), 20, channels, "x")
    expected = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(20, 20, channels)
    np.testing.assert_array_equal(decoded, expected)


def test_grayscale_weighs_the_colours():
    image = Image.new("RGB", (8, 8), (200, 100, 50))
    assert decode_picture(encode(image), 8, 1, "x")[0, 0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


@pytest.mark.parametrize(("size", "first_column"), [((40, 20), 10), ((41, 20), 10), ((20, 40), 0)])
def test_the_largest_centred_square_is_kept(size, first_column):
    image = random_image("RGB", size)
    first_row = (size[1] - 20) // 2
    expected = np.asarray(image)[first_row : first_row + 20, first_column : first_column + 20]
    np.testing.assert_array_equal(decode_picture(encode(image), 20, 3, "x"), expected)


def test_shrinking_averages():
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    decoded = decode_picture(encode(Image.fromarray(checkerboard)), 8, 1, "x")
    assert decoded.min() >= 126
    assert decoded.max() <= 129


def test_exif_orientation_is_applied():
    image = random_image("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the stored picture lies on its left side
    decoded = decode_picture(encode(image, exif=exif), 20, 3, "x")
    np.testing.assert_array_equal(decoded, np.rot90(np.asarray(image), k=-1))


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_pictures_lie_on_white(channels):
    transparent = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert (decode_picture(encode(transparent), 8, channels, "x") == 255).all()
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert (decode_picture(encode(half), 8, channels, "x") == 127).all()


def test_palette_with_a_transparent_entry():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    assert decode_picture(encode(image), 8, 3, "x")[0, 0].tolist() == [9, 8, 7]
    assert decode_picture(encode(image, transparency=1), 8, 3, "x")[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bit_pictures_are_scaled_not_clipped():
    image = Image.fromarray(np.full((8, 8), 0x8123, dtype=np.uint16))
    assert (decode_picture(encode(image), 8, 1, "x") == 0x81).all()
    assert (decode_picture(encode(image), 8, 3, "x") == 0x81).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "file_format"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "BMP"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("P", "BMP"),
    ],
)
def test_modes_and_formats(mode, file_format, channels):
    image = random_image("RGB", (31, 17)).convert(mode)
    decoded = decode_picture(encode(image, file_format), 12, channels, "x")
    assert decoded.shape == (12, 12, channels)
    assert decoded.dtype == np.uint8


def is_refused(encoded: bytes) -> bool:
    try:
        decode_picture(encoded, 8, 3, "broken.file")
    except DataError as error:
        return str(error).startswith("broken.file ")
    return False


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "WEBP"])
def test_a_damaged_picture_is_a_data_error_or_a_picture(file_format):
    whole = encode(random_image("RGB", (33, 21)), file_format)
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(damaged), 4):
            damaged[place] = random.integers(0, 256)
        refused += is_refused(bytes(damaged))
    assert refused > 0


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(40), b"not a picture", b"%PDF-1.4"])
def test_other_files_are_named(content):
    with pytest.raises(
        DataError, match=r"^notes\.txt is not a readable picture: it is no JPEG, PNG, BMP or WebP"
    ):
        decode_picture(content, 8, 3, "notes.txt")


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("side", "message"),
    [(8_000, "64,000,000 pixels; pictures may have up to"), (60_000, "decompression bomb")],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused_before_decoding(side, message):
    assert side * side > MAX_PIXELS
    with pytest.raises(DataError, match=rf"bomb\.png .*{message}"):
        decode_picture(png_of_size(side, side), 8, 3, "bomb.png")


def test_huge_files_are_refused_unread(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match=r"huge\.jpg has 67,108,865 bytes"):
        read_picture(path, 8, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the picture .*gone\.png: No such file"):
        read_picture(tmp_path / "gone.png", 8, 3)
