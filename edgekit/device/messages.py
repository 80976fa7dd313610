"""Requests and replies of the edgekit link, as values that pack to and unpack from packet bodies.

``docs/protocol.md`` specifies every one; ``firmware/include/edgekit/ek_link.h`` has the same numbers.
All integers are little-endian. No I/O here.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Self

from edgekit.errors import DeviceError

PROTOCOL_VERSION = 2
REPLY = 0x80
"""Added to a request's type in its reply."""
ERROR_REPLY = 0xFF
INPUT_PREFIX_BYTES = 5
"""What precedes the data in the body of WRITE_INPUT."""
PROFILE_RECORD_BYTES = 16
MIN_MAX_BODY_BYTES = 64
"""Every device accepts and sends bodies of at least this size."""

LARGEST_TENSOR_BYTES = 1 << 24
"""No tensor of a model that edgekit reads is larger."""
LARGEST_OP_COUNT = 0xFFFF
"""PROFILE and RUN_TO_OP name operators in 16 bits."""
_LARGEST_INFO_BYTES = 1 << 18


class TickUnit(IntEnum):
    """What a device's tick counter counts (``ek_tick_unit``)."""

    NONE = 0
    CYCLES = 1
    INSTRUCTIONS = 2
    NANOSECONDS = 3


class ErrorCode(IntEnum):
    """Why a device refused a request (``EK_LINK_ERR_*``). ``MODEL`` is or-ed with minus the ek_status."""

    REQUEST = 1
    LENGTH = 2
    RANGE = 3
    NO_INPUT = 4
    NO_OUTPUT = 5
    NO_HELD = 6
    NO_SESSION = 7
    SEQUENCE = 8
    STREAMED = 9
    MODEL = 0x100


class Message:
    """A body: fixed fields as in ``layout``, then, where the last field is ``data``, the rest."""

    type: ClassVar[int]
    layout: ClassVar[struct.Struct] = struct.Struct("")

    def pack(self) -> bytes:
        """The body's bytes."""
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        values = [getattr(self, name) for name in names if name != "data"]
        data: bytes = getattr(self, "data", b"")
        return self.layout.pack(*values) + data

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """The message in ``body``. Raises DeviceError where the size is wrong."""
        size, has_data = cls.layout.size, "data" in cls.__annotations__
        if len(body) < size or (len(body) > size and not has_data):
            raise DeviceError(
                f"the device sent a {cls.__name__} of {len(body)} bytes, which is not what protocol version "
                f"{PROTOCOL_VERSION} says ({size}). Is its firmware from another version of edgekit?"
            )
        values: tuple[Any, ...] = cls.layout.unpack(body[:size])
        return cls(*values, *([body[size:]] if has_data else []))


@dataclass(frozen=True)
class Hello(Message):
    """Starts a session. ``nonce`` is random, so that no earlier answer can be taken for this one's."""

    type: ClassVar[int] = 0x01
    layout: ClassVar[struct.Struct] = struct.Struct("<IB")
    nonce: int
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class HelloReply(Message):
    """``session_count`` is 1 for the first session since the device started; it stops at 65535."""

    type: ClassVar[int] = Hello.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<IBxHH")
    nonce: int
    version: int
    max_body_bytes: int
    session_count: int


@dataclass(frozen=True)
class Info(Message):
    """Asks for the description of board and model from its byte ``offset`` on."""

    type: ClassVar[int] = 0x02
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    offset: int


@dataclass(frozen=True)
class InfoReply(Message):
    """A piece of the description, whose whole size is ``total_bytes``."""

    type: ClassVar[int] = Info.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    total_bytes: int
    data: bytes


@dataclass(frozen=True)
class Status(Message):
    """Asks for what changes while a device runs."""

    type: ClassVar[int] = 0x03


