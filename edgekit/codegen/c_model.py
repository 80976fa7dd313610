"""Writes a program and its plan as C: constants only, which the engine of firmware/engine/aot runs.

The generated model.c holds the parameters of each layer's kernel, where its rows lie, and what
``ek_model_get_info`` tells; the layout is that of ``ek_plan.h``. The same program and plan give the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.codegen.border import (
    GET_INFO,
    contract_check,
    info_bytes,
    info_definition,
    op_count,
    origin,
)
from edgekit.codegen.c_text import comment_text, identifier_part, packed_rows
from edgekit.codegen.kernels import KERNELS_VERSION
from edgekit.codegen.kernels.values import ConstantArray, Integer, KernelCall, Struct, Value
from edgekit.codegen.layers import Layer, Operand, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.graph.ir import Graph, Tensor

PLAN_VERSION = 3
"""EK_PLAN_VERSION of the ek_plan.h that the generated tables are for."""

ENGINE_SOURCES = ("engine/aot/ek_engine.c",)
"""The files of firmware/ that run any program."""

_LAYER_BYTES = 40
_OPERAND_BYTES = 28
_PLAN_BYTES = 28
_PLACE_BYTES = 2
_PLACE_UNIT_BYTES = 16
_ENGINE_NAME = "aot"
_PRODUCED_BEFORE = "EK_PRODUCED_BEFORE"


def generate_model(program: Program, plan: MemoryPlan) -> dict[str, str]:
    """The C of ``program`` with its activations where ``plan`` puts them, as {file name: text}.

    ``model.c`` and ``model_weights.c`` are to be compiled with the files of :func:`program_sources`;
    ``model.h`` is for the application. Raises ModelError for a model whose numbers do not fit the kernels'
    parameters.
    """
    graph = program.graph
    steps = _steps(program)
    return {
        "model.h": _model_header(graph, plan),
        "model.c": _model_source(program, plan, steps),
        "model_weights.h": _weights_header(graph, steps),
        "model_weights.c": _weights_source(graph, steps),
    }


def program_sources(program: Program) -> tuple[str, ...]:
    """The files of firmware/ to compile with the generated model, sorted: the engine and the kernels."""
    kernels = {name for layer in program.layers if layer.call is not None for name in layer.call.sources}
    return tuple(sorted({*kernels, *ENGINE_SOURCES}))


def array_bytes(program: Program) -> int:
    """Bytes of the model's own arrays: weights, biases, multipliers and shifts, in the kernels' layouts."""
    calls = [layer.call for layer in program.layers if layer.call is not None]
    return sum(constant.size_bytes for call in calls for constant in call.constants())


def constant_bytes(program: Program, plan: MemoryPlan) -> int:
    """Bytes of constants that the generated model puts into flash on a 32-bit core, alignment aside.

    These are weights, biases, multipliers, shifts, parameters, the plan, and what ``ek_model_get_info``
    returns.
    """
    calls = [layer.call for layer in program.layers if layer.call is not None]
    params = sum(call.params_bytes for call in calls)
    operands = sum(len(layer.operands) for layer in program.layers)
    tables = _PLAN_BYTES + _LAYER_BYTES * len(program.layers) + _OPERAND_BYTES * operands
    offsets = 4 * (len(program.inputs) + len(program.outputs)) + _PLACE_BYTES * len(_places(plan))
    outside = sum(_outside_rows(program).values())
    return (
        array_bytes(program) + params + tables + offsets + outside + info_bytes(program.graph, _ENGINE_NAME)
    )


@dataclass(frozen=True)
class _Step:
    """A layer with the C name of its parameters."""

    layer: Layer
    symbol: str
    title: str

    def constant_symbol(self, constant: ConstantArray) -> str:
        """C name of one of the layer's arrays; visible to the linker, hence the prefix."""
        return f"model_{self.symbol}_{constant.role}"


