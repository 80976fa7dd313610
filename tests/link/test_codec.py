"""Properties of the Python codec that hold for any bytes, and what messages refuse."""

import contextlib
import dataclasses
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgekit
from edgekit.device import messages
from edgekit.device.generator import generate_bytes
from edgekit.device.link import MAX_BODY_BYTES, FrameDecoder, LogText, Packet, encode_frame, pack_packet
from edgekit.device.messages import DeviceInfo, ErrorCode, Message, TensorInfo, TickUnit
from edgekit.errors import DeviceError
from edgekit.resources import firmware_folder

packets = st.builds(
    Packet, st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=700), st.integers(0, 255)
)
texts = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=40).map(str.encode)


def feed_in_pieces(stream: bytes, cuts: list[int]) -> list[Packet | LogText]:
    decoder = FrameDecoder()
    ends = [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    starts = [0, *ends[:-1]]
    found = [
        item for start, end in zip(starts, ends, strict=True) for item in decoder.feed(stream[start:end])
    ]
    return found + decoder.take_rest()


@given(st.lists(st.tuples(texts, packets), max_size=4), st.lists(st.integers(0, 1 << 16), max_size=8))
def test_packets_survive_any_text_between_and_any_cut(items: list[tuple[bytes, Packet]], cuts: list[int]):
    stream = b"".join(text + encode_frame(packet) for text, packet in items)
    found = feed_in_pieces(stream, cuts)
    assert [item for item in found if isinstance(item, Packet)] == [packet for _, packet in items]


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=4))
def test_any_bytes_decode_to_something_and_never_raise(stream: bytes, cuts: list[int]):
    for item in feed_in_pieces(stream, cuts):
        if isinstance(item, LogText):
            assert all(char.isprintable() or char == "\t" for line in item.lines for char in line)


@given(packets, st.integers(0, 1 << 16), st.integers(1, 255))
def test_a_frame_with_one_wrong_byte_is_no_packet(packet: Packet, place: int, change: int):
    frame = bytearray(encode_frame(packet))
    frame[1 + place % (len(frame) - 2)] ^= change
    assert not [item for item in feed_in_pieces(bytes(frame), []) if isinstance(item, Packet)]


def test_the_longest_body_passes_and_a_longer_one_is_refused():
    packet = Packet(1, 2, b"\xff" * MAX_BODY_BYTES)
    assert FrameDecoder().feed(encode_frame(packet)) == [packet]
    with pytest.raises(ValueError, match="65525 is the limit"):
        pack_packet(Packet(1, 2, bytes(MAX_BODY_BYTES + 1)))


def test_endless_text_without_a_delimiter_is_not_hoarded():
    decoder = FrameDecoder()
    found = [item for _ in range(30) for item in decoder.feed(b"x" * 10_000)]
    assert sum(len(line) for item in found if isinstance(item, LogText) for line in item.lines) > 200_000


def tensor(name: str = "t", shape: tuple[int, ...] = (1, 4), **changes: object) -> TensorInfo:
    return dataclasses.replace(TensorInfo(name, shape, 4, 0.5, -3), **changes)  # type: ignore[arg-type]


INFO = DeviceInfo(
    contract_version=1,
    tick_unit=TickUnit.NANOSECONDS,
    clock_hz=0,
    op_count=31,
    arena_bytes=100_708,
    model_sha256="ab" * 32,
    firmware_version="1.2.3",
    board="pico",
    engine="tflm",
    model_name="vww_96_int8",
    inputs=(tensor("in/ü"),),
    outputs=(tensor("out"), tensor("b", (4,))),
    input_row_bytes=4,
)