@dataclass(frozen=True)
class StatusReply(Message):
    """``model_status`` is what ``ek_model_init`` returned (0: ready). ``stack_used_bytes`` 0: unknown."""

    type: ClassVar[int] = Status.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<iII")
    model_status: int
    arena_used_bytes: int
    stack_used_bytes: int


@dataclass(frozen=True)
class Echo(Message):
    """Asks for its own data."""

    type: ClassVar[int] = 0x04
    data: bytes


@dataclass(frozen=True)
class EchoReply(Message):
    """The request's data."""

    type: ClassVar[int] = Echo.type | REPLY
    data: bytes


@dataclass(frozen=True)
class Reset(Message):
    """Restarts the device's program, after the reply."""

    type: ClassVar[int] = 0x05


@dataclass(frozen=True)
class ResetReply(Message):
    """The device is about to restart."""

    type: ClassVar[int] = Reset.type | REPLY


@dataclass(frozen=True)
class WriteInput(Message):
    """``data`` for input ``index`` at byte ``offset``; inputs are written in order, without gaps."""

    type: ClassVar[int] = 0x10
    layout: ClassVar[struct.Struct] = struct.Struct("<BI")
    index: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class WriteInputReply(Message):
    """The bytes are in the input."""

    type: ClassVar[int] = WriteInput.type | REPLY


@dataclass(frozen=True)
class GenerateInput(Message):
    """Fills all inputs with the stream of ``seed`` (see :mod:`edgekit.device.generator`), at the latest while
    the model runs.
    """

    type: ClassVar[int] = 0x11
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    seed: int


@dataclass(frozen=True)
class GenerateInputReply(Message):
    """The inputs are filled."""

    type: ClassVar[int] = GenerateInput.type | REPLY


@dataclass(frozen=True)
class Invoke(Message):
    """Runs the model ``count`` times (at least once)."""

    type: ClassVar[int] = 0x12
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    count: int


@dataclass(frozen=True)
class InvokeReply(Message):
    """``ticks`` of all runs together, in the device's tick unit."""

    type: ClassVar[int] = Invoke.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<Q")
    ticks: int


@dataclass(frozen=True)
class ReadOutput(Message):
    """Asks for ``length`` bytes of output ``index`` from byte ``offset`` on."""

    type: ClassVar[int] = 0x13
    layout: ClassVar[struct.Struct] = struct.Struct("<BIH")
    index: int
    offset: int
    length: int


@dataclass(frozen=True)
class ReadOutputReply(Message):
    """The bytes asked for."""

    type: ClassVar[int] = ReadOutput.type | REPLY
    data: bytes


@dataclass(frozen=True)
class InvokeGenerated(Message):
    """Fills all inputs with the stream of ``seed`` and runs the model once."""

    type: ClassVar[int] = 0x14
    layout: ClassVar[struct.Struct] = struct.Struct("<I")
    seed: int


@dataclass(frozen=True)
class InvokeGeneratedReply(Message):
    """``output_crc32`` is over all outputs in order; ``data`` is all of them, or empty if too large."""

    type: ClassVar[int] = InvokeGenerated.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<QI")
    ticks: int
    output_crc32: int
    data: bytes


@dataclass(frozen=True)
class Profile(Message):
    """Runs the model once and reports on ``op_count`` operators from ``first_op`` on."""

    type: ClassVar[int] = 0x20
    layout: ClassVar[struct.Struct] = struct.Struct("<HH")
    first_op: int
    op_count: int


@dataclass(frozen=True)
class ProfileReply(Message):
    """One record of ``PROFILE_RECORD_BYTES`` an operator; see :meth:`records`."""

    type: ClassVar[int] = Profile.type | REPLY
    data: bytes

    def records(self) -> list[tuple[int, int, int]]:
        """(CRC-32 of the output, its size in bytes, ticks) of each operator. ``data`` must be whole."""
        return list(struct.iter_unpack("<IIQ", self.data))