def _steps(program: Program) -> list[_Step]:
    graph = program.graph
    numbers = [op.index for op in graph.ops]
    if not numbers or numbers != sorted(set(numbers)):
        raise ValueError(f"the operators of {graph.name} are none, or not in ascending order: {numbers}")
    return [_Step(layer, _symbol(graph, layer), _title(graph, layer)) for layer in program.layers]


def _symbol(graph: Graph, layer: Layer) -> str:
    """C name of a layer. Its operator's number makes it unique, whatever its output tensor is called."""
    op = layer.op
    if layer.is_feed:
        return "feed"
    if layer.is_partial:
        return f"op{op.index}_sums"
    name = identifier_part(graph.tensors[op.output].name)
    return f"op{op.index}_{name}" if name else f"op{op.index}"


def _title(graph: Graph, layer: Layer) -> str:
    """A layer in a comment: number and opcode of its operator, shapes in and out, name of its output."""
    op = layer.op
    if layer.is_feed:
        return f"the caller's rows: {_dims(graph.tensors[op.output])}"
    inputs = " + ".join(_dims(graph.tensors[index]) for index in op.inputs)
    output = graph.tensors[op.output]
    name = comment_text(output.name.split(";", maxsplit=1)[0], max_length=48)
    return f"{op.index} {op.opcode} {inputs} -> {_dims(output)} {name}".rstrip()


def _model_header(graph: Graph, plan: MemoryPlan) -> str:
    return f"""\
{origin(graph)}
#ifndef EDGEKIT_MODEL_H
#define EDGEKIT_MODEL_H

#include "edgekit/ek_model.h"

/* Bytes of the arena that ek_model_init needs. */
#define EK_MODEL_ARENA_BYTES {plan.arena_bytes}

#endif /* EDGEKIT_MODEL_H */
"""


def _weights_header(graph: Graph, steps: list[_Step]) -> str:
    declarations = "".join(
        f"extern const EK_FLASH {constant.element_type} {symbol}[{constant.values.size}];\n"
        for _, constant, symbol in _step_constants(steps)
    )
    return f"""\
{origin(graph)}
#ifndef EDGEKIT_MODEL_WEIGHTS_H
#define EDGEKIT_MODEL_WEIGHTS_H

#include <stdint.h>

#include "edgekit/ek_flash.h"

{declarations}
#endif /* EDGEKIT_MODEL_WEIGHTS_H */
"""


def _weights_source(graph: Graph, steps: list[_Step]) -> str:
    parts = [f'{origin(graph)}\n#include "model_weights.h"\n']
    for step, constant, symbol in _step_constants(steps):
        if constant.role == "weights":
            parts.append(f"/* Operator {step.title} */\n")
        parts.append(
            f"/* {constant.role}: {constant.layout} */\n"
            f"const EK_FLASH {constant.element_type} {symbol}[{constant.values.size}] = {{\n"
            f"{packed_rows(map(str, constant.values.reshape(-1).tolist()), indent=4)}\n}};\n"
        )
    return "\n".join(parts)


def _step_constants(steps: list[_Step]) -> Iterator[tuple[_Step, ConstantArray, str]]:
    for step in steps:
        for constant in step.layer.call.constants() if step.layer.call else ():
            yield step, constant, step.constant_symbol(constant)


def _model_source(program: Program, plan: MemoryPlan, steps: list[_Step]) -> str:
    graph = program.graph
    outside = "".join(_outside_definition(*row) for row in _outside_rows(program).items())
    return "\n".join(
        (
            _prologue(program),
            *((outside,) if outside else ()),
            *(_params_definition(step, step.layer.call) for step in steps if step.layer.call is not None),
            _operands_definition(program, plan),
            _layers_definition(plan, steps),
            info_definition(graph, _ENGINE_NAME, streamed=program.is_streamed),
            GET_INFO,
            _plan_definition(program, plan),
        )
    )


