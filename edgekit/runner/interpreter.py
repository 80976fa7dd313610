"""The model in LiteRT's interpreter, from the package ``tflite-runtime`` or ``ai-edge-litert``.

Two kinds of kernels: ``reference`` are the plain ones (BUILTIN_REF), which compute what TensorFlow Lite's
specification says; ``fast`` are what the interpreter chooses by default, which on most computers means the
XNNPACK delegate and other rounding.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from .bundle import BundleError, install_hint
from .link import EngineError, OperatorRun, Run, Tensor

# An interpreter of a package without type annotations.
_Untyped = Any

_PACKAGES = (
    ("tflite-runtime", "tflite_runtime.interpreter"),
    ("ai-edge-litert", "ai_edge_litert.interpreter"),
)
_RESOLVERS = {"reference": "BUILTIN_REF", "fast": "AUTO"}
_DELEGATE = "DELEGATE"
_SAME_BYTES = frozenset({"RESHAPE"})
"""Operators that may share their input's memory and change nothing in it."""
_MAX_RANK = 4


class Package:
    """The installed package, imported. Raises BundleError where there is none."""

    def __init__(self) -> None:
        problems = []
        for name, module in _PACKAGES:
            try:
                self.module: _Untyped = importlib.import_module(module)
            except ImportError as error:
                problems.append(f"{name}: {error}")
                continue
            self.name = name
            self.version = metadata.version(name)
            return
        raise BundleError(f"no interpreter can be imported ({'; '.join(problems)}). {install_hint()}")