def test_the_description_of_a_device_survives_the_way():
    assert DeviceInfo.unpack(INFO.pack()) == INFO
    assert INFO.seconds(1_500_000_000) == pytest.approx(1.5)
    assert dataclasses.replace(INFO, tick_unit=TickUnit.INSTRUCTIONS, clock_hz=1).seconds(1) is None


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (dataclasses.replace(INFO, inputs=(tensor(size_bytes=5),)), "shape (1, 4) but 5 bytes"),
        (dataclasses.replace(INFO, inputs=(tensor(shape=(1, 1, 1, 1, 4)),)), "shape"),
        (dataclasses.replace(INFO, inputs=(tensor(shape=(), size_bytes=1),)), "shape"),
        (dataclasses.replace(INFO, inputs=(tensor(shape=(0,), size_bytes=0),)), "0 bytes"),
        (dataclasses.replace(INFO, outputs=(tensor(shape=(1 << 30,), size_bytes=1 << 30),)), "1,073,741,824"),
        (dataclasses.replace(INFO, outputs=(tensor(scale=float("nan")),)), "scale nan"),
        (dataclasses.replace(INFO, outputs=(tensor(scale=0.0),)), "scale 0.0"),
        (dataclasses.replace(INFO, outputs=(tensor(zero_point=128),)), "zero point 128"),
        (dataclasses.replace(INFO, outputs=(tensor(shape=(1 << 25,), size_bytes=1 << 25),)), "33,554,432"),
        (dataclasses.replace(INFO, input_row_bytes=0), "4 bytes has rows of 0"),
        (dataclasses.replace(INFO, input_row_bytes=3), "4 bytes has rows of 3"),
        (dataclasses.replace(INFO, inputs=(tensor(), tensor()), input_streamed=True), "1 of its 2 inputs"),
        (dataclasses.replace(INFO, op_count=1 << 16), "65,536 operators"),
        (dataclasses.replace(INFO, op_count=0xFFFFFFFF), "4,294,967,295 operators"),
        (dataclasses.replace(INFO, inputs=()), "inputs and outputs"),
        (dataclasses.replace(INFO, outputs=()), "inputs and outputs"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(broken: DeviceInfo, reason: str):
    with pytest.raises(DeviceError, match=re.escape(reason)):
        DeviceInfo.unpack(broken.pack())


def test_a_description_with_an_unknown_tick_unit_is_refused():
    data = bytearray(INFO.pack())
    data[1] = 9
    with pytest.raises(DeviceError, match="its tick unit is 9"):
        DeviceInfo.unpack(bytes(data))


@given(st.integers(0, len(INFO.pack()) - 1))
def test_a_description_cut_short_is_refused(size: int):
    with pytest.raises(DeviceError, match="breaks off"):
        DeviceInfo.unpack(INFO.pack()[:size])


@given(st.binary(min_size=1, max_size=30))
def test_a_description_followed_by_more_is_refused(more: bytes):
    with pytest.raises(DeviceError, match="inputs and outputs"):
        DeviceInfo.unpack(INFO.pack() + more)


@given(st.binary(max_size=200))
def test_any_description_is_read_or_refused(data: bytes):
    with contextlib.suppress(DeviceError):
        DeviceInfo.unpack(data)


def test_a_description_does_not_claim_any_size():
    with pytest.raises(DeviceError, match="4,294,967,295 bytes long"):
        messages.check_info_size(0xFFFFFFFF)


@pytest.mark.parametrize("kind", Message.__subclasses__(), ids=lambda kind: kind.__name__)
def test_a_message_of_the_wrong_size_is_refused(kind: type[Message]):
    size = kind.layout.size
    has_data = any(field.name == "data" for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    assert kind.unpack(bytes(size)).pack() == bytes(size)
    wrong_sizes = ([size - 1] if size else []) + ([] if has_data else [size + 1])
    for wrong in wrong_sizes:
        with pytest.raises(DeviceError, match=rf"{kind.__name__} of {wrong} bytes"):
            kind.unpack(bytes(wrong))


def test_error_sentences_are_safe_to_print():
    reply = messages.ErrorReply(3, 1, b"bad \x1b[2J \xff")
    assert reply.sentence == "bad \ufffd[2J \ufffd"


# ---- the numbers stand in C, in Python and in the document ----


def header_numbers() -> dict[str, int]:
    header = (firmware_folder() / "include/edgekit/ek_link.h").read_text()
    found = re.findall(r"^#define EK_LINK_(\w+) +(0x[0-9a-f]+|\d+)\b", header, re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def screaming(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).upper()


def test_python_and_c_agree_on_every_number():
    numbers = header_numbers()
    for kind in Message.__subclasses__():
        if not kind.__name__.endswith("Reply"):
            assert numbers.pop(screaming(kind.__name__)) == kind.type
    for code in ErrorCode:
        assert numbers.pop(f"ERR_{code.name}") == code
    assert numbers == {
        "PROTOCOL_VERSION": messages.PROTOCOL_VERSION,
        "MAX_BODY_BYTES": 512,
        "SHORT_PACKET_BYTES": 64,
        "REPLY": messages.REPLY,
        "ERROR_REPLY": messages.ERROR_REPLY,
    }


def test_every_reply_belongs_to_its_request():
    kinds = {kind.__name__: kind for kind in Message.__subclasses__()}
    requests = [name for name in kinds if not name.endswith("Reply")]
    assert len(requests) == 13
    for name in requests:
        assert kinds[f"{name}Reply"].type == kinds[name].type | messages.REPLY


def test_the_firmware_carries_edgekits_version():
    header = (firmware_folder() / "include/edgekit/ek_link.h").read_text()
    assert f'#define EK_LINK_FIRMWARE_VERSION "{edgekit.__version__}"' in header


def test_profile_records():
    reply = messages.ProfileReply(struct.pack("<IIQ", 1, 2, 1 << 40) * 2)
    assert reply.records() == [(1, 2, 1 << 40)] * 2
    assert len(reply.data) == 2 * messages.PROFILE_RECORD_BYTES


def document() -> str:
    path = firmware_folder().parent / "docs" / "protocol.md"
    if not path.is_file():
        pytest.skip("the documents are not beside an installed edgekit")
    return path.read_text()


def test_the_document_lists_every_request_and_error():
    rows = re.findall(r"^\| (0x[0-9A-F]{2}|\d|0x100 \+ s) \| ([A-Z_]+)", document(), re.MULTILINE)
    listed = {name: int(number.split(" ")[0], 0) for number, name in rows}
    requests = [kind for kind in Message.__subclasses__() if not kind.__name__.endswith("Reply")]
    expected = {screaming(kind.__name__): kind.type for kind in requests}
    expected |= {code.name: code.value for code in ErrorCode} | {"ERROR": messages.ERROR_REPLY}
    assert listed == expected


def test_the_documents_example_is_what_the_codec_makes():
    packet = Packet(messages.Hello.type, 0xFFFE, messages.Hello(0x12345678).pack())
    for name, data in (("packet", pack_packet(packet)), ("frame", encode_frame(packet))):
        assert f"    {name:<8} {data.hex(' ')}\n" in document()
    for seed, start in ((0, "0e 2f ca 92 f3 e3 d6 3c"), (1, "ed 3b 65 50 eb a2 56 cc")):
        assert generate_bytes(seed, 8).tobytes().hex(" ") == start
        assert start in document()