def _prologue(program: Program) -> str:
    graph = program.graph
    headers = {"edgekit/ek_kernels.h", "edgekit/ek_plan.h"}
    headers |= {layer.call.header for layer in program.layers if layer.call is not None}
    includes = "".join(f'#include "{header}"\n' for header in sorted(headers))
    return f"""\
{origin(graph)}
#include "model.h"

{includes}#include "model_weights.h"

{contract_check("model.c")}
{_version_check("EK_KERNELS_VERSION", KERNELS_VERSION, "ek_kernels.h")}
{_version_check("EK_PLAN_VERSION", PLAN_VERSION, "ek_plan.h")}

#define OP_COUNT {op_count(graph)}
"""


def _version_check(macro: str, version: int, header: str) -> str:
    return f"""\
#if {macro} != {version}
#error "model.c is for {header} version {version}: generate it again with these headers' edgekit"
#endif"""


def _params_definition(step: _Step, call: KernelCall) -> str:
    fields = "".join(_field(step, name, value) for name, value in call.params.fields)
    return f"/* {step.title} */\nstatic const EK_FLASH {call.params_type} {step.symbol} = {{\n{fields}}};\n"


def _field(step: _Step, name: str, value: Value) -> str:
    """One field; a struct with named fields, or an array of structs, takes lines of its own."""
    if isinstance(value, Struct) and (value.fields[0][0] or isinstance(value.fields[0][1], Struct)):
        return f"    .{name} = {{\n{packed_rows(_elements(step, value), indent=8)}\n    }},\n"
    return f"    .{name} = {_initialiser(step, value)},\n"


def _initialiser(step: _Step, value: Value) -> str:
    if isinstance(value, Integer):
        return str(value.value)
    if isinstance(value, ConstantArray):
        return step.constant_symbol(value)
    return "{" + ", ".join(_elements(step, value)) + "}"


def _elements(step: _Step, struct: Struct) -> Iterator[str]:
    for name, field in struct.fields:
        text = _initialiser(step, field)
        yield f".{name} = {text}" if name else text


def _outside_rows(program: Program) -> dict[int, int]:
    """For each value that fills rows outside an input, the bytes of the longest such row."""
    sizes: dict[int, int] = {}
    for layer in program.layers:
        value = layer.call.outside if layer.call is not None else None
        if value is not None:
            sizes[value] = max(sizes.get(value, 0), layer.operands[0].rows.row_bytes)
    return dict(sorted(sizes.items()))


def _outside_symbol(value: int) -> str:
    return f"outside_{'minus_' if value < 0 else ''}{abs(value)}"


def _outside_definition(value: int, size_bytes: int) -> str:
    values = packed_rows([str(value)] * size_bytes, indent=4)
    return (
        f"/* Rows above and below an input whose zero point is {value}. */\n"
        f"static const int8_t {_outside_symbol(value)}[{size_bytes}] = {{\n{values}\n}};\n"
    )


