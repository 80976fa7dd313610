"""Answers the requests of the link: ``docs/protocol.md``, sections 2 to 6, without any I/O.

The same decisions in the same order as ``firmware/link/ek_link.c``; the tests feed both the same bytes
and compare every answer.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .frames import FrameDecoder, Packet, encode_frame
from .generator import generate_bytes

PROTOCOL_VERSION = 2
CONTRACT_VERSION = 3
MAX_BODY_BYTES = 512
TICKS_NANOSECONDS = 3

HELLO = 0x01
_REPLY = 0x80
_ERROR_REPLY = 0xFF

_ERR_REQUEST, _ERR_LENGTH, _ERR_RANGE, _ERR_NO_INPUT = 1, 2, 3, 4
_ERR_NO_OUTPUT, _ERR_NO_HELD, _ERR_NO_SESSION, _ERR_SEQUENCE = 5, 6, 7, 8
_ERR_MODEL_ENGINE = 0x100 | 3  # EK_ERR_ENGINE is -3
_SENTENCES = {
    _ERR_REQUEST: b"unknown request type or flags",
    _ERR_LENGTH: b"wrong body length for this request",
    _ERR_RANGE: b"index, offset, length or count out of range",
    _ERR_NO_INPUT: b"inputs not completely written since last run",
    _ERR_NO_OUTPUT: b"no output of a single run",
    _ERR_NO_HELD: b"no tensor is held",
    _ERR_NO_SESSION: b"restarted: send HELLO first",
    _ERR_SEQUENCE: b"request number is neither last nor next",
    _ERR_MODEL_ENGINE: b"the engine failed",
}

_RECORD = struct.Struct("<IIQ")
_INFO_HEAD = struct.Struct("<BBBBIIIIB32s")
_TENSOR_TAIL = struct.Struct("<Ifi")


class EngineError(Exception):
    """The engine could not run the model."""


@dataclass(frozen=True)
class Tensor:
    """An int8 input or output, NHWC: real = scale * (q - zero_point)."""

    name: str
    shape: tuple[int, ...]
    size_bytes: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Run:
    """The bytes of every output, in order, and the ticks that it took to compute them."""

    outputs: tuple[bytes, ...]
    ticks: int


@dataclass(frozen=True)
class OperatorRun:
    """For each operator the bytes of its output (empty: not materialised) and its ticks (0: not known)."""

    run: Run
    tensors: tuple[bytes, ...]
    ticks: tuple[int, ...]


class Model(Protocol):
    """What the link serves. Both methods take the bytes of every input and may raise EngineError."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """In the order in which they are written."""

    @property
    def outputs(self) -> Sequence[Tensor]:
        """In the order of :attr:`Run.outputs`."""

    @property
    def op_count(self) -> int:
        """Operators of the .tflite."""

    @property
    def arena_used_bytes(self) -> int:
        """What the model uses of its arena; 0: not known."""

    @property
    def stack_used_bytes(self) -> int:
        """Most stack used so far; 0: not known."""

    def run(self, inputs: Sequence[bytes]) -> Run:
        """Runs the model once."""

    def run_operators(self, inputs: Sequence[bytes]) -> OperatorRun:
        """Runs the model once and shows what each operator wrote."""


@dataclass(frozen=True)
class Identity:
    """What INFO says beside the model's tensors. ``model_sha256`` is the digest's 32 bytes."""

    board: str
    engine: str
    model_name: str
    model_sha256: bytes
    firmware_version: str
    arena_bytes: int = 0
    clock_hz: int = 0
    tick_unit: int = TICKS_NANOSECONDS


@dataclass
class _State:
    """All that a restart forgets. ``written`` are the bytes of each input so far, ``held`` a tensor."""

    session_count: int = 0
    number: int = 0
    request_crc32: int = 0
    reply: bytes = b""
    written: list[bytes] = field(default_factory=list)
    outputs: tuple[bytes, ...] | None = None
    held: bytes | None = None
    reset_due: bool = False

    def forget_inputs(self) -> None:
        self.written = []

    def forget_results(self) -> None:
        self.outputs = self.held = None


class _RefusalError(Exception):
    """The request is refused with ``code``."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(_SENTENCES[code])