class LiteRtModel:
    """A :class:`~.link.Model` with the kernels called ``kernels``, on ``threads`` threads.

    ``op_outputs`` has the index of the tensor that each operator writes. ``log`` gets a line where there is
    something to tell. Raises BundleError for a model that the interpreter refuses or that is not int8.
    """

    arena_used_bytes = 0  # The interpreter takes its memory from the system and does not say how much.
    stack_used_bytes = 0

    def __init__(
        self,
        package: Package,
        model: bytes,
        kernels: str,
        op_outputs: Sequence[int],
        threads: int = 1,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._package = package
        self._model = model
        self._resolver = _RESOLVERS[kernels]
        self._threads = threads
        self._op_outputs = tuple(op_outputs)
        self._log = log
        self._interpreter = self._open(keep_all=False)
        input_details = self._interpreter.get_input_details()
        output_details = self._interpreter.get_output_details()
        self.inputs = tuple(_tensor(details) for details in input_details)
        self.outputs = tuple(_tensor(details) for details in output_details)
        self.op_count = len(self._op_outputs)
        self._input_indices = [int(details["index"]) for details in input_details]
        self._output_indices = [int(details["index"]) for details in output_details]
        self._keeping: _Untyped = None
        self._shown_ops: tuple[bool, ...] = ()

    def run(self, inputs: Sequence[bytes]) -> Run:
        """As in :class:`~.link.Model`; ticks are nanoseconds of the interpreter alone."""
        ticks = self._invoke(self._interpreter, inputs)
        return Run(self._outputs_of(self._interpreter), ticks)

    def run_operators(self, inputs: Sequence[bytes]) -> OperatorRun:
        """As in :class:`~.link.Model`.

        The tensors come from a second interpreter that keeps them all. In some versions that one computes
        otherwise, so the outputs never come from it, and where its outputs are not those of the first,
        it shows nothing.
        """
        run = self.run(inputs)
        if self._keeping is None:
            self._keeping = self._open(keep_all=True)
            self._shown_ops = self._find_shown_ops(self._keeping)
        self._invoke(self._keeping, inputs)
        if self._outputs_of(self._keeping) == run.outputs:
            tensors = tuple(self._op_output(op_index) for op_index in range(self.op_count))
        else:
            self._log("the interpreter computes other outputs when it keeps all tensors: no layer is shown")
            tensors = (b"",) * self.op_count
        return OperatorRun(run, tensors, (0,) * self.op_count)

    def _open(self, *, keep_all: bool) -> _Untyped:
        module = self._package.module
        try:
            interpreter = module.Interpreter(
                model_content=self._model,
                num_threads=self._threads,
                experimental_op_resolver_type=module.OpResolverType[self._resolver],
                experimental_preserve_all_tensors=keep_all,
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError, SystemError) as error:
            name = f"{self._package.name} {self._package.version}"
            raise BundleError(f"{name} refuses the model: {error}. Try the other package.") from error
        return interpreter

    def _invoke(self, interpreter: _Untyped, inputs: Sequence[bytes]) -> int:
        """Runs it once; returns the nanoseconds that this took."""
        for position, data in enumerate(inputs):
            shape = self.inputs[position].shape
            array = np.frombuffer(data, dtype=np.int8).reshape(shape)
            interpreter.set_tensor(self._input_indices[position], array)
        start_ns = time.perf_counter_ns()
        try:
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            self._log(f"the interpreter failed: {error}")
            raise EngineError(str(error)) from error
        return time.perf_counter_ns() - start_ns

    def _outputs_of(self, interpreter: _Untyped) -> tuple[bytes, ...]:
        return tuple(interpreter.get_tensor(index).tobytes() for index in self._output_indices)

    def _find_shown_ops(self, interpreter: _Untyped) -> tuple[bool, ...]:
        """For each operator, whether its output is really written, and still there after a run.

        Where a delegate took operators over, only what the delegates write is: the interpreter still has
        memory for the tensors between, with nothing in it. And some versions let an operator such as ADD
        write over its input although all tensors were to be kept.
        """
        try:
            details = interpreter._get_ops_details()
        except AttributeError:
            return (False,) * self.op_count  # Nobody can tell.
        delegated = [op for op in details if op["op_name"] == _DELEGATE]
        written = {int(index) for op in delegated for index in op["outputs"]}
        places = [_place(interpreter, index) for index in self._op_outputs]
        shown = []
        for op_index, place in enumerate(places):
            later = range(op_index + 1, self.op_count)
            survives = not any(
                _overlap(place, places[other]) and details[other]["op_name"] not in _SAME_BYTES
                for other in later
            )
            shown.append(survives and (not delegated or self._op_outputs[op_index] in written))
        return tuple(shown)

    def _op_output(self, op_index: int) -> bytes:
        if not self._shown_ops[op_index] or self._op_outputs[op_index] < 0:
            return b""
        try:
            tensor = self._keeping.get_tensor(self._op_outputs[op_index])
        except ValueError:  # "Tensor data is null": it has no memory
            return b""
        return bytes(tensor.tobytes()) if tensor.dtype == np.int8 else b""


def _place(interpreter: _Untyped, index: int) -> range:
    """The addresses of a tensor's bytes; empty where it has no memory."""
    if index < 0:
        return range(0)
    try:
        # A view of the interpreter's memory, which must be let go before it runs again.
        view = interpreter.tensor(index)()
    except ValueError:
        return range(0)
    start = int(view.__array_interface__["data"][0])
    return range(start, start + int(view.nbytes))


def _overlap(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)


def _tensor(details: _Untyped) -> Tensor:
    """An input or output. Raises BundleError where the link cannot carry it."""
    shape = tuple(int(size) for size in details["shape"]) or (1,)
    scale, zero_point = details["quantization"]
    if details["dtype"] is not np.int8 or len(shape) > _MAX_RANK or not scale > 0:
        dtype = np.dtype(details["dtype"])
        raise BundleError(
            f"tensor '{details['name']}' is {dtype} of shape {shape} with scale {scale}; "
            f"inputs and outputs must be quantized int8 of at most {_MAX_RANK} dimensions."
        )
    return Tensor(str(details["name"]), shape, math.prod(shape), float(scale), int(zero_point))
