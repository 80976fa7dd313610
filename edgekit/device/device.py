"""A device at the other end of a transport: requests, retries, and what the answers mean.

The device keeps its last reply and never runs a repeated request twice (``docs/protocol.md``), so a
request is simply sent again, with the same number, until it is answered or its time is up.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.device import messages
from edgekit.device.link import FrameDecoder, LogText, Packet, encode_frame
from edgekit.device.messages import DeviceInfo, ErrorCode, HelloReply, Message, StatusReply, TensorInfo
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError, NoAnswerError, RequestRefusedError, UsageError

Int8Array = NDArray[np.int8]
Reply = TypeVar("Reply", bound=Message)

# What one request hands on of the text that a device prints: a log is read by people, noise by nobody.
_MAX_LOG_LINES = 200
_MAX_LOG_LINE_CHARS = 500

_HINT_NO_ANSWER = (
    "Is the board powered, is edgekit's firmware on it (`edgekit flash`), are port and baud rate right, "
    "and is no other program using the port?"
)
_HINT_LOOPED_BACK = "The port returns what is sent to it: no device is connected."
_HINT_RESTARTED = (
    "It has restarted since the session began: a fault, a watchdog, a brown-out or its reset button. "
    "Try again; if it happens again, look at the device's log and its power supply."
)
_HINT_SEQUENCE = "Another program is talking to the same device: close it and try again."
_HINT_MODEL = "The engine could not run the model (ek_status -{status} in ek_model.h)."


@dataclass(frozen=True)
class Timeouts:
    """How long to wait for a device, in seconds. All can be exceeded by the time of a few bytes."""

    answer_s: float = 1.0
    """For an answer before the request is sent again: 512 bytes each way take 0.1 s at 115200 baud and
    1.1 s at 9600; sending a request too early costs nothing but its bytes."""

    attempts: int = 8
    """Times that a request is sent which the device answers at once."""

    start_s: float = 10.0
    """From the first greeting to its answer: opening the port restarts many boards, an Arduino's boot
    loader waits 2 s, an ESP32 boots for 1 s, and an emulator has to be loaded."""

    start_answer_s: float = 0.4
    """Between two greetings; short, because a restarting board loses those sent meanwhile."""

    run_s: float = 120.0
    """For one inference. A device does not listen while it runs, so the repeated requests (each after
    twice the time, at most ``longest_wait_s``) serve only to find a lost answer."""

    longest_wait_s: float = 8.0


PROGRAM_TIMEOUTS = Timeouts(start_s=60.0)
"""For a program of an operating system: Python on a small Raspberry Pi imports for 10 s and more before it
listens. A program that cannot start ends, which is noticed at once."""


@dataclass(frozen=True)
class LinkStatistics:
    """What it took to get the answers. A healthy link has no retries and no damaged frames."""

    requests: int = 0
    retries: int = 0
    stale_replies: int = 0
    """Answers to requests that had already been answered."""
    damaged_frames: int = 0
    log_lines: int = 0
    log_lines_dropped: int = 0
    """Those of ``log_lines`` that were too many for one request to be handed on."""
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(frozen=True)
class GeneratedInput:
    """Inputs that the device makes itself from a seed (see :mod:`edgekit.device.generator`)."""

    seed: int


Stimulus = Sequence[Int8Array] | GeneratedInput
"""What goes into the model: an int8 array for each input, NHWC as the model has it, or a seed."""


@dataclass(frozen=True)
class InvokeResult:
    """``ticks`` of ``count`` runs together, in the device's tick unit."""

    ticks: int
    count: int


@dataclass(frozen=True)
class RunResult:
    """Outputs of one run, shaped like the model's, and the run's ticks."""

    outputs: tuple[Int8Array, ...]
    ticks: int


@dataclass(frozen=True)
class GeneratedResult:
    """Digest of the outputs (CRC-32 over all in order), the outputs if they came along, and the ticks."""

    output_crc32: int
    outputs: tuple[Int8Array, ...] | None
    ticks: int


@dataclass(frozen=True)
class OpProfile:
    """One operator of one run: CRC-32 and size of its output (0: not materialised), and its ticks."""

    op_index: int
    output_crc32: int
    size_bytes: int
    ticks: int


