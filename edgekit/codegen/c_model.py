"""Writes a graph as C: parameters as constants, the plan's offsets, and one kernel call an operator.

The generated files implement ``ek_model.h``. They hold no logic of their own beyond it: everything that
computes is in ``firmware/kernels/``. The same graph and plan give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.codegen.border import (
    GET_INFO,
    check_border,
    contract_check,
    info_bytes,
    info_definition,
    op_count,
    origin,
)
from edgekit.codegen.c_text import comment_text, identifier_part, packed_rows
from edgekit.codegen.kernel_calls import (
    KERNELS_VERSION,
    ConstantArray,
    Integer,
    KernelCall,
    Struct,
    Value,
    kernel_call,
)
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.graph.ir import Graph, Op, Tensor

_OP_OUTPUT_BYTES = 8
_ENGINE_NAME = "aot"


def generate_model(graph: Graph, plan: MemoryPlan) -> dict[str, str]:
    """The C of ``graph`` with its activations where ``plan`` puts them, as {file name: text}.

    ``model.c`` and ``model_weights.c`` are to be compiled with the files of :func:`kernel_sources`;
    ``model.h`` is for the application. Raises ModelError for a model whose numbers do not fit the kernels'
    parameters.
    """
    check_border(graph)
    steps = _steps(graph, plan)
    return {
        "model.h": _model_header(graph, plan),
        "model.c": _model_source(graph, plan, steps),
        "model_weights.h": _weights_header(graph, steps),
        "model_weights.c": _weights_source(graph, steps),
    }


def kernel_sources(graph: Graph) -> tuple[str, ...]:
    """The files of firmware/ to compile with the generated model, sorted: one for each kind of operator."""
    calls = (kernel_call(graph, op) for op in graph.ops)
    return tuple(sorted({call.source for call in calls if call is not None}))


def constant_bytes(graph: Graph) -> int:
    """Bytes of constants that the generated model puts into flash on a 32-bit core, alignment aside.

    These are weights, biases, multipliers, shifts, parameters, and what ``ek_model_get_info`` returns.
    """
    calls = [call for op in graph.ops if (call := kernel_call(graph, op)) is not None]
    arrays = sum(constant.size_bytes for call in calls for constant in call.constants())
    params = sum(call.params_bytes for call in calls)
    # A lone input or output has its offset in the code.
    offsets = sum(4 * len(tensors) for tensors in (graph.inputs, graph.outputs) if len(tensors) > 1)
    return arrays + params + info_bytes(graph, _ENGINE_NAME) + offsets + _OP_OUTPUT_BYTES * op_count(graph)


@dataclass(frozen=True)
class _Step:
    """An operator with the C name of its parameters and the places of its tensors in the arena."""

    op: Op
    call: KernelCall | None
    symbol: str
    title: str
    input_offsets: tuple[int, ...]
    output_offset: int
    output_bytes: int

    def constant_symbol(self, constant: ConstantArray) -> str:
        """C name of one of the operator's arrays; visible to the linker, hence the prefix."""
        return f"model_{self.symbol}_{constant.role}"


def _steps(graph: Graph, plan: MemoryPlan) -> list[_Step]:
    numbers = [op.index for op in graph.ops]
    if not numbers or numbers != sorted(set(numbers)):
        raise ValueError(f"the operators of {graph.name} are none, or not in ascending order: {numbers}")
    return [
        _Step(
            op=op,
            call=kernel_call(graph, op),
            symbol=_symbol(graph, op),
            title=_title(graph, op),
            input_offsets=tuple(plan.offsets[index] for index in op.inputs),
            output_offset=plan.offsets[op.output],
            output_bytes=graph.tensors[op.output].size_bytes,
        )
        for op in graph.ops
    ]


def _symbol(graph: Graph, op: Op) -> str:
    """C name of an operator. Its number makes it unique, whatever its output tensor is called."""
    name = identifier_part(graph.tensors[op.output].name)
    return f"op{op.index}_{name}" if name else f"op{op.index}"


def _title(graph: Graph, op: Op) -> str:
    """An operator in a comment: opcode, shapes in and out, name of its output."""
    inputs = " + ".join(_dims(graph.tensors[index]) for index in op.inputs)
    output = graph.tensors[op.output]
    name = comment_text(output.name.split(";", maxsplit=1)[0], max_length=48)
    return f"{op.opcode} {inputs} -> {_dims(output)} {name}".rstrip()


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
        f"extern const {constant.element_type} {symbol}[{constant.values.size}];\n"
        for _, constant, symbol in _step_constants(steps)
    )
    return f"""\
{origin(graph)}
#ifndef EDGEKIT_MODEL_WEIGHTS_H
#define EDGEKIT_MODEL_WEIGHTS_H

#include <stdint.h>

{declarations}
#endif /* EDGEKIT_MODEL_WEIGHTS_H */
"""