@dataclass(frozen=True)
class RunToOp(Message):
    """Runs the model until operator ``op_index`` has written byte ``offset`` of its output, and stops."""

    type: ClassVar[int] = 0x21
    layout: ClassVar[struct.Struct] = struct.Struct("<HI")
    op_index: int
    offset: int


@dataclass(frozen=True)
class RunToOpReply(Message):
    """What is held: ``size_bytes`` of the output's ``total_bytes``, from ``offset`` on.

    All are 0 where the engine does not materialise the output, or it has no byte there.
    """

    type: ClassVar[int] = RunToOp.type | REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<III")
    total_bytes: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class ReadHeld(Message):
    """Asks for ``length`` bytes of what is held, from byte ``offset`` of it on."""

    type: ClassVar[int] = 0x22
    layout: ClassVar[struct.Struct] = struct.Struct("<IH")
    offset: int
    length: int


@dataclass(frozen=True)
class ReadHeldReply(Message):
    """The bytes asked for."""

    type: ClassVar[int] = ReadHeld.type | REPLY
    data: bytes


@dataclass(frozen=True)
class ErrorReply(Message):
    """Why the request of type ``request_type`` was refused: a code and, in ``data``, a sentence."""

    type: ClassVar[int] = ERROR_REPLY
    layout: ClassVar[struct.Struct] = struct.Struct("<HB")
    code: int
    request_type: int
    data: bytes

    @property
    def sentence(self) -> str:
        """The device's own words, safe to print."""
        text = self.data.decode("utf-8", errors="replace")
        return "".join(char if char.isprintable() else "\ufffd" for char in text)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the device's model: int8, NHWC, real = scale * (q - zero_point)."""

    name: str
    shape: tuple[int, ...]
    size_bytes: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class DeviceInfo:
    """What a device says about itself and its model.

    ``clock_hz`` is 0 where the device does not know it; ``arena_bytes`` is the smallest arena that the
    model accepts; ``model_sha256`` is the digest of the .tflite file, in hexadecimal. ``input_row_bytes`` are
    those of a row of the first input; with ``input_streamed`` it is the only one, and the device never has
    more than some rows of it.
    """

    contract_version: int
    tick_unit: TickUnit
    clock_hz: int
    op_count: int
    arena_bytes: int
    model_sha256: str
    firmware_version: str
    board: str
    engine: str
    model_name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    input_row_bytes: int
    input_streamed: bool = False

    @property
    def engine_name(self) -> str:
        """The first word of ``engine``: what ``--engine`` calls it."""
        return self.engine.partition(" ")[0]

    @property
    def kernels(self) -> str | None:
        """The kernels that an engine with a choice of them runs: its second word; None for the others."""
        words = self.engine.split()
        return words[1] if self.engine_name == "litert" and len(words) > 1 else None

    def seconds(self, ticks: int) -> float | None:
        """``ticks`` as time, or None where the device's counter does not tell time."""
        if self.tick_unit is TickUnit.NANOSECONDS:
            return ticks * 1e-9
        if self.tick_unit is TickUnit.CYCLES and self.clock_hz:
            return ticks / self.clock_hz
        return None

    def pack(self) -> bytes:
        """The description as INFO sends it."""
        head = _INFO_HEAD.pack(
            self.contract_version,
            self.tick_unit,
            len(self.inputs),
            len(self.outputs),
            self.clock_hz,
            self.op_count,
            self.arena_bytes,
            self.input_row_bytes,
            self.input_streamed,
            bytes.fromhex(self.model_sha256),
        )
        texts = (self.firmware_version, self.board, self.engine, self.model_name)
        tensors = (_pack_tensor(tensor) for tensor in (*self.inputs, *self.outputs))
        return b"".join((head, *map(_pack_text, texts), *tensors))

    @classmethod
    def unpack(cls, data: bytes) -> DeviceInfo:
        """The description in ``data``. Raises DeviceError where it contradicts itself."""
        reader = _Reader(data)
        head = reader.take(_INFO_HEAD)
        contract, tick_unit, inputs, outputs, clock_hz, op_count, arena, row_bytes, streamed, sha256 = head
        if tick_unit not in set(TickUnit):
            raise _broken_info(f"its tick unit is {tick_unit}")
        if op_count > LARGEST_OP_COUNT:
            raise _broken_info(f"its model has {op_count:,} operators")
        info = cls(
            contract_version=contract,
            tick_unit=TickUnit(tick_unit),
            clock_hz=clock_hz,
            op_count=op_count,
            arena_bytes=arena,
            model_sha256=sha256.hex(),
            firmware_version=reader.take_text(),
            board=reader.take_text(),
            engine=reader.take_text(),
            model_name=reader.take_text(),
            inputs=tuple(reader.take_tensor() for _ in range(inputs)),
            outputs=tuple(reader.take_tensor() for _ in range(outputs)),
            input_row_bytes=row_bytes,
            input_streamed=streamed == 1,
        )
        if not reader.at_end or not info.inputs or not info.outputs:
            raise _broken_info("it does not describe a model with inputs and outputs")
        if not row_bytes or info.inputs[0].size_bytes % row_bytes:
            raise _broken_info(f"its input of {info.inputs[0].size_bytes:,} bytes has rows of {row_bytes:,}")
        if streamed > (len(info.inputs) == 1):
            raise _broken_info(f"{streamed} of its {len(info.inputs)} inputs are streamed")
        return info


