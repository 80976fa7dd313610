"""Text from elsewhere (file names, models, boards, command lines) made safe to show in a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""``text`` with its control characters spelled out (ESC as ``\x1b``); newlines and tabs are kept.

    Also spelled out are bytes of file names that are not UTF-8 (as ``\xff``) and characters that are
    invisible or change the direction of writing (as ``\u202e``).
    """
    return "".join(_spelled(character) if character not in "\n\t" else character for character in text)


def printable_name(text: str) -> str:
    """Like :func:`printable`, on one line: newlines and tabs are spelled out too."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode stands in for it
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
