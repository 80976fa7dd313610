"""The verifier of a file's layout: every table that edgekit or TFLM reads is checked before it is read."""

import struct

import pytest
from ai_edge_litert import schema_py_generated as schema
from graph.tflite_builder import ONE_OPERATOR

from edgekit.errors import ModelError
from edgekit.graph.flatbuffer import OPERATOR_OPTIONS
from edgekit.graph.ir import SUPPORTED_OPCODES
from edgekit.graph.tflite import read_tflite


@pytest.mark.parametrize("opcode", SUPPORTED_OPCODES)
def test_options_of_every_supported_operator_are_verified(opcode):
    """A list of fields that lies outside the file is refused, not followed."""
    model = bytearray(ONE_OPERATOR[opcode])
    assert opcode == read_tflite(bytes(model), "sound").ops[0].opcode
    struct.pack_into("<i", model, options_of(model).Pos, -(2**30))
    with pytest.raises(ModelError, match=f"a {OPERATOR_OPTIONS[opcode].class_name} reaches outside the file"):
        read_tflite(bytes(model), "damaged")


@pytest.mark.parametrize("opcode", SUPPORTED_OPCODES)
def test_options_are_those_of_the_schema(opcode):
    """Their number in the union, and the size of each field; a vector's offset has four bytes."""
    options = OPERATOR_OPTIONS[opcode]
    assert getattr(schema.BuiltinOptions, options.class_name) == options.number
    fields = [field if isinstance(field, int) else 4 for field in options.table.fields]
    sizes = SlotSizes(options.class_name).sizes
    assert fields[: len(sizes)] == sizes, "an older schema may have fewer, none may have more"


def options_of(model):
    """The table of the first operator's options."""
    return schema.Model.GetRootAs(model, 0).Subgraphs(0).Operators(0).BuiltinOptions()


class SlotSizes:
    """Stands for a FlatBuffers builder, and notes how large each field of a class is written."""

    def __init__(self, class_name):
        getattr(schema, f"{class_name}Start")(self)
        for name, add in vars(schema).items():
            if name.startswith(f"{class_name}Add"):
                add(self, 0)

    def StartObject(self, count):  # noqa: N802
        self.sizes = [0] * count

    def __getattr__(self, name):
        kind = name.removeprefix("Prepend").removesuffix("Slot")
        sizes = {"Bool": 1, "Int8": 1, "Int32": 4, "Float32": 4, "UOffsetTRelative": 4}

        def note(slot, value, default):
            self.sizes[slot] = sizes[kind]

        return note
