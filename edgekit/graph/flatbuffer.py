"""Checks that the tables of a ``.tflite`` lie inside the file, before anything reads them.

A FlatBuffer is full of offsets into itself. The generated Python accessors follow them unchecked (a
negative one silently reads from the end), and so does the TFLM interpreter, in C++. This is what
FlatBuffers' verifier does for C++ and Python lacks, for the tables that edgekit or TFLM reads. It
looks at each table once, never at the contents of a vector of numbers, and bounds the number of
tables and the length of texts, because a small file may refer to one of them any number of times.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_MAX_TABLES = 20_000
_MAX_TEXT_BYTES = 8_192

IDENTIFIER = b"TFL3"


class LayoutError(ValueError):
    """The bytes are not a sound FlatBuffer; the message says where."""


@dataclass(frozen=True)
class _Numbers:
    """A vector of numbers; text is a vector of bytes that ends in NUL."""

    item_bytes: int
    terminated: bool = False


@dataclass(frozen=True)
class _Tables:
    """A vector of tables."""

    item: _Table


@dataclass(frozen=True)
class _Union:
    """A table whose kind is the number in the field before it; other kinds are not followed."""

    members: dict[int, _Table]


@dataclass(frozen=True)
class _Table:
    """A table: its fields in the schema's order. An int is a number's size in bytes; None is a field
    that nobody reads.
    """

    name: str
    fields: tuple[int | _Numbers | _Tables | _Union | _Table | None, ...]


_TEXT = _Numbers(1, terminated=True)
_BYTES = _Numbers(1)
_INTS = _Numbers(4)
_LONGS = _Numbers(8)


@dataclass(frozen=True)
class OperatorOptions:
    """The table of an operator's options and its number in the schema's union BuiltinOptions.

    ``read`` says whether edgekit reads it; TFLM alone may read the others, which may be absent.
    """

    number: int
    table: _Table
    read: bool = True

    @property
    def class_name(self) -> str:
        """What the schema calls the table."""
        return self.table.name


_POOL_2D = OperatorOptions(5, _Table("Pool2DOptions", (1, 4, 4, 4, 4, 1)))

OPERATOR_OPTIONS: Mapping[str, OperatorOptions] = {
    "ADD": OperatorOptions(11, _Table("AddOptions", (1, 1))),
    "AVERAGE_POOL_2D": _POOL_2D,
    "CONV_2D": OperatorOptions(1, _Table("Conv2DOptions", (1, 4, 4, 1, 4, 4, 1))),
    "DEPTHWISE_CONV_2D": OperatorOptions(2, _Table("DepthwiseConv2DOptions", (1, 4, 4, 4, 1, 4, 4))),
    "FULLY_CONNECTED": OperatorOptions(8, _Table("FullyConnectedOptions", (1, 1, 1, 1, 1, _BYTES))),
    "MAX_POOL_2D": _POOL_2D,
    "MEAN": OperatorOptions(27, _Table("ReducerOptions", (1,)), read=False),
    "PAD": OperatorOptions(22, _Table("PadOptions", ()), read=False),
    "RESHAPE": OperatorOptions(17, _Table("ReshapeOptions", (_INTS,)), read=False),
    "SOFTMAX": OperatorOptions(9, _Table("SoftmaxOptions", (4,))),
}
"""What is verified before it is read, for each opcode that edgekit supports."""

_OPTIONS = _Union({options.number: options.table for options in OPERATOR_OPTIONS.values()})
_QUANTIZATION = _Table("QuantizationParameters", (_INTS, _INTS, _INTS, _LONGS, 1, None, 4))
_TENSOR = _Table("Tensor", (_INTS, 1, 4, _TEXT, _QUANTIZATION, 1, None, _INTS, 1, None, 4))
_OPERATOR = _Table("Operator", (4, _INTS, _INTS, 1, _OPTIONS, _BYTES, 1, _BYTES, _INTS, 8, 8))
_SUBGRAPH = _Table("SubGraph", (_Tables(_TENSOR), _INTS, _INTS, _Tables(_OPERATOR), _TEXT, 4))
_MODEL = _Table(
    "Model",
    (
        4,
        _Tables(_Table("OperatorCode", (1, _TEXT, 4, 4))),
        _Tables(_SUBGRAPH),
        _TEXT,
        _Tables(_Table("Buffer", (_BYTES, 8, 8))),
        _INTS,
        _Tables(_Table("Metadata", (_TEXT, 4))),
    ),
)


def check_layout(data: bytes) -> None:
    """Raises LayoutError unless every table and vector of the model ``data`` lies inside it."""
    if data[4:8] != IDENTIFIER:
        raise LayoutError(f"it does not carry the identifier {IDENTIFIER.decode()} of the format")
    verifier = _Verifier(data)
    verifier.table(_MODEL, verifier.target(0, "the root"))


class _Verifier:
    """Walks the tables of ``data``; positions are absolute byte offsets."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._tables_left = _MAX_TABLES

    def table(self, table: _Table, position: int) -> None:
        self._tables_left -= 1
        if self._tables_left < 0:
            raise LayoutError(f"it holds more than {_MAX_TABLES:,} tables")
        offsets = self._field_offsets(table, position)
        for index, kind in enumerate(table.fields[: len(offsets)]):
            present = kind if offsets[index] else None
            if isinstance(present, _Union):
                present = present.members.get(self._union_kind(position, offsets[index - 1]))
            if present is not None:
                self._field(present, position + offsets[index], f"field {index} of a {table.name}")

    def target(self, position: int, place: str) -> int:
        """The position that the offset stored at ``position`` leads to."""
        target = position + self._unsigned(position, place)
        self._within(target, 4, place)
        return target

    def _field_offsets(self, table: _Table, position: int) -> tuple[int, ...]:
        """Offsets of the fields that the table has, 0 for an absent one, each checked against its size."""
        place = f"a {table.name}"
        self._within(position, 4, place)
        vtable = position - int(struct.unpack_from("<i", self._data, position)[0])
        self._within(vtable, 4, place)
        vtable_bytes, table_bytes = struct.unpack_from("<HH", self._data, vtable)
        if vtable_bytes < 4 or vtable_bytes % 2 or vtable % 2:
            raise LayoutError(f"{place} has a damaged field list")
        self._within(vtable, vtable_bytes, place)
        self._within(position, table_bytes, place)
        offsets: tuple[int, ...] = struct.unpack_from(f"<{(vtable_bytes - 4) // 2}H", self._data, vtable + 4)
        for kind, offset in zip(table.fields, offsets, strict=False):
            size = kind if isinstance(kind, int) else 4
            if offset and (offset < 4 or offset + size > table_bytes):
                raise LayoutError(f"{place} has a field outside itself")
        return offsets

    def _union_kind(self, position: int, offset: int) -> int:
        return self._data[position + offset] if offset else 0

    def _field(self, kind: int | _Numbers | _Tables | _Table, position: int, place: str) -> None:
        if isinstance(kind, int):
            return
        target = self.target(position, place)
        if isinstance(kind, _Table):
            self.table(kind, target)
        elif isinstance(kind, _Numbers):
            self._numbers(kind, target, place)
        else:
            count = self._unsigned(target, place)
            self._within(target + 4, 4 * count, place)
            for entry in range(target + 4, target + 4 + 4 * count, 4):
                self.table(kind.item, self.target(entry, place))

    def _numbers(self, kind: _Numbers, position: int, place: str) -> None:
        size_bytes = self._unsigned(position, place) * kind.item_bytes
        self._within(position + 4, size_bytes + kind.terminated, place)
        if kind.terminated and size_bytes > _MAX_TEXT_BYTES:
            raise LayoutError(f"{place} is text of {size_bytes:,} bytes")
        if kind.terminated and self._data[position + 4 + size_bytes] != 0:
            raise LayoutError(f"{place} is text without an end")

    def _unsigned(self, position: int, place: str) -> int:
        self._within(position, 4, place)
        return int(struct.unpack_from("<I", self._data, position)[0])

    def _within(self, position: int, size_bytes: int, place: str) -> None:
        if position < 0 or position + size_bytes > len(self._data):
            raise LayoutError(f"{place} reaches outside the file of {len(self._data):,} bytes")
