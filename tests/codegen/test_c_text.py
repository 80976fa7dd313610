"""Names, comments, strings and numbers of C from arbitrary text."""

import re
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgekit.codegen.c_text import (
    comment_text,
    float_literal,
    hex_rows,
    identifier_part,
    packed_rows,
    string_bytes,
    string_literal,
)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model/conv2d/Relu;model/conv2d/BiasAdd", "model_conv2d_relu"),
        ("StatefulPartitionedCall:0", "statefulpartitionedcall_0"),
        ("a/very/long/path/to/the/seventh/block/depthwise/Relu6", "seventh_block_depthwise_relu6"),
        ("__x__", "x"),
        ("日本", ""),
        ("", ""),
    ],
)
def test_identifier_part(name: str, part: str) -> None:
    assert identifier_part(name) == part


@given(st.text())
def test_identifier_part_fits_into_an_identifier(name: str) -> None:
    assert re.fullmatch(r"(?:[a-z0-9](?:_?[a-z0-9])*)?", identifier_part(name))
    assert len(identifier_part(name)) <= 32


@given(st.text(alphabet=st.sampled_from('*/\\?\n\r x;"é') | st.characters()))
@example("*/")
@example("/*/")
@example("??/")
@example("*\\/")
def test_comment_text_stays_inside_the_comment(text: str) -> None:
    comment = f"/* {comment_text(text)} */"
    assert comment.index("*/") == len(comment) - 2
    assert comment.rindex("/*") == 0
    assert re.fullmatch(r"[ -~]*", comment)
    assert "??" not in comment
    assert "\\" not in comment


@given(st.text())
@example('"; int x;')
@example("??/")
@example("a\0b")
def test_string_literal_reads_back(text: str) -> None:
    literal = string_literal(text)
    assert re.fullmatch(r'"[ -~]*"', literal)
    assert "??" not in literal
    data = re.sub(
        rb'\\([0-7]{3}|["\\?])',
        lambda match: bytes([int(match[1], 8)]) if len(match[1]) == 3 else match[1],
        literal[1:-1].encode(),
    )
    assert data == text.replace("\0", " ").encode(errors="replace")[:4095]
    assert len(data) + 1 == string_bytes(text)


def test_long_string_ends_at_a_whole_character() -> None:
    assert string_bytes("é" * 3000) == 4094 + 1


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(1 / 128)
@example(1e-45)
@example(3.4028235e38)
@example(1.0)
def test_float_literal_is_exact(value: float) -> None:
    literal = float_literal(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", literal)
    assert "." in literal or "e" in literal
    assert struct.pack("f", np.float32(literal[:-1])) == struct.pack("f", value)


def test_rows_are_as_full_as_they_may_be() -> None:
    rows = packed_rows(map(str, range(1000)), indent=4).split("\n")
    assert all(row.startswith("    ") and row.endswith(",") and len(row) < 110 for row in rows)
    assert all(len(row) > 100 for row in rows[:-1])
    assert [int(item) for item in "".join(rows).split(",")[:-1]] == list(range(1000))


def test_hex_rows() -> None:
    assert hex_rows(bytes(range(17)), indent=2) == (
        "  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, "
        "0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,\n  0x10,"
    )
