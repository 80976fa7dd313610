"""Text of C: names, comments, strings and numbers that are valid whatever a model calls its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

_LINE_WIDTH = 110
# C11 promises string literals of this many characters; -pedantic warns of longer ones.
_MAX_STRING_BYTES = 4095


def identifier_part(name: str, max_length: int = 32) -> str:
    """``name`` as the middle or end of a C identifier: lower-case letters, digits and single underscores.

    Of a fused name such as ``model/conv/Relu;model/conv/BiasAdd`` the first part counts; of a long one
    its end, which tells layers apart. May be empty.
    """
    words = re.sub(r"[^a-z0-9]+", "_", name.split(";", maxsplit=1)[0].lower()).strip("_")
    if len(words) <= max_length:
        return words
    tail = words[-max_length:]
    # Cut at a word where one ends soon enough.
    _, underscore, whole_words = tail.partition("_")
    return whole_words if underscore and len(whole_words) > max_length // 2 else tail.strip("_")


def comment_text(text: str, max_length: int = 80) -> str:
    """``text`` for the inside of a comment: one line of printable ASCII that cannot end the comment."""
    # A backslash could join lines, ?? starts a trigraph.
    safe = re.sub(r"[^ -~]|\\|\?(?=\?)", ".", text).replace("*/", "*.").replace("/*", "/.")
    return safe if len(safe) <= max_length else safe[: max_length - 3] + "..."


def string_literal(text: str) -> str:
    """``text`` as a C string literal of its UTF-8 bytes, cut to the length that C11 promises to accept.

    A NUL, which would end the string early, becomes a space.
    """
    return '"' + "".join(map(_escaped, _string_data(text))) + '"'


def string_bytes(text: str) -> int:
    """Bytes that :func:`string_literal` occupies, with the NUL at its end."""
    return len(_string_data(text)) + 1


def _string_data(text: str) -> bytes:
    data = text.replace("\0", " ").encode("utf-8", errors="replace")
    return data[:_MAX_STRING_BYTES].decode("utf-8", errors="ignore").encode()


def _escaped(byte: int) -> str:
    if chr(byte) in '"\\?':
        return "\\" + chr(byte)
    # Three octal digits: a shorter or hexadecimal escape could swallow the characters after it.
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def float_literal(value: float) -> str:
    """The shortest decimal C constant that is exactly ``value`` rounded to float32."""
    return f"{np.float32(value)!s}f"


def packed_rows(items: Iterable[str], indent: int) -> str:
    """``items`` between commas on lines as full as they may be, for the inside of braces."""
    rows: list[str] = []
    row = ""
    for item in items:
        if row and indent + len(row) + len(item) + 2 >= _LINE_WIDTH:
            rows.append(row)
            row = ""
        row += f" {item}," if row else f"{item},"
    rows.append(row)
    return "\n".join(" " * indent + row for row in rows)


def hex_rows(data: bytes, indent: int) -> str:
    """``data`` as hexadecimal constants, 16 a line, for the inside of the braces of a uint8_t array."""
    lines = (data[start : start + 16].hex(",") for start in range(0, len(data), 16))
    return "\n".join(" " * indent + "0x" + line.replace(",", ", 0x") + "," for line in lines)
