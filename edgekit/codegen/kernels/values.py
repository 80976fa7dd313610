"""Calls of kernels as values: the function, and the C structs that it is handed.

Everything is computed here, ahead of time; the kernels check nothing. A value that does not fit its field
of the C struct is an error of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError
from edgekit.graph.ir import Op

_POINTER_BYTES = 4


@dataclass(frozen=True)
class ConstantArray:
    """A constant array of an operator. ``role`` is the field that points to it, ``layout`` its axes."""

    role: str
    element_type: str
    values: NDArray[Any]
    layout: str

    @property
    def size_bytes(self) -> int:
        """Bytes in flash."""
        return int(self.values.size) * _integer_bytes(self.element_type)


@dataclass(frozen=True)
class Integer:
    """A field of an integer type: ``int8_t``, ``uint8_t``, ``int16_t``, … as C calls it."""

    type_name: str
    value: int


@dataclass(frozen=True)
class Struct:
    """Fields in the order of the C struct. Elements of arrays and of an ``ek_shape`` have no name: ''."""

    fields: tuple[tuple[str, Value], ...]


Value: TypeAlias = Integer | ConstantArray | Struct


RowWork: TypeAlias = tuple[tuple[str, int], ...]
"""How often a row does each kind of work, by its name."""


@dataclass(frozen=True)
class KernelCall:
    """``function(&params, rows, output, scratch)`` for each row, from ``source`` (a file of firmware/),
    declared in ``header`` (a file of firmware/include/). ``more_sources`` are compiled with it.

    ``scratch_bytes`` are needed while it runs. Rows lie at multiples of ``alignment`` bytes. ``outside`` is
    the value of the elements of rows that stand in for those outside the input; None: the kernel wants no
    such rows, and gets NULL.

    The rest is for the cost model. A convolution computes ``tile_pixels`` neighbouring pixels at a time, and
    walks through its weights once for all of them; ``row_tiles`` are pixels and number of a row's tiles where
    they are not so many each, and the rest. Channels are computed in multiples of ``channel_multiple``.
    ``variant`` names the way that a kernel takes where its parameters decide between ways of different cost.
    Where all of this does not tell what a kernel does, ``row_work`` says how often a row does what its cost
    grows with.
    """

    function: str
    source: str
    params_type: str
    params: Struct
    header: str = "edgekit/ek_kernels.h"
    scratch_bytes: int = 0
    alignment: int = 1
    outside: int | None = None
    more_sources: tuple[str, ...] = ()
    tile_pixels: int = 1
    row_tiles: tuple[tuple[int, int], ...] = ()
    channel_multiple: int = 1
    variant: str = ""
    row_work: RowWork = ()

    @property
    def cost_name(self) -> str:
        """What its cost is measured under."""
        return f"{self.function} {self.variant}".rstrip()

    @property
    def sources(self) -> tuple[str, ...]:
        """The files of firmware/ that it consists of."""
        return (self.source, *self.more_sources)

    @property
    def params_bytes(self) -> int:
        """Bytes of the parameters in flash, where pointers have 32 bits."""
        size_bytes, _ = _layout(self.params)
        return size_bytes

    def constants(self) -> tuple[ConstantArray, ...]:
        """The arrays that the parameters point to."""
        return tuple(_constants(self.params))


def check_ranges(op: Op, value: Value, name: str = "") -> None:
    """Raises ModelError where an integer of ``value`` does not fit its C type."""
    if isinstance(value, Struct):
        for field_name, field in value.fields:
            check_ranges(op, field, field_name or name)
        return
    type_name = value.type_name if isinstance(value, Integer) else value.element_type
    limits = np.iinfo(type_name.removesuffix("_t"))
    numbers = np.asarray(value.value if isinstance(value, Integer) else value.values)
    if numbers.size and not limits.min <= int(numbers.min()) <= int(numbers.max()) <= limits.max:
        raise ModelError(
            f"operator {op.index} of the model, {op.opcode}, is too large for the ahead-of-time engine: "
            f"its {name} reaches from {numbers.min()} to {numbers.max()}, {limits.min} to {limits.max} fit. "
            "Use a smaller model."
        )


def _layout(value: Value) -> tuple[int, int]:
    """Size and alignment of ``value`` in C: every number lies at a multiple of its own size."""
    if isinstance(value, Integer):
        return (_integer_bytes(value.type_name),) * 2
    if isinstance(value, ConstantArray):
        return (_POINTER_BYTES,) * 2
    end, strictest = 0, 1
    for _, field in value.fields:
        size_bytes, alignment = _layout(field)
        end += -end % alignment + size_bytes
        strictest = max(strictest, alignment)
    return end + -end % strictest, strictest


def _integer_bytes(type_name: str) -> int:
    return np.dtype(type_name.removesuffix("_t")).itemsize


def _constants(value: Value) -> Iterator[ConstantArray]:
    if isinstance(value, ConstantArray):
        yield value
    elif isinstance(value, Struct):
        for _, field in value.fields:
            yield from _constants(field)


def struct(**fields: Value) -> Struct:
    """A struct of named fields."""
    return Struct(tuple(fields.items()))


def array(elements: Iterable[Value]) -> Struct:
    """Fields without names."""
    return Struct(tuple(("", element) for element in elements))


def int8(value: int) -> Integer:
    """A field of type int8_t."""
    return Integer("int8_t", value)


def uint16(value: int) -> Integer:
    """A field of type uint16_t."""
    return Integer("uint16_t", value)


def uint32(value: int) -> Integer:
    """A field of type uint32_t."""
    return Integer("uint32_t", value)


def only(values: NDArray[np.int32]) -> int:
    """The one value of a tensor-wide constant."""
    (value,) = values.tolist()
    return int(value)


def dims(shape: tuple[int, ...]) -> str:
    """Extents as "2x3"."""
    return "x".join(map(str, shape))
