"""Runs kernels on cases, as the engine does: row by row, with the parameters that the generator makes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from kernels.cases import Case

from edgekit.codegen.kernels.values import ConstantArray, Integer, KernelCall, Struct, Value
from edgekit.codegen.layers import Layer, Program
from edgekit.graph.executor import execute

_NULL = -1


def kernel_functions(programs: Mapping[str, Program]) -> list[str]:
    """The kernels that the programs call, sorted: their numbers for the driver."""
    return sorted({layer.call.function for p in programs.values() for layer in p.layers if layer.call})


def kernel_files(programs: Mapping[str, Program]) -> list[str]:
    """The files of firmware/ that define them, sorted."""
    layers = [layer for program in programs.values() for layer in program.layers]
    return sorted({name for layer in layers if layer.call for name in layer.call.sources})


def is_run_by(program: Program, folder: str) -> bool:
    """Whether a kernel of ``folder`` does the work of each layer: means of sums are portable."""
    (file, *others) = [source for layer in program.layers if layer.call for source in layer.call.sources]
    return file.startswith(folder) and all(o.startswith(folder) or "_of_sums" in o for o in others)


def write_kernel_table(folder: Path, functions: Sequence[str], headers: Sequence[str] = ()) -> None:
    """``kernel_table.h``, which the driver includes."""
    lines = [*(f'#include "{header}"' for header in headers)]
    lines += ["static const ek_kernel kernel_table[] = {", *(f"    {name}," for name in functions), "};"]
    (folder / "kernel_table.h").write_text("\n".join(lines) + "\n")


def driver_input(
    cases: Mapping[str, Case],
    programs: Mapping[str, Program],
    functions: Sequence[str],
    pointer_bytes: int = 8,
) -> bytes:
    """What the driver reads: each layer of each case, on the executor's own values."""
    chunks = [
        chunk
        for name, case in cases.items()
        for chunk in _case_chunks(case, programs[name], functions, pointer_bytes)
    ]
    count = sum(len([layer for layer in programs[name].layers if layer.call]) for name in cases)
    return _words(count) + b"".join(chunks)


def expected_output(case: Case, program: Program) -> bytes:
    """What the driver writes for a case: the outputs of its layers, from the NumPy executor."""
    values = _values(case, program)
    return b"".join(values[layer.storage].tobytes() for layer in program.layers if layer.call)


def _values(case: Case, program: Program) -> dict[int, np.ndarray]:
    """What each storage holds in the end."""
    (op,) = case.graph.ops
    values = dict(zip(case.graph.inputs, case.inputs, strict=True))
    values[op.output] = execute(case.graph, case.inputs)[0]
    for storage in program.storages.keys() - values.keys():  # the sums that a mean takes up
        values[storage] = case.inputs[0].astype(np.int32).sum(axis=2).cumsum(axis=1, dtype=np.int32)
    return values


def _case_chunks(
    case: Case, program: Program, functions: Sequence[str], pointer_bytes: int
) -> Iterator[bytes]:
    values = _values(case, program)
    for layer in program.layers:
        if layer.call is None:
            continue
        params, pointers = struct_bytes(layer.call.params, pointer_bytes)
        yield _words(functions.index(layer.call.function), len(params))
        yield params
        yield _words(len(pointers), layer.scratch_bytes, layer.rows.height)
        for place, array in pointers:
            data = array.values.astype(f"<{_numpy_type(array.element_type)}").tobytes()
            yield _words(place, len(data)) + data
        for row in range(layer.rows.height):
            yield from _call_chunks(layer, layer.call, row, values)


def _call_chunks(
    layer: Layer, call: KernelCall, row: int, values: Mapping[int, np.ndarray]
) -> Iterator[bytes]:
    rows: list[tuple[int, bytes | None]] = []
    for operand in layer.operands:
        place = _place(row, call, operand.storage)
        tensor = np.frombuffer(values[operand.storage].tobytes(), np.int8)
        tensor = tensor.reshape(operand.rows.height, operand.rows.row_bytes)
        reach = operand.reach
        for tap in range(reach.taps):
            index = row * reach.stride - reach.pad_top + tap * reach.dilation
            if 0 <= index < operand.rows.height:
                rows.append((place, tensor[index].tobytes()))
            elif call.outside is None:
                rows.append((place, None))
            else:
                rows.append((place, np.full(operand.rows.row_bytes, call.outside, np.int8).tobytes()))
    yield _words(len(rows))
    for place, data in rows:
        yield _words(_NULL) if data is None else _words(len(data), place) + data
    yield _words(layer.rows.row_bytes, _place(row, call, layer.storage))


def _place(row: int, call: KernelCall, storage: int) -> int:
    """How many bytes behind a multiple of 16 a row lies: all that its contract allows in turn. Sums, which no
    tensor of the graph is, are aligned words.
    """
    return row * max(call.alignment, 4 if storage < 0 else 1) % 16


def struct_bytes(value: Struct, pointer_bytes: int) -> tuple[bytes, list[tuple[int, ConstantArray]]]:
    """``value`` as C lays it out, and where in it the pointers lie (zero here) with what they point to."""
    data = bytearray()
    pointers: list[tuple[int, ConstantArray]] = []

    def put(item: Value) -> None:
        _pad(data, alignment(item, pointer_bytes))
        if isinstance(item, Struct):
            for _, field in item.fields:
                put(field)
            _pad(data, alignment(item, pointer_bytes))
        elif isinstance(item, Integer):
            data.extend(struct.pack(f"<{_STRUCT_CODES[item.type_name]}", item.value))
        else:
            pointers.append((len(data), item))
            data.extend(bytes(pointer_bytes))

    put(value)
    return bytes(data), pointers


def alignment(value: Value, pointer_bytes: int) -> int:
    """Alignment of ``value`` in C."""
    if isinstance(value, Struct):
        return max(alignment(field, pointer_bytes) for _, field in value.fields)
    return struct.calcsize(_STRUCT_CODES[value.type_name]) if isinstance(value, Integer) else pointer_bytes


_STRUCT_CODES = {
    "int8_t": "b", "uint8_t": "B", "int16_t": "h", "uint16_t": "H", "int32_t": "i", "uint32_t": "I",
}  # fmt: skip


def _numpy_type(type_name: str) -> str:
    return np.dtype(type_name.removesuffix("_t")).str[1:]


def _pad(data: bytearray, alignment_bytes: int) -> None:
    data.extend(bytes(-len(data) % alignment_bytes))


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)