def _places(plan: MemoryPlan) -> list[int]:
    """The table of the places of single rows, tensor after tensor, in units of _PLACE_UNIT_BYTES."""
    return [offset // _PLACE_UNIT_BYTES for places in plan.row_offsets.values() for offset in places]


def _rows(plan: MemoryPlan, storage: int, row_bytes: int, ring_rows: int) -> str:
    """``ek_rows`` of a tensor; ``ring_rows`` counts where its rows have no places of their own."""
    if storage not in plan.row_offsets:
        return f"{{{plan.offsets[storage]}, {row_bytes}, {ring_rows}}}"
    before = list(plan.row_offsets).index(storage)
    first = sum(len(places) for places in list(plan.row_offsets.values())[:before])
    return f"{{{first}, {row_bytes}, 0}}"


def _operands_definition(program: Program, plan: MemoryPlan) -> str:
    segment_of = {index: segment for segment in plan.segments for index in segment}
    lines = [
        f"    {_operand(program, plan, operand, segment_of[index])},\n"
        for index, layer in enumerate(program.layers)
        for operand in layer.operands
    ]
    return f"static const EK_FLASH ek_operand operands[] = {{\n{''.join(lines)}}};\n"


def _operand(program: Program, plan: MemoryPlan, operand: Operand, segment: range) -> str:
    writers = [index for index in segment if program.layers[index].storage == operand.storage]
    fused = writers and len(segment) > 1
    ring_rows = operand.rows.height if operand.is_whole else plan.ring_rows[operand.storage]
    reach = operand.reach
    return (
        f"{{.rows = {_rows(plan, operand.storage, operand.rows.row_bytes, ring_rows)}, "
        f".pad_top = {reach.pad_top}, .height = {operand.rows.height}, .taps = {reach.taps}, "
        f".stride = {reach.stride}, .dilation = {reach.dilation}, "
        f".producer = {writers[0] - segment.start if fused else _PRODUCED_BEFORE}}}"
    )


def _layers_definition(plan: MemoryPlan, steps: Sequence[_Step]) -> str:
    fused = {index for segment in plan.segments for index in segment[:-1]}
    entries, first_operand = [], 0
    for index, step in enumerate(steps):
        entries.append(_layer(step, plan, index, first_operand, is_fused=index in fused))
        first_operand += len(step.layer.operands)
    return f"static const EK_FLASH ek_layer layers[] = {{\n{''.join(entries)}}};\n"


def _layer(step: _Step, plan: MemoryPlan, index: int, first_operand: int, *, is_fused: bool) -> str:
    layer, call = step.layer, step.layer.call
    ring_rows = plan.ring_rows[layer.storage] if layer.writes else layer.rows.height
    outside = call.outside if call is not None else None
    return f"""\
    /* {step.title} */
    {{.kernel = {call.function if call is not None else "NULL"},
     .params = {f"&{step.symbol}" if call is not None else "NULL"},
     .outside = {_outside_symbol(outside) if outside is not None else "NULL"},
     .inputs = {f"&operands[{first_operand}]" if layer.operands else "NULL"},
     .output = {_rows(plan, layer.storage, layer.rows.row_bytes, ring_rows)},
     .scratch_offset = {plan.scratch_offsets.get(index, 0)},
     .height = {layer.rows.height},
     .op_index = {"EK_NO_OP" if layer.is_partial or layer.is_feed else layer.op.index},
     .input_count = {len(layer.operands)},
     .fused = {int(is_fused)}}},
"""


def _plan_definition(program: Program, plan: MemoryPlan) -> str:
    taps = max(sum(operand.reach.taps for operand in layer.operands) for layer in program.layers)
    longest = max(len(segment) for segment in plan.segments)
    input_offsets = "" if program.is_streamed else _offsets("input_offsets", plan.offsets, program.inputs)
    return f"""\
{input_offsets}
{_offsets("output_offsets", plan.offsets, program.outputs)}
{_places_definition(plan)}\
static const int8_t *taps[{taps}];
static uint16_t progress[{longest}];

const EK_FLASH ek_plan ek_model_plan = {{
    .layers = layers,
    .layer_count = {len(program.layers)},
    .input_offsets = {"NULL" if program.is_streamed else "input_offsets"},
    .output_offsets = output_offsets,
    .row_places = {"row_places" if plan.row_offsets else "NULL"},
    .taps = taps,
    .progress = progress,
}};
"""


def _places_definition(plan: MemoryPlan) -> str:
    places = _places(plan)
    if not places:
        return ""
    rows = packed_rows(map(str, places), indent=4)
    return f"static const EK_FLASH uint16_t row_places[{len(places)}] = {{\n{rows}\n}};\n"


def _offsets(name: str, offsets: Mapping[int, int], storages: Sequence[int]) -> str:
    values = ", ".join(str(offsets[index]) for index in storages)
    return f"static const EK_FLASH uint32_t {name}[] = {{{values}}};"


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
