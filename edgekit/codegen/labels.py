"""``labels.h``: the names of the classes, in the order of the model's output."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.codegen.border import origin
from edgekit.codegen.c_text import string_literal
from edgekit.graph.ir import Graph


def generate_labels(graph: Graph, class_names: Sequence[str]) -> dict[str, str]:
    """``labels.h`` for the first output of ``graph``, as {file name: text}.

    Where there is not a name for each of its elements, as for a model of the user's own, the classes are
    called "class 0", "class 1" and so on.
    """
    count = graph.tensors[graph.outputs[0]].size_bytes
    names = class_names if len(class_names) == count else [f"class {index}" for index in range(count)]
    literals = "".join(f"    {string_literal(name)},\n" for name in names)
    text = f"""\
{origin(graph)}
#ifndef EDGEKIT_LABELS_H
#define EDGEKIT_LABELS_H

#define EK_CLASS_COUNT {count}

/* In the order of ek_model_output(0): ek_top_k gives indices of this array. UTF-8. */
static const char *const ek_class_names[EK_CLASS_COUNT] = {{
{literals}}};

#endif /* EDGEKIT_LABELS_H */
"""
    return {"labels.h": text}