class Device:
    """A device behind ``transport``, which it owns from now on and closes.

    ``on_log`` gets the lines of text that the device prints: of each request the first 200, cut after 500
    characters, and one more that says how many were dropped. ``name`` stands for it in errors. Every
    method may raise DeviceError. A session starts with the first request, and again with the one after
    a request that was not answered.
    """

    def __init__(
        self,
        transport: Transport,
        on_log: Callable[[str], None] | None = None,
        timeouts: Timeouts | None = None,
        name: str = "the device",
    ) -> None:
        self._transport = transport
        self._on_log = on_log
        self._timeouts = timeouts or Timeouts()
        self._name = name
        self._decoder = FrameDecoder()
        self._session: HelloReply | None = None
        self._number = secrets.randbelow(1 << 16)
        self._info: DeviceInfo | None = None
        self._statistics = LinkStatistics()
        self._looped_back = False
        self._slowest_run_s: float | None = None
        self._request_log_lines = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the transport. May be called twice."""
        self._session = None
        self._transport.close()

    @property
    def statistics(self) -> LinkStatistics:
        """Counts since this object was made."""
        return self._statistics

    def info(self) -> DeviceInfo:
        """Board, model, tensors, counter. Asked for once a session."""
        self._ensure_session()
        if self._info is None:
            self._info = self._read_info()
        return self._info

    def status(self) -> StatusReply:
        """State of the model, arena bytes in use, most stack used so far."""
        return self._ask(messages.Status(), StatusReply)

    def echo(self, data: bytes) -> bytes:
        """Sends ``data``, at most :attr:`max_body_bytes`, and returns what comes back: the same."""
        reply = self._ask(messages.Echo(data), messages.EchoReply)
        if reply.data != data:
            raise DeviceError(f"{self._name} returned other bytes than it was sent. Its firmware is broken.")
        return reply.data

    @property
    def max_body_bytes(self) -> int:
        """Longest request or reply body that the device takes; starts a session if there is none."""
        return self._ensure_session().max_body_bytes

    def write_inputs(self, inputs: Sequence[Int8Array]) -> None:
        """Writes every input of the model, in order. Raises UsageError for a wrong shape or dtype."""
        _check_inputs(inputs, self.info().inputs)
        chunk_bytes = self.max_body_bytes - messages.INPUT_PREFIX_BYTES
        for index, array in enumerate(inputs):
            data = array.tobytes()
            for offset in range(0, len(data), chunk_bytes):
                chunk = data[offset : offset + chunk_bytes]
                # A streamed input makes the model run meanwhile.
                ask = self._ask_run if self.info().input_streamed else self._ask
                ask(messages.WriteInput(index, offset, chunk), messages.WriteInputReply)

    def generate_inputs(self, seed: int) -> None:
        """Has the device fill all inputs from ``seed`` (below 2**32)."""
        self._ask_run(messages.GenerateInput(_checked_seed(seed)), messages.GenerateInputReply)

    def invoke(self, count: int = 1) -> InvokeResult:
        """Runs the model ``count`` times on the inputs written before, which are used up by it.

        Outputs can be read after a single run only: an engine may reuse the inputs' memory, so later
        runs measure time and compute nothing meaningful.
        """
        if not 1 <= count < 1 << 32:
            raise UsageError(f"a model cannot be run {count} times; give a number from 1 to 4294967295.")
        reply = self._ask_run(messages.Invoke(count), messages.InvokeReply, runs=count)
        return InvokeResult(reply.ticks, count)

    def read_outputs(self) -> tuple[Int8Array, ...]:
        """The outputs of the last single run, shaped like the model's."""
        return tuple(
            np.frombuffer(self._read_output(index, tensor.size_bytes), dtype=np.int8).reshape(tensor.shape)
            for index, tensor in enumerate(self.info().outputs)
        )

    def run(self, inputs: Sequence[Int8Array]) -> RunResult:
        """Writes ``inputs``, runs the model once and reads all outputs."""
        self.write_inputs(inputs)
        ticks = self.invoke().ticks
        return RunResult(self.read_outputs(), ticks)

    def run_generated(self, seed: int) -> GeneratedResult:
        """Runs the model once on the inputs of ``seed``, in one exchange."""
        tensors = self.info().outputs
        request = messages.InvokeGenerated(_checked_seed(seed))
        reply = self._ask_run(request, messages.InvokeGeneratedReply)
        if not reply.data:
            return GeneratedResult(reply.output_crc32, None, reply.ticks)
        sizes = [tensor.size_bytes for tensor in tensors]
        if len(reply.data) != sum(sizes) or zlib.crc32(reply.data) != reply.output_crc32:
            raise DeviceError(f"{self._name} sent outputs that do not agree with their own digest.")
        parts = np.split(np.frombuffer(reply.data, dtype=np.int8), np.cumsum(sizes)[:-1])
        outputs = tuple(part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True))
        return GeneratedResult(reply.output_crc32, outputs, reply.ticks)

    def profile(self, stimulus: Stimulus) -> tuple[OpProfile, ...]:
        """Digest, size and ticks of every operator. Runs the model once for each window that fits a reply.

        Raises UsageError for written inputs where the device's input is streamed.
        """
        op_count = self.info().op_count
        window = self.max_body_bytes // messages.PROFILE_RECORD_BYTES
        profiles: list[OpProfile] = []
        for first_op in range(0, op_count, window):
            self._stimulate(stimulus)
            request = messages.Profile(first_op, min(window, op_count - first_op))
            reply = self._ask_run(request, messages.ProfileReply)
            if len(reply.data) != request.op_count * messages.PROFILE_RECORD_BYTES:
                raise DeviceError(f"{self._name} profiled another number of operators than it was asked to.")
            for op_index, (crc32, size_bytes, ticks) in enumerate(reply.records(), first_op):
                self._check_op_size(op_index, size_bytes)
                profiles.append(OpProfile(op_index, crc32, size_bytes, ticks))
        return tuple(profiles)

    def op_output(
        self, op_index: int, stimulus: Stimulus, expected_size_bytes: int | None = None
    ) -> Int8Array | None:
        """Output of operator ``op_index`` as a flat array, or None where it is not materialised.

        An engine that computes it a few rows at a time is run once for each time.

        Raises DeviceError, before anything is fetched, where it is not of ``expected_size_bytes``, and
        UsageError for an operator that the model does not have, or for written inputs where the device's
        input is streamed.
        """
        op_count = self.info().op_count
        if not 0 <= op_index < op_count:
            raise UsageError(f"the model has no operator {op_index}; give one from 0 to {op_count - 1}.")
        output = bytearray()
        while True:
            self._stimulate(stimulus)
            held = self._ask_run(messages.RunToOp(op_index, len(output)), messages.RunToOpReply)
            if held.total_bytes == 0 and not output:
                return None
            self._check_op_size(op_index, held.total_bytes, expected_size_bytes)
            if held.offset != len(output) or not 0 < held.size_bytes <= held.total_bytes - held.offset:
                raise DeviceError(
                    f"{self._name} holds bytes {held.offset} to {held.offset + held.size_bytes} of operator "
                    f"{op_index}, which was run to byte {len(output)} of {held.total_bytes}."
                )
            output += self._read_pieces(held.size_bytes, self._read_held)
            if len(output) == held.total_bytes:
                return np.frombuffer(bytes(output), dtype=np.int8)

    def _read_held(self, offset: int, length: int) -> bytes:
        return self._ask(messages.ReadHeld(offset, length), messages.ReadHeldReply).data

    def reset(self) -> None:
        """Restarts the device's program and waits until it answers again.

        Raises DeviceError where the device cannot restart itself.
        """
        self._ensure_session()
        try:
            self._ask(messages.Reset(), messages.ResetReply)
        except RequestRefusedError as error:
            # Its acknowledgement was lost, and the repeated request met the restarted program.
            if error.code != ErrorCode.NO_SESSION:
                raise
        except NoAnswerError:
            pass  # The same, but it was still starting up. The greeting below tells.
        self._session = None
        if self._ensure_session().session_count != 1:
            raise DeviceError(f"{self._name} cannot restart itself. Press its reset button or power it off.")

    def _check_op_size(self, op_index: int, size_bytes: int, expected_size_bytes: int | None = None) -> None:
        """Raises DeviceError where an operator's output cannot have ``size_bytes``."""
        if size_bytes > messages.LARGEST_TENSOR_BYTES or expected_size_bytes not in {None, size_bytes}:
            expected = "" if expected_size_bytes is None else f", not {expected_size_bytes:,}"
            raise DeviceError(
                f"{self._name} says that operator {op_index} writes {size_bytes:,} bytes{expected}. Is its "
                "firmware of another model? Generate, compile and flash it again."
            )

    def _stimulate(self, stimulus: Stimulus) -> None:
        if isinstance(stimulus, GeneratedInput):
            self.generate_inputs(stimulus.seed)
        elif self.info().input_streamed:
            raise UsageError(
                f"{self._name} takes its input row by row and computes with each row as it comes, so its "
                "layers can be looked at only on inputs that it makes itself. Give a seed (GeneratedInput)."
            )
        else:
            self.write_inputs(stimulus)

    def _read_info(self) -> DeviceInfo:
        data = b""
        while True:
            reply = self._ask(messages.Info(len(data)), messages.InfoReply)
            messages.check_info_size(reply.total_bytes)
            data += reply.data
            if len(data) >= reply.total_bytes or not reply.data:
                return DeviceInfo.unpack(data)

    def _read_output(self, index: int, size_bytes: int) -> bytes:
        def read(offset: int, length: int) -> bytes:
            return self._ask(messages.ReadOutput(index, offset, length), messages.ReadOutputReply).data

        return self._read_pieces(size_bytes, read)

    def _read_pieces(self, size_bytes: int, read: Callable[[int, int], bytes]) -> bytes:
        """``size_bytes`` bytes, fetched with ``read(offset, length)`` in pieces that fit a reply."""
        pieces: list[bytes] = []
        for offset in range(0, size_bytes, self.max_body_bytes):
            length = min(self.max_body_bytes, size_bytes - offset)
            piece = read(offset, length)
            if len(piece) != length:
                raise DeviceError(
                    f"{self._name} sent {len(piece)} bytes of a tensor when asked for {length}."
                )
            pieces.append(piece)
        return b"".join(pieces)

    # ---- exchanges ----

    def _ask(self, request: Message, reply: type[Reply]) -> Reply:
        """The answer to a request that takes the device no time."""
        self._ensure_session()
        return self._exchange(request, reply, iter([self._timeouts.answer_s] * self._timeouts.attempts))

    def _ask_run(self, request: Message, reply: type[Reply], runs: int = 1) -> Reply:
        """The answer to a request that runs the model ``runs`` times.

        How long many runs may take follows from the slowest single one so far, if there was one.
        """
        self._ensure_session()
        slowest_s = self._slowest_run_s
        total_s = (
            self._timeouts.run_s * runs if slowest_s is None else self._timeouts.run_s + 4 * slowest_s * runs
        )
        start_s = time.monotonic()
        answer = self._exchange(request, reply, self._doubling_waits(total_s))
        if runs == 1:
            self._slowest_run_s = max(slowest_s or 0.0, time.monotonic() - start_s)
        return answer

    def _doubling_waits(self, total_s: float) -> Iterator[float]:
        wait_s = self._timeouts.answer_s
        while total_s > 0:
            yield min(wait_s, total_s)
            total_s -= wait_s
            wait_s = min(2 * wait_s, self._timeouts.longest_wait_s)

    def _ensure_session(self) -> HelloReply:
        if self._session is None:
            timeouts = self._timeouts
            self._info = None
            hello = messages.Hello(secrets.randbits(32))
            attempts = max(1, round(timeouts.start_s / timeouts.start_answer_s))
            reply = self._exchange(hello, HelloReply, iter([timeouts.start_answer_s] * attempts))
            self._check_hello(reply)
            self._session = reply
        return self._session

    def _check_hello(self, reply: HelloReply) -> None:
        if reply.version != messages.PROTOCOL_VERSION:
            raise DeviceError(
                f"{self._name} speaks version {reply.version} of the link's protocol, this edgekit version "
                f"{messages.PROTOCOL_VERSION}. Generate its firmware with this edgekit and flash it again."
            )
        if reply.max_body_bytes < messages.MIN_MAX_BODY_BYTES:
            raise DeviceError(
                f"{self._name} says that it takes bodies of {reply.max_body_bytes} bytes; "
                f"{messages.MIN_MAX_BODY_BYTES} is the least allowed. Its firmware is broken."
            )

    def _exchange(self, request: Message, reply: type[Reply], waits_s: Iterator[float]) -> Reply:
        """Sends ``request`` under the next number, again after each of ``waits_s``, until it is answered.

        Raises NoAnswerError when the waits are used up, RequestRefusedError for an error reply.
        """
        session, self._session = self._session, None  # Restored by an answer; without one, greet again.
        self._number = (self._number + 1) & 0xFFFF
        self._looped_back = False
        self._request_log_lines = 0
        try:
            packet = self._await_attempts(request, reply, waits_s)
        finally:
            self._report_dropped_lines()
        self._session = session
        return self._open(packet, request, reply)

    def _await_attempts(self, request: Message, reply: type[Reply], waits_s: Iterator[float]) -> Packet:
        """The answer to ``request``, sent once for each of ``waits_s``. Raises NoAnswerError without one."""
        frame = encode_frame(Packet(request.type, self._number, request.pack()))
        self._count(requests=1)
        start_s, attempts = time.monotonic(), 0
        for attempts, wait_s in enumerate(waits_s, start=1):
            self._transport.write(frame)
            self._count(bytes_sent=len(frame), retries=int(attempts > 1))
            packet = self._await_answer(request, reply, time.monotonic() + wait_s)
            if packet is not None:
                return packet
        self._surface(self._decoder.take_rest())
        hint = _HINT_LOOPED_BACK if self._looped_back else _HINT_NO_ANSWER
        waited_s = time.monotonic() - start_s
        raise NoAnswerError(self._name, _request_name(request), attempts, waited_s, hint)

    def _await_answer(self, request: Message, reply: type[Reply], deadline_s: float) -> Packet | None:
        """The answer to ``request``, or None if it has not come by ``deadline_s`` (monotonic clock)."""
        while (left_s := deadline_s - time.monotonic()) > 0:
            data = self._transport.read(left_s)
            self._count(bytes_received=len(data))
            packets = self._surface(self._decoder.feed(data))
            answers = [packet for packet in packets if self._is_answer(packet, request, reply)]
            self._count(stale_replies=len(packets) - len(answers[:1]))
            if answers:
                return answers[0]
            self._looped_back |= any(packet.type == request.type for packet in packets)
        return None

    def _is_answer(self, packet: Packet, request: Message, reply: type[Reply]) -> bool:
        if packet.number != self._number:
            return False
        if packet.type == HelloReply.type and isinstance(request, messages.Hello):
            return HelloReply.unpack(packet.body).nonce == request.nonce
        return packet.type in {reply.type, messages.ERROR_REPLY}

    def _surface(self, found: Sequence[Packet | LogText]) -> list[Packet]:
        """Hands on the text among ``found``; returns the packets."""
        texts = [item for item in found if isinstance(item, LogText)]
        lines = [line for text in texts for line in text.lines]
        self._count(log_lines=len(lines), damaged_frames=sum(text.damaged for text in texts))
        self._log(lines)
        return [item for item in found if isinstance(item, Packet)]

    def _log(self, lines: Sequence[str]) -> None:
        """Hands ``lines`` on, as far as the request in progress may."""
        handed_on = lines[: max(_MAX_LOG_LINES - self._request_log_lines, 0)]
        self._request_log_lines += len(lines)
        self._count(log_lines_dropped=len(lines) - len(handed_on))
        if self._on_log is not None:
            for line in handed_on:
                is_long = len(line) > _MAX_LOG_LINE_CHARS
                self._on_log(f"{line[:_MAX_LOG_LINE_CHARS]}…" if is_long else line)

    def _report_dropped_lines(self) -> None:
        dropped = self._request_log_lines - _MAX_LOG_LINES
        if dropped > 0 and self._on_log is not None:
            self._on_log(f"(lines of text that are not shown: {dropped:,})")

    def _open(self, packet: Packet, request: Message, reply: type[Reply]) -> Reply:
        """The reply in ``packet``. Raises RequestRefusedError for an error reply."""
        if packet.type == reply.type:
            return reply.unpack(packet.body)
        error = messages.ErrorReply.unpack(packet.body)
        hint = ""
        if error.code in {ErrorCode.NO_SESSION, ErrorCode.SEQUENCE}:
            self._session = None
        if error.code == ErrorCode.NO_SESSION:
            hint = _HINT_RESTARTED
        elif error.code == ErrorCode.SEQUENCE:
            hint = _HINT_SEQUENCE
        elif error.code & ErrorCode.MODEL:
            hint = _HINT_MODEL.format(status=error.code & 0xFF)
        raise RequestRefusedError(self._name, _request_name(request), error.code, error.sentence, hint)

    def _count(self, **increments: int) -> None:
        current = self._statistics
        self._statistics = dataclasses.replace(
            current, **{name: getattr(current, name) + step for name, step in increments.items()}
        )


def _request_name(request: Message) -> str:
    return type(request).__name__


def _checked_seed(seed: int) -> int:
    if not 0 <= seed < 1 << 32:
        raise UsageError(
            f"the seed {seed} is not one that a device takes; give a number from 0 to 4294967295."
        )
    return seed


def _check_inputs(inputs: Sequence[Int8Array], tensors: Sequence[TensorInfo]) -> None:
    """Raises UsageError where ``inputs`` are not what the model takes."""
    if len(inputs) != len(tensors):
        raise UsageError(f"the model takes {len(tensors)} inputs, {len(inputs)} were given.")
    for array, tensor in zip(inputs, tensors, strict=True):
        if array.dtype != np.int8 or array.shape != tensor.shape:
            raise UsageError(
                f"input '{tensor.name}' takes int8 of shape {tensor.shape} ({prod(tensor.shape):,} bytes), "
                f"not {array.dtype} of shape {array.shape}."
            )