class Link:
    """The device's state machine. ``open_model`` makes the model, at the start and at every RESET."""

    def __init__(
        self, open_model: Callable[[], Model], identity: Identity, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._open_model = open_model
        self._max_body_bytes = max_body_bytes
        self._decoder = FrameDecoder(max_body_bytes)
        self._model = open_model()
        self._description = describe(self._model, identity)
        self._state = _State()

    def receive(self, data: bytes) -> bytes:
        """The frames that answer what ``data`` completes."""
        return b"".join(self._take(packet) for packet in self._decoder.feed(data))

    # ---- numbers and repetitions: section 3 ----

    def _take(self, packet: Packet) -> bytes:
        state = self._state
        in_session = bool(state.reply)
        if in_session and (packet.number, packet.crc32) == (state.number, state.request_crc32):
            return state.reply
        is_next = in_session and packet.number == (state.number + 1) & 0xFFFF
        if packet.type != HELLO and not is_next:
            return _refusal(packet, _ERR_SEQUENCE if in_session else _ERR_NO_SESSION)
        try:
            reply = encode_frame(packet.type | _REPLY, packet.number, self._answer(packet))
        except _RefusalError as refusal:
            reply = _refusal(packet, refusal.code)
            if packet.type == HELLO:
                return reply  # It starts no session and displaces no reply.
        state.number, state.request_crc32, state.reply = packet.number, packet.crc32, reply
        if state.reset_due:
            self._model = self._open_model()
            self._state = _State()
        return reply

    def _answer(self, packet: Packet) -> bytes:
        """The reply's body. Raises _RefusalError."""
        if packet.flags != 0 or packet.type not in _COMMANDS:
            raise _RefusalError(_ERR_REQUEST)
        command = _COMMANDS[packet.type]
        size_bytes = command.layout.size
        if len(packet.body) < size_bytes or (len(packet.body) > size_bytes and not command.has_data):
            raise _RefusalError(_ERR_LENGTH)
        fields = command.layout.unpack(packet.body[:size_bytes])
        data = (packet.body[size_bytes:],) if command.has_data else ()
        return command.answer(self, *fields, *data)

    # ---- session, description, status ----

    def _hello(self, nonce: int, version: int, data: bytes) -> bytes:
        # Later versions may say more in `data`; the answer tells them ours.
        state = self._state
        state.session_count = min(state.session_count + 1, 0xFFFF)
        state.forget_inputs()
        state.forget_results()
        return struct.pack("<IBxHH", nonce, PROTOCOL_VERSION, self._max_body_bytes, state.session_count)

    def _info(self, offset: int) -> bytes:
        total_bytes = len(self._description)
        if offset > total_bytes:
            raise _RefusalError(_ERR_RANGE)
        piece = self._description[offset : offset + self._max_body_bytes - 4]
        return struct.pack("<I", total_bytes) + piece

    def _status(self) -> bytes:
        return struct.pack("<iII", 0, self._model.arena_used_bytes, self._model.stack_used_bytes)

    def _echo(self, data: bytes) -> bytes:
        return data

    def _reset(self) -> bytes:
        self._state.reset_due = True
        return b""

    # ---- inputs ----

    def _write_input(self, index: int, offset: int, data: bytes) -> bytes:
        state, tensors = self._state, self._model.inputs
        if index == 0 and offset == 0:
            state.forget_inputs()
        next_index, next_offset = self._next_place()
        if (index, offset) != (next_index, next_offset) or index >= len(tensors):
            raise _RefusalError(_ERR_RANGE)
        if not 0 < len(data) <= tensors[index].size_bytes - offset:
            raise _RefusalError(_ERR_RANGE)
        state.forget_results()
        if offset == 0:
            state.written.append(data)
        else:
            state.written[index] += data
        return b""

    def _next_place(self) -> tuple[int, int]:
        """The input, and the byte of it, that must be written next."""
        written = self._state.written
        if not written:
            return 0, 0
        last = len(written) - 1
        is_complete = len(written[last]) == self._model.inputs[last].size_bytes
        return (last + 1, 0) if is_complete else (last, len(written[last]))

    def _generate_input(self, seed: int) -> bytes:
        self._generate(seed)
        return b""

    def _generate(self, seed: int) -> None:
        state = self._state
        state.forget_results()
        state.forget_inputs()
        stream = generate_bytes(seed, sum(tensor.size_bytes for tensor in self._model.inputs))
        for tensor in self._model.inputs:
            state.written.append(stream[: tensor.size_bytes])
            stream = stream[tensor.size_bytes :]

    def _take_inputs(self) -> list[bytes]:
        """The complete inputs, which a run uses up: nobody verifies garbage by accident."""
        self._require_inputs()
        inputs = self._state.written
        self._state.forget_inputs()
        self._state.forget_results()
        return inputs

    def _require_inputs(self) -> None:
        if self._next_place() != (len(self._model.inputs), 0):
            raise _RefusalError(_ERR_NO_INPUT)

    # ---- runs and outputs ----

    def _run(self, inputs: Sequence[bytes]) -> Run:
        try:
            return self._model.run(inputs)
        except EngineError as error:
            raise _RefusalError(_ERR_MODEL_ENGINE) from error

    def _run_operators(self) -> OperatorRun:
        try:
            return self._model.run_operators(self._take_inputs())
        except EngineError as error:
            raise _RefusalError(_ERR_MODEL_ENGINE) from error

    def _invoke(self, count: int) -> bytes:
        self._require_inputs()
        if count == 0:
            raise _RefusalError(_ERR_RANGE)
        inputs = self._take_inputs()
        ticks = 0
        for _ in range(count):
            run = self._run(inputs)
            ticks += run.ticks
        self._state.outputs = run.outputs if count == 1 else None
        return struct.pack("<Q", ticks & 0xFFFF_FFFF_FFFF_FFFF)

    def _read_output(self, index: int, offset: int, length: int) -> bytes:
        outputs = self._state.outputs
        if outputs is None:
            raise _RefusalError(_ERR_NO_OUTPUT)
        if index >= len(outputs):
            raise _RefusalError(_ERR_RANGE)
        return self._piece(outputs[index], offset, length)

    def _piece(self, tensor: bytes, offset: int, length: int) -> bytes:
        if length > self._max_body_bytes or offset + length > len(tensor):
            raise _RefusalError(_ERR_RANGE)
        return tensor[offset : offset + length]

    def _invoke_generated(self, seed: int) -> bytes:
        self._generate(seed)
        run = self._run(self._take_inputs())
        self._state.outputs = run.outputs
        data = b"".join(run.outputs)
        head = struct.pack("<QI", run.ticks, zlib.crc32(data))
        return head + (data if len(head) + len(data) <= self._max_body_bytes else b"")

    # ---- operators ----

    def _profile(self, first_op: int, op_count: int) -> bytes:
        self._require_inputs()
        fits = 0 < op_count <= self._max_body_bytes // _RECORD.size
        if not fits or first_op + op_count > self._model.op_count:
            raise _RefusalError(_ERR_RANGE)
        profile = self._run_operators()
        self._state.outputs = profile.run.outputs
        records = bytearray()
        for op_index in range(first_op, first_op + op_count):
            tensor = profile.tensors[op_index]
            records += _RECORD.pack(zlib.crc32(tensor), len(tensor), profile.ticks[op_index])
        return bytes(records)

    def _run_to_op(self, op_index: int, offset: int) -> bytes:
        self._require_inputs()
        if op_index >= self._model.op_count:
            raise _RefusalError(_ERR_RANGE)
        profile = self._run_operators()
        tensor = profile.tensors[op_index]
        if offset >= len(tensor):  # There is no such byte, so the run went on to the end.
            tensor = b""
            self._state.outputs = profile.run.outputs
        self._state.held = tensor or None
        return struct.pack("<III", len(tensor), 0, len(tensor))

    def _read_held(self, offset: int, length: int) -> bytes:
        if self._state.held is None:
            raise _RefusalError(_ERR_NO_HELD)
        return self._piece(self._state.held, offset, length)


def _refusal(packet: Packet, code: int) -> bytes:
    body = struct.pack("<HB", code, packet.type) + _SENTENCES[code]
    return encode_frame(_ERROR_REPLY, packet.number, body)


def describe(model: Model, identity: Identity) -> bytes:
    """The description that INFO sends: section 5."""
    head = _INFO_HEAD.pack(
        CONTRACT_VERSION,
        identity.tick_unit,
        len(model.inputs),
        len(model.outputs),
        identity.clock_hz,
        model.op_count,
        identity.arena_bytes,
        _row_bytes(model.inputs[0]),
        0,  # The input is never streamed: a computer has room for it.
        identity.model_sha256,
    )
    texts = (identity.firmware_version, identity.board, identity.engine, identity.model_name)
    tensors = (_packed_tensor(tensor) for tensor in (*model.inputs, *model.outputs))
    return b"".join((head, *map(_packed_text, texts), *tensors))


def _row_bytes(tensor: Tensor) -> int:
    """Bytes of a row: W * C of an image, else the whole tensor."""
    is_image = len(tensor.shape) == 4 and tensor.shape[0] == 1
    return tensor.size_bytes // tensor.shape[1] if is_image else tensor.size_bytes


def _packed_text(text: str) -> bytes:
    data = text.encode("utf-8", errors="replace")[:255]
    return bytes([len(data)]) + data


def _packed_tensor(tensor: Tensor) -> bytes:
    shape = struct.pack(f"<B{len(tensor.shape)}I", len(tensor.shape), *tensor.shape)
    tail = _TENSOR_TAIL.pack(tensor.size_bytes, tensor.scale, tensor.zero_point)
    return _packed_text(tensor.name) + shape + tail


@dataclass(frozen=True)
class _Command:
    """``layout`` is the exact body, or what precedes its data where it ``has_data``."""

    layout: struct.Struct
    answer: Callable[..., bytes]
    has_data: bool = False


_COMMANDS = {
    HELLO: _Command(struct.Struct("<IB"), Link._hello, has_data=True),
    0x02: _Command(struct.Struct("<I"), Link._info),
    0x03: _Command(struct.Struct(""), Link._status),
    0x04: _Command(struct.Struct(""), Link._echo, has_data=True),
    0x05: _Command(struct.Struct(""), Link._reset),
    0x10: _Command(struct.Struct("<BI"), Link._write_input, has_data=True),
    0x11: _Command(struct.Struct("<I"), Link._generate_input),
    0x12: _Command(struct.Struct("<I"), Link._invoke),
    0x13: _Command(struct.Struct("<BIH"), Link._read_output),
    0x14: _Command(struct.Struct("<I"), Link._invoke_generated),
    0x20: _Command(struct.Struct("<HH"), Link._profile),
    0x21: _Command(struct.Struct("<HI"), Link._run_to_op),
    0x22: _Command(struct.Struct("<IH"), Link._read_held),
}
