"""``vectors.json`` says what the link's bytes are; the Python codec and the C one must both agree."""

import json
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from link.fake_device import HERE, ProcessTransport, compile_c, link_sources

from edgekit.device import messages
from edgekit.device.generator import generate_bytes
from edgekit.device.link import FrameDecoder, LogText, Packet, encode_frame, pack_packet
from edgekit.device.messages import Message

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((HERE / "vectors.json").read_text())
CAPACITY = 600

RunCodec = Callable[[str], str]


def vectors(kind: str) -> pytest.MarkDecorator:
    names = [str(vector.get("name", number)) for number, vector in enumerate(VECTORS[kind])]
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=names)


@pytest.fixture(scope="module")
def run_codec(tmp_path_factory: pytest.TempPathFactory) -> RunCodec:
    """Runs one command of codec_driver.c."""
    sources = [HERE / "codec_driver.c", HERE / "fake_model.c", *link_sources()]
    program = compile_c(tmp_path_factory.mktemp("codec") / "codec_driver", sources)

    def run(command: str) -> str:
        done = subprocess.run([program], input=command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def hexadecimal(text: str) -> str:
    return text or "-"


@vectors("crc32")
def test_crc32(vector: dict[str, Any], run_codec: RunCodec):
    data = bytes.fromhex(vector["data"])
    assert zlib.crc32(data) == vector["crc32"]
    for cut in {0, len(data) // 3, len(data)}:
        assert int(run_codec(f"crc {cut} {hexadecimal(vector['data'])}")) == vector["crc32"]


@vectors("frames")
def test_frames(vector: dict[str, Any], run_codec: RunCodec):
    packet = Packet(vector["type"], vector["number"], bytes.fromhex(vector["body"]))
    assert encode_frame(packet).hex() == vector["frame"]
    command = f"encode {packet.type} {packet.number} {hexadecimal(vector['body'])}"
    assert run_codec(command) == vector["frame"]
    assert FrameDecoder().feed(bytes.fromhex(vector["frame"])) == [packet]
    assert run_codec(f"decode {CAPACITY} {vector['frame']}") == pack_packet(packet).hex()


@vectors("streams")
@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_streams_in_python(vector: dict[str, Any], piece_bytes: int):
    stream = bytes.fromhex(vector["stream"])
    decoder = FrameDecoder()
    found = [
        item
        for start in range(0, len(stream), piece_bytes)
        for item in decoder.feed(stream[start : start + piece_bytes])
    ] + decoder.take_rest()
    packets = [[item.type, item.number, item.body.hex()] for item in found if isinstance(item, Packet)]
    texts = [item for item in found if isinstance(item, LogText)]
    assert packets == vector["packets"]
    assert [line for text in texts for line in text.lines] == vector["lines"]
    assert sum(text.damaged for text in texts) == vector["damaged"]


@vectors("streams")
def test_streams_in_c(vector: dict[str, Any], run_codec: RunCodec):
    found = run_codec(f"decode {CAPACITY} {vector['stream']}").replace("-", "").split()
    expected = [Packet(type_, number, bytes.fromhex(body)) for type_, number, body in vector["packets"]]
    assert found == [pack_packet(packet).hex() for packet in expected]


def test_c_drops_a_frame_that_exceeds_its_buffer_and_reads_the_next(run_codec: RunCodec):
    large, fits = Packet(4, 1, bytes(range(1, 31))), Packet(4, 2, bytes(range(29)))
    stream = encode_frame(large) + encode_frame(fits)
    capacity = len(pack_packet(fits))
    assert run_codec(f"decode {capacity} {stream.hex()}") == pack_packet(fits).hex()


@vectors("generated")
def test_generated_bytes(vector: dict[str, Any], run_codec: RunCodec):
    seed, position, size = vector["seed"], vector["position"], len(vector["bytes"]) // 2
    assert generate_bytes(seed, position + size)[position:].tobytes().hex() == vector["bytes"]
    assert run_codec(f"generate {seed} {position} {size}") == vector["bytes"]


def test_a_long_generated_stream_is_the_same_in_python_and_c(run_codec: RunCodec):
    assert run_codec("generate 123456789 0 27648") == generate_bytes(123456789, 27648).tobytes().hex()


def message(name: str, fields: dict[str, Any], kind: type[Message]) -> Message:
    """The message that a vector describes; byte strings are hexadecimal there."""
    found = {candidate.__name__: candidate for candidate in kind.__subclasses__()}[name]
    return found(**{key: bytes.fromhex(value) if key == "data" else value for key, value in fields.items()})


@vectors("exchanges")
def test_messages_of_exchanges_in_python(vector: dict[str, Any]):
    for step in vector["steps"]:
        for side in ("request", "reply"):
            body = bytes.fromhex(step[f"{side}_body"])
            value = message(step[side], step[f"{side}_fields"], Message)
            assert value.pack() == body
            assert type(value).unpack(body) == value


@vectors("exchanges")
def test_exchanges_with_the_c_link(vector: dict[str, Any], fake_device_of: Callable[[int], Path]):
    transport = ProcessTransport(fake_device_of(512))
    for step in vector["steps"]:
        types = {side: getattr(messages, step[side]).type for side in ("request", "reply")}
        request = Packet(types["request"], step["number"], bytes.fromhex(step["request_body"]))
        transport.write(encode_frame(request))
        decoder, found = FrameDecoder(), []
        while not found:
            found = decoder.feed(transport.read(5.0))
        assert found == [Packet(types["reply"], step["number"], bytes.fromhex(step["reply_body"]))]
    transport.close()