def _weights_source(graph: Graph, steps: list[_Step]) -> str:
    parts = [f'{origin(graph)}\n#include "model_weights.h"\n']
    for step, constant, symbol in _step_constants(steps):
        if constant.role == "weights":
            parts.append(f"/* Operator {step.op.index}: {step.title} */\n")
        parts.append(
            f"/* {constant.role}: {constant.layout} */\n"
            f"const {constant.element_type} {symbol}[{constant.values.size}] = {{\n"
            f"{packed_rows(map(str, constant.values.reshape(-1).tolist()), indent=4)}\n}};\n"
        )
    return "\n".join(parts)


def _step_constants(steps: list[_Step]) -> Iterator[tuple[_Step, ConstantArray, str]]:
    for step in steps:
        for constant in step.call.constants() if step.call else ():
            yield step, constant, step.constant_symbol(constant)


def _model_source(graph: Graph, plan: MemoryPlan, steps: list[_Step]) -> str:
    return "\n".join(
        (
            _prologue(graph),
            *(_params_definition(step, step.call) for step in steps if step.call is not None),
            info_definition(graph, _ENGINE_NAME),
            _run(steps),
            _invoke(),
            _interface(graph, plan),
        )
    )


def _prologue(graph: Graph) -> str:
    return f"""\
{origin(graph)}
#include "model.h"

#include "edgekit/ek_kernels.h"
#include "model_weights.h"

{contract_check("model.c")}
#if EK_KERNELS_VERSION != {KERNELS_VERSION}
#error "model.c is for ek_kernels.h version {KERNELS_VERSION}: generate it again with these headers' edgekit"
#endif

#define OP_COUNT {op_count(graph)}

static int8_t *arena; /* NULL until ek_model_init succeeds */
static ek_op_observer observer;
static void *observer_context;
"""


def _params_definition(step: _Step, call: KernelCall) -> str:
    fields = "".join(_field(step, name, value) for name, value in call.params.fields)
    title = f"/* {step.op.index} {step.title} */"
    return f"{title}\nstatic const {call.params_type} {step.symbol} = {{\n{fields}}};\n"


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


def _run(steps: list[_Step]) -> str:
    outputs = "".join(
        f"    [{step.op.index}] = {{{step.output_offset}, {step.output_bytes}}},\n" for step in steps
    )
    cases = "".join(_case(step) for step in steps)
    return f"""\
/* Where each operator's output lies in the arena. */
static const struct {{
    uint32_t offset;
    uint32_t size_bytes;
}} op_outputs[OP_COUNT] = {{
{outputs}}};

static void run(uint32_t op, int8_t *a) {{
    switch (op) {{
{cases}    default:
        break;
    }}
}}
"""


def _case(step: _Step) -> str:
    tensors = ", ".join(f"a + {offset}" for offset in (*step.input_offsets, step.output_offset))
    if step.call is None:
        return f"    case {step.op.index}: /* {step.title}: the same bytes */\n        break;\n"
    return (
        f"    case {step.op.index}: /* {step.title} */\n"
        f"        {step.call.function}(&{step.symbol}, {tensors});\n"
        "        break;\n"
    )


def _invoke() -> str:
    return """\
ek_status ek_model_invoke(void) {
    if (arena == NULL) {
        return EK_ERR_NOT_READY;
    }
    for (uint32_t op = 0; op < OP_COUNT; op++) {
        run(op, arena);
        if (observer != NULL && observer(observer_context, op, arena + op_outputs[op].offset,
                                         op_outputs[op].size_bytes) != 0) {
            return EK_ERR_STOPPED;
        }
    }
    return EK_OK;
}
"""


def _interface(graph: Graph, plan: MemoryPlan) -> str:
    return f"""\
{GET_INFO}
ek_status ek_model_init(void *memory, size_t memory_bytes) {{
    arena = NULL;
    if (memory == NULL || (uintptr_t)memory % {plan.alignment} != 0 || memory_bytes < EK_MODEL_ARENA_BYTES) {{
        return EK_ERR_ARENA;
    }}
    arena = memory;
    return EK_OK;
}}

{_tensor_access("int8_t *ek_model_input", [plan.offsets[index] for index in graph.inputs])}
{_tensor_access("const int8_t *ek_model_output", [plan.offsets[index] for index in graph.outputs])}
size_t ek_model_arena_used_bytes(void) {{
    return EK_MODEL_ARENA_BYTES;
}}

void ek_model_set_observer(ek_op_observer new_observer, void *context) {{
    observer = new_observer;
    observer_context = context;
}}
"""


def _tensor_access(function: str, offsets: list[int]) -> str:
    table = f"    static const uint32_t offsets[] = {{{', '.join(map(str, offsets))}}};\n"
    offset = "offsets[index]" if len(offsets) > 1 else str(offsets[0])
    return f"""\
{function}(unsigned index) {{
{table if len(offsets) > 1 else ""}\
    return arena != NULL && index < {len(offsets)} ? arena + {offset} : NULL;
}}
"""


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
