"""Writes a program and its plan as C: constants only, which the engine of firmware/engine/aot runs.

The generated model.c holds the parameters of each layer's kernel, where its rows lie, and what
``ek_model_get_info`` tells; the layout is that of ``ek_plan.h``. The same program and plan give the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from edgekit.codegen.layers import Layer, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.codegen.plan_tables import LayerRow, PlanTables, plan_tables
from edgekit.graph.ir import Graph, Tensor

PLAN_VERSION = 4
"""EK_PLAN_VERSION of the ek_plan.h that the generated tables are for."""

ENGINE_SOURCES = ("engine/aot/ek_engine.c",)
"""The files of firmware/ that run any program."""

_POINTER_BYTES, _COUNTER_BYTES = 4, 2
_ENGINE_NAME = "aot"


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
    tables = plan_tables(program, plan).size_bytes
    return array_bytes(program) + params + tables + info_bytes(program.graph, _ENGINE_NAME)


def variable_bytes(program: Program, plan: MemoryPlan) -> dict[str, int]:
    """Bytes of the zeroed variables of model.c on a 32-bit core, by name."""
    tables = plan_tables(program, plan)
    return {
        "taps": _POINTER_BYTES * tables.most_taps,
        "progress": _COUNTER_BYTES * tables.longest_segment,
    }


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
    tables = plan_tables(program, plan)
    return "\n".join(
        (
            _prologue(program),
            *(_params_definition(step, step.layer.call) for step in steps if step.layer.call is not None),
            _layers_definition(steps, tables),
            _tensors_definition(tables),
            _outside_definitions(tables),
            info_definition(graph, _ENGINE_NAME, streamed=program.is_streamed),
            GET_INFO,
            _plan_definition(program, tables),
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


def _layers_definition(steps: Sequence[_Step], tables: PlanTables) -> str:
    layers = "".join(_layer(step, row) for step, row in zip(steps, tables.layers, strict=True))
    operands = packed_rows((f"{{{o.tensor}, {o.reach}, {o.outside}}}" for o in tables.operands), indent=4)
    reaches = "".join(
        f"    {{.pad_top = {reach.pad_top}, .taps = {reach.taps}, .stride = {reach.stride}, "
        f".dilation = {reach.dilation}}},\n"
        for reach in tables.reaches
    )
    return f"""\
static const EK_FLASH ek_layer layers[] = {{
{layers}}};

static const EK_FLASH ek_operand operands[] = {{
{operands}
}};

static const EK_FLASH ek_reach reaches[] = {{
{reaches}}};
"""


def _layer(step: _Step, row: LayerRow) -> str:
    layer, call = step.layer, step.layer.call
    return f"""\
    /* {step.title} */
    {{.kernel = {call.function if call is not None else "NULL"},
     .params = {f"&{step.symbol}" if call is not None else "NULL"},
     .scratch_offset = {row.scratch_offset},
     .op_index = {"EK_NO_OP" if layer.is_partial or layer.is_feed else layer.op.index},
     .first_operand = {row.first_operand}, .operand_count = {row.operand_count},
     .fused = {int(row.is_fused)}, .reader = {row.reader}}},
"""


def _tensors_definition(tables: PlanTables) -> str:
    entries = "".join(
        f"    {{{tensor.offset}, {tensor.row_bytes}, {tensor.height}, {tensor.ring_rows}}}, /* {number} */\n"
        for number, tensor in enumerate((*reversed(tables.others), *tables.outputs), -len(tables.others))
    )
    return f"""\
/* offset, row_bytes, height, ring_rows */
static const EK_FLASH ek_tensor tensors[] = {{
{entries}}};
{_places_definition(tables)}"""


def _places_definition(tables: PlanTables) -> str:
    if not tables.row_places:
        return ""
    rows = packed_rows(map(str, tables.row_places), indent=4)
    return f"""
static const EK_FLASH uint16_t row_places[] = {{
{rows}
}};
"""


def _outside_definitions(tables: PlanTables) -> str:
    """Rows of one value each, and the table of them."""
    rows = "".join(
        f"/* Rows above and below an input whose zero point is {value}. */\n"
        f"static const int8_t {_outside_symbol(value)}[] = {{\n"
        f"{packed_rows([str(value)] * size_bytes, indent=4)}\n}};\n\n"
        for value, size_bytes in tables.outside_rows.items()
    )
    symbols = ", ".join(("NULL", *map(_outside_symbol, tables.outside_rows)))
    return f"{rows}static const int8_t *const EK_FLASH outside_rows[] = {{{symbols}}};\n"


def _outside_symbol(value: int) -> str:
    return f"outside_{'minus_' if value < 0 else ''}{abs(value)}"


def _plan_definition(program: Program, tables: PlanTables) -> str:
    offsets = ", ".join(map(str, tables.output_offsets))
    return f"""\
static const EK_FLASH uint32_t output_offsets[] = {{{offsets}}};
static const int8_t *taps[{tables.most_taps}];
static uint16_t progress[{tables.longest_segment}];

const EK_FLASH ek_plan ek_model_plan = {{
    .layers = layers,
    .tensors = &tensors[{len(tables.others)}],
    .operands = operands,
    .reaches = reaches,
    .outside_rows = outside_rows,
    .row_places = {"row_places" if tables.row_places else "NULL"},
    .output_offsets = output_offsets,
    .taps = taps,
    .progress = progress,
    .layer_count = {len(program.layers)},
}};
"""


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
