"""Reads a ``.tflite`` into a :class:`~edgekit.graph.ir.Graph`: the only reader of the format.

The file may come from anywhere, so nothing in it is believed: tables and vectors must lie inside the
file, sizes must agree with shapes, operators may only read what is written before, and whatever
edgekit cannot execute exactly is refused with one sentence. Nothing is allocated in proportion to a
number in the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError, UnsupportedOperatorError
from edgekit.graph.flatbuffer import OPERATOR_OPTIONS, LayoutError, check_layout
from edgekit.graph.ir import MAX_BORDER_TENSORS, SUPPORTED_OPCODES, Graph, Op, Tensor
from edgekit.graph.operators import MAX_TENSOR_BYTES, Constant, StoredOp, prepare
from edgekit.text import printable_name

# A table of the generated schema, which carries no type annotations.
_Accessor: TypeAlias = Any

_SCHEMA_VERSION = 3
_MAX_RANK = 4
_MAX_STORED_RANK = 8
_MAX_OP_INPUTS = 64
# Operators may share constants, but not so often that a small file means endless work.
_MAX_CONSTANT_READS = 16
_CONSTANT_DTYPES: dict[str, np.dtype[Any]] = {"INT8": np.dtype("<i1"), "INT32": np.dtype("<i4")}
_TFLM_METADATA = {"OfflineMemoryAllocation", "COMPRESSION_METADATA"}
_DYNAMIC_SHAPE_OPCODES = {"SHAPE", "STRIDED_SLICE", "PACK"}


def read_tflite(data: bytes, name: str) -> Graph:
    """The graph of the full-int8 model in ``data``, called ``name``; its constants are views of ``data``.

    Raises ModelError for a file that is broken or not full int8, and UnsupportedOperatorError, which
    is a ModelError, for one that has an operator, or a variant of one, without an int8 implementation.
    """
    try:
        check_layout(data)
    except LayoutError as error:
        raise ModelError(
            f"{name} is not a TensorFlow Lite model, or is damaged: {error}. Copy or convert the model again."
        ) from error
    return _Reader(data, name).graph()


def stored_tensor_count(data: bytes) -> int:
    """Tensors of a model that :func:`read_tflite` accepted, constants and unused ones included."""
    from ai_edge_litert import schema_py_generated

    count: int = schema_py_generated.Model.GetRootAs(data, 0).Subgraphs(0).TensorsLength()
    return count


@dataclass(frozen=True)
class _StoredTensor:
    """A tensor as stored. ``values`` are the bytes that the file holds for it, none for an activation."""

    index: int
    name: str
    type_name: str
    shape: tuple[int, ...]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    quantized_dimension: int
    values: NDArray[np.uint8]
    special: str

    @property
    def label(self) -> str:
        return f"tensor {self.index} ('{self.name}')"


class _Reader:
    """Reads one model. ``_activations`` grows with each operator that writes a tensor."""

    def __init__(self, data: bytes, name: str) -> None:
        from ai_edge_litert import schema_py_generated

        self._data = data
        self._name = name
        self._schema: ModuleType = schema_py_generated
        self._model = self._schema.Model.GetRootAs(data, 0)
        self._type_names = _names_by_number(self._schema.TensorType)
        self._opcode_names = _names_by_number(self._schema.BuiltinOperator)
        self._activations: dict[int, Tensor] = {}
        self._constant_bytes_left = _MAX_CONSTANT_READS * len(data)

    def graph(self) -> Graph:
        if self._model.Version() != _SCHEMA_VERSION:
            raise self._broken(f"its schema version is {self._model.Version()}, not {_SCHEMA_VERSION}")
        if self._model.SubgraphsLength() != 1:
            raise ModelError(
                f"{self._name} has {self._model.SubgraphsLength()} subgraphs; edgekit runs models with "
                "one. Convert the model without control flow."
            )
        self._refuse_metadata()
        subgraph = self._model.Subgraphs(0)
        self._tensors = [self._tensor(index, subgraph) for index in range(subgraph.TensorsLength())]
        inputs = self._border(_vector(subgraph, "Inputs"), "inputs")
        for index in inputs:
            self._define(index, "an input of the model")
        outputs = self._border(_vector(subgraph, "Outputs"), "outputs")
        ops = tuple(self._op(index, subgraph) for index in range(subgraph.OperatorsLength()))
        written = {op.output for op in ops}
        for index in outputs:
            if index not in written:
                raise self._broken(f"no operator computes its output, {self._tensors[index].label}")
        return Graph(
            name=self._name,
            sha256=hashlib.sha256(self._data).hexdigest(),
            tensors=dict(self._activations),
            ops=ops,
            inputs=inputs,
            outputs=outputs,
        )

    def _refuse_metadata(self) -> None:
        """Refuses instructions to TFLM itself, where to put or how to unpack tensors: it obeys unchecked."""
        for position in range(self._model.MetadataLength()):
            name = _text(self._model.Metadata(position).Name())
            if name in _TFLM_METADATA:
                raise ModelError(
                    f"{self._name} carries {name} metadata, prepared for another tool's memory plan or "
                    "compression. Convert the model again without it."
                )

    def _broken(self, detail: str) -> ModelError:
        return ModelError(f"{self._name} is not a sound model: {detail}. Convert the model again.")

    def _border(self, indices: NDArray[np.int32], role: str) -> tuple[int, ...]:
        """The model's inputs or outputs: at least one, each an existing tensor, none twice."""
        if indices.size > MAX_BORDER_TENSORS:
            raise ModelError(
                f"{self._name} has {indices.size:,} {role}; {MAX_BORDER_TENSORS} are possible. Convert the "
                "model with fewer."
            )
        if indices.size == 0 or np.unique(indices).size != indices.size:
            raise self._broken(
                f"its {role} are {indices[:4].tolist()}: at least one, and none twice, is needed"
            )
        return tuple(self._stored(int(index)).index for index in indices)

    def _stored(self, index: int) -> _StoredTensor:
        if not 0 <= index < len(self._tensors):
            raise self._broken(f"it refers to tensor {index} of {len(self._tensors)}")
        return self._tensors[index]

    def _define(self, index: int, role: str) -> Tensor:
        """Makes tensor ``index`` an activation, written by ``role``."""
        stored = self._stored(index)
        if stored.values.size or index in self._activations:
            raise self._broken(f"{stored.label} is written twice, the second time as {role}")
        self._require_int8(stored, role)
        self._activations[index] = self._activation(stored)
        return self._activations[index]

    def _require_int8(self, stored: _StoredTensor, role: str) -> None:
        if stored.type_name != "INT8":
            raise self._not_int8(stored, role)

    def _not_int8(self, stored: _StoredTensor, role: str) -> ModelError:
        return ModelError(
            f"{self._name} is not full int8: {stored.label}, {role}, is {stored.type_name.lower()}. "
            "Quantize the float model with `edgekit quantize`, which makes inputs, outputs and everything "
            "between them int8."
        )

    def _activation(self, stored: _StoredTensor) -> Tensor:
        if stored.special:
            raise ModelError(f"{stored.label} of {self._name} is {stored.special}, which is not supported.")
        if not 1 <= len(stored.shape) <= _MAX_RANK or stored.shape[0] != 1:
            raise ModelError(
                f"{stored.label} of {self._name} has shape {stored.shape}; edgekit needs 1 to {_MAX_RANK} "
                "dimensions, the first of them a batch of 1. Convert the model with its batch fixed to 1."
            )
        if prod(stored.shape) > MAX_TENSOR_BYTES:
            raise ModelError(
                f"{stored.label} of {self._name} has shape {stored.shape}: more than {MAX_TENSOR_BYTES:,} "
                "bytes. Use a model with smaller inputs."
            )
        if stored.scales.size != 1 or stored.zero_points.size != 1:
            raise self._broken(f"{stored.label} must have one scale and one zero point")
        scale, zero_point = float(stored.scales[0]), int(stored.zero_points[0])
        if not (0.0 < scale < float("inf")) or not -128 <= zero_point <= 127:
            raise self._broken(f"{stored.label} has scale {scale} and zero point {zero_point}")
        return Tensor(stored.index, stored.name, stored.shape, scale, zero_point)

    def _op(self, index: int, subgraph: _Accessor) -> Op:
        operator = subgraph.Operators(index)
        opcode = self._opcode(operator, index)
        role = f"operator {index}, {opcode}"
        inputs, outputs = _vector(operator, "Inputs"), _vector(operator, "Outputs")
        if inputs.size > _MAX_OP_INPUTS or outputs.size != 1:
            raise self._broken(f"{role}, has {inputs.size} inputs and {outputs.size} outputs")
        values = tuple(self._read(tensor, f"an input of {role}") for tensor in inputs.tolist())
        self._require_int8(self._stored(int(outputs[0])), f"the output of {role}")
        if opcode not in SUPPORTED_OPCODES:
            raise _unsupported_opcode(opcode, index)
        output = self._define(int(outputs[0]), f"the output of {role}")
        return prepare(StoredOp(index, opcode, values, output, self._options(operator, opcode, index)))

    def _opcode(self, operator: _Accessor, index: int) -> str:
        if operator.OpcodeIndex() >= self._model.OperatorCodesLength():
            raise self._broken(f"operator {index} has no operator code")
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        # Files older than 2020 carry the number in the narrow field only; later ones in both.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self._opcode_names.get(number, f"operator number {number}")
        return f"CUSTOM {_text(code.CustomCode())}" if name == "CUSTOM" else name

    def _options(self, operator: _Accessor, opcode: str, index: int) -> _Accessor | None:
        """The schema's accessor of the operator's options, None where none are needed."""
        expected = OPERATOR_OPTIONS[opcode]
        if not expected.read:
            return None
        table = operator.BuiltinOptions()
        if table is None or operator.BuiltinOptionsType() != expected.number:
            raise self._broken(f"operator {index}, {opcode}, has no {expected.class_name}")
        options = getattr(self._schema, expected.class_name)()
        options.Init(table.Bytes, table.Pos)
        return options

    def _read(self, index: int, role: str) -> Tensor | Constant | None:
        """The value of an operator's input: None for -1, which stands for an input left out."""
        if index == -1:
            return None
        stored = self._stored(index)
        if index in self._activations:
            return self._activations[index]
        if stored.values.size == 0:
            self._require_int8(stored, role)
            raise self._broken(f"{stored.label}, {role}, is read before it is written")
        return self._constant(stored, role)

    def _constant(self, stored: _StoredTensor, role: str) -> Constant:
        if stored.type_name not in _CONSTANT_DTYPES:
            raise self._not_int8(stored, role)
        dtype = _CONSTANT_DTYPES[stored.type_name]
        self._constant_bytes_left -= stored.values.nbytes + stored.scales.nbytes
        if self._constant_bytes_left < 0:
            raise self._broken("its operators read the same constants over and over")
        if stored.special:
            raise ModelError(f"{stored.label} of {self._name} is {stored.special}, which is not supported.")
        if prod(stored.shape) * dtype.itemsize != stored.values.size:
            raise self._broken(
                f"{stored.label} has shape {stored.shape} but {stored.values.size:,} bytes of {dtype}"
            )
        return Constant(
            name=stored.name,
            values=stored.values.view(dtype).reshape(stored.shape),
            scales=stored.scales,
            zero_points=stored.zero_points,
            quantized_dimension=stored.quantized_dimension,
        )

    def _tensor(self, index: int, subgraph: _Accessor) -> _StoredTensor:
        tensor = subgraph.Tensors(index)
        name = _text(tensor.Name())
        shape = tuple(_vector(tensor, "Shape")[: _MAX_STORED_RANK + 1].tolist())
        if len(shape) > _MAX_STORED_RANK:
            raise self._broken(f"tensor {index} ('{name}') has more than {_MAX_STORED_RANK} dimensions")
        if any(size < 1 for size in shape):
            raise ModelError(
                f"tensor {index} ('{name}') of {self._name} has shape {shape}, which is not fixed. Convert "
                "the model with a fixed input shape and batch 1."
            )
        quantization = tensor.Quantization()
        scales, zero_points = np.zeros(0, np.float32), np.zeros(0, np.int64)
        if quantization is not None:
            scales, zero_points = _vector(quantization, "Scale"), _vector(quantization, "ZeroPoint")
        if zero_points.size not in {1, scales.size}:
            raise self._broken(
                f"tensor {index} ('{name}') has {scales.size} scales but {zero_points.size} zero points"
            )
        return _StoredTensor(
            index=index,
            name=name,
            type_name=self._type_names.get(tensor.Type(), f"type number {tensor.Type()}"),
            shape=shape,
            scales=scales,
            zero_points=zero_points,
            quantized_dimension=quantization.QuantizedDimension() if quantization is not None else 0,
            values=self._values(tensor, name),
            special=_special(tensor),
        )

    def _values(self, tensor: _Accessor, name: str) -> NDArray[np.uint8]:
        """The bytes in the tensor's buffer; none for an activation, whose buffer is empty."""
        number = tensor.Buffer()
        if number >= self._model.BuffersLength():
            raise self._broken(f"tensor '{name}' lies in buffer {number} of {self._model.BuffersLength()}")
        buffer = self._model.Buffers(number)
        if buffer.Offset() > 1 or buffer.Size() > 1 or tensor.ExternalBuffer():
            raise ModelError(
                f"tensor '{name}' of {self._name} lies outside the model's tables, which edgekit and TFLM "
                "do not read. Convert the model again without external or large-model buffers."
            )
        return _vector(buffer, "Data").view(np.uint8)


def _special(tensor: _Accessor) -> str:
    """What makes a tensor other than a plain array; empty for a plain one."""
    if tensor.IsVariable():
        return "a variable"
    return "sparse" if tensor.Sparsity() is not None else ""


def _unsupported_opcode(opcode: str, index: int) -> UnsupportedOperatorError:
    detail = "the model has a dynamic batch: convert it with the batch fixed to 1"
    return UnsupportedOperatorError(
        opcode, index, SUPPORTED_OPCODES, detail if opcode in _DYNAMIC_SHAPE_OPCODES else ""
    )


def _vector(table: _Accessor, field: str) -> NDArray[Any]:
    """A vector of numbers as an array that shares the file's memory; empty where it is absent."""
    values = getattr(table, f"{field}AsNumpy")()
    return values if isinstance(values, np.ndarray) else np.zeros(0, dtype=np.int32)


def _text(value: bytes | None) -> str:
    """A name as printable text: it is shown in terminals and written into reports and C comments."""
    return printable_name((value or b"").decode("utf-8", errors="replace"))


def _names_by_number(enumeration: type) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}