_INFO_HEAD = struct.Struct("<BBBBIIIIB32s")
_TENSOR_TAIL = struct.Struct("<Ifi")


def check_info_size(total_bytes: int) -> None:
    """Raises DeviceError for a description larger than any that a device sends."""
    if total_bytes > _LARGEST_INFO_BYTES:
        raise _broken_info(f"it claims to be {total_bytes:,} bytes long")


def _broken_info(reason: str) -> DeviceError:
    return DeviceError(
        f"the device's description of itself is not usable: {reason}. "
        "Is its firmware from another version of edgekit? Generate, compile and flash it again."
    )


def _pack_text(text: str) -> bytes:
    data = text.encode()[:255]
    return bytes([len(data)]) + data


def _pack_tensor(tensor: TensorInfo) -> bytes:
    shape = struct.pack(f"<B{len(tensor.shape)}I", len(tensor.shape), *tensor.shape)
    tail = _TENSOR_TAIL.pack(tensor.size_bytes, tensor.scale, tensor.zero_point)
    return _pack_text(tensor.name) + shape + tail


class _Reader:
    """Takes values off the front of the description, never past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def at_end(self) -> bool:
        return self._offset == len(self._data)

    def take(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self._take_bytes(layout.size))

    def take_text(self) -> str:
        text = self._take_bytes(self._take_bytes(1)[0]).decode("utf-8", errors="replace")
        return "".join(char if char.isprintable() else "\ufffd" for char in text)

    def take_tensor(self) -> TensorInfo:
        name = self.take_text()
        rank = self._take_bytes(1)[0]
        shape = self.take(struct.Struct(f"<{rank}I"))
        size_bytes, scale, zero_point = self.take(_TENSOR_TAIL)
        if not 1 <= rank <= 4 or math.prod(shape) != size_bytes or not 0 < size_bytes <= LARGEST_TENSOR_BYTES:
            raise _broken_info(f"tensor '{name}' has shape {shape} but {size_bytes:,} bytes")
        if not (math.isfinite(scale) and scale > 0 and -128 <= zero_point <= 127):
            raise _broken_info(f"tensor '{name}' has scale {scale} and zero point {zero_point}")
        return TensorInfo(name, shape, size_bytes, scale, zero_point)

    def _take_bytes(self, size_bytes: int) -> bytes:
        data = self._data[self._offset : self._offset + size_bytes]
        if len(data) != size_bytes:
            raise _broken_info(f"it breaks off after {len(self._data)} bytes")
        self._offset += size_bytes
        return data
