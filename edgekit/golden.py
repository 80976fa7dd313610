"""The arbiter of "bit-exact", and the interpreters that are shown beside it.

The golden is the TFLM interpreter on the host, the package ``tflite-micro``. Its wheels exist for Linux
on x86-64 only; elsewhere the NumPy executor takes its place, which the tests hold equal to it on every
byte of every layer. It says so (``independent``, ``note``), because an executor that is compared with
itself proves nothing. LiteRT and tflite-runtime are comparators: they round differently in places, and
showing them tells a user why the output seen on a PC is not the board's.

Nothing is imported before it is used.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol, TypeAlias

import numpy as np

from edgekit import __version__
from edgekit.errors import ModelError
from edgekit.graph import arithmetic
from edgekit.graph.executor import execute
from edgekit.graph.ir import Graph, Int8Array, Softmax

# An interpreter of a package that carries no type annotations.
_Untyped: TypeAlias = Any

TFLM_VERSION = "0.dev20261023182759"
"""The build of ``tflite-micro`` that defines "bit-exact"; ``pyproject.toml`` pins the same."""

_MAX_ARENA_BYTES = 2**30
# TFLM's allocators end each complaint with "Requested: …, available …, missing: …".
_ARENA_EXHAUSTED = "missing:"


class Interpreter(Protocol):
    """Something that runs one model."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def version(self) -> str:
        """Version of the package that it comes from."""

    @property
    def independent(self) -> bool:
        """Whether its arithmetic is not that of edgekit's own executor."""

    @property
    def pinned(self) -> bool:
        """Whether its version is the one that results are defined by: a comparator's never is."""

    @property
    def note(self) -> str | None:
        """What a reader of its results must know, such as why it stands in for TFLM; None for nothing."""

    def run(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        """The outputs for a batch: each input and output is int8 of shape (N, *tensor.shape[1:])."""


@dataclass(frozen=True)
class RefusedInterpreter:
    """A comparator that cannot take part, and why. ``version`` is empty where it is not installed."""

    name: str
    version: str
    reason: str


def open_golden(model: bytes, graph: Graph) -> Interpreter:
    """The arbiter for ``model``, whose graph is ``graph``: TFLM where it can run it, else NumPy.

    TFLM ends the whole process when the exponentials of a softmax sum to 512 or more, so a model with
    a softmax wide enough for that gets the NumPy executor, too. Raises ModelError where TFLM refuses
    the model.
    """
    widest = _widest_softmax(graph)
    if widest >= arithmetic.SOFTMAX_SUM_LIMIT:
        return NumpyInterpreter(graph, f"TFLM can end the process in a softmax over {widest} entries")
    try:
        return TflmInterpreter(model, graph)
    except ImportError as error:
        return NumpyInterpreter(graph, f"TFLM is not installed: {error}")


def open_comparators(model: bytes) -> list[Interpreter | RefusedInterpreter]:
    """LiteRT as it runs by default and with its reference kernels, and tflite-runtime's reference kernels."""
    return [
        _open_comparator("LiteRT", "ai-edge-litert", "ai_edge_litert.interpreter", "AUTO", model),
        _open_comparator(
            "LiteRT BUILTIN_REF", "ai-edge-litert", "ai_edge_litert.interpreter", "BUILTIN_REF", model
        ),
        _open_comparator(
            "tflite-runtime BUILTIN_REF", "tflite-runtime", "tflite_runtime.interpreter", "BUILTIN_REF", model
        ),
    ]


class NumpyInterpreter:
    """edgekit's own executor. ``note`` says why it was chosen."""

    name = "edgekit NumPy executor"
    version = __version__
    independent = False
    pinned = True

    def __init__(self, graph: Graph, note: str | None = None) -> None:
        self.note = note
        self._graph = graph

    def run(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        """As :meth:`Interpreter.run`."""
        return execute(self._graph, inputs)


class TflmInterpreter:
    """The TFLM interpreter on the host, with its reference kernels.

    Raises ImportError where ``tflite-micro`` is not installed, ModelError where it refuses the model.
    """

    name = "TFLM"
    independent = True

    def __init__(self, model: bytes, graph: Graph) -> None:
        self.version = metadata.version("tflite-micro")
        self.pinned = self.version == TFLM_VERSION
        self.note = None if self.pinned else f"tflite-micro is not the pinned version, {TFLM_VERSION}"
        self._model = model
        self._graph = graph
        self._interpreter: _Untyped = self._open("kAllocationRecording")

    def run(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        """As :meth:`Interpreter.run`."""
        return _run_one_by_one(inputs, self._run_one)

    def tensors(self, inputs: Sequence[Int8Array]) -> dict[int, Int8Array]:
        """Every activation by tensor index, for a batch, from a second interpreter that keeps them all.

        For finding a layer; the golden is :meth:`run`, which plans memory as devices do.
        """
        interpreter = self._open("kPreserveAllTensors")
        indices = list(self._graph.tensors)

        def run_one(one: Sequence[Int8Array]) -> list[Int8Array]:
            self._invoke(interpreter, one)
            return [interpreter.GetTensor(index, 0)["tensor_data"] for index in indices]

        return dict(zip(indices, _run_one_by_one(inputs, run_one), strict=True))

    def _run_one(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        self._invoke(self._interpreter, inputs)
        return [self._interpreter.get_output(position) for position in range(len(self._graph.outputs))]

    def _invoke(self, interpreter: _Untyped, inputs: Sequence[Int8Array]) -> None:
        for position, array in enumerate(inputs):
            interpreter.set_input(array, position)
        with _captured_stderr() as messages:
            try:
                interpreter.invoke()
            except RuntimeError as error:
                raise ModelError(f"TFLM cannot run {self._graph.name}: {messages() or error}.") from error

    def _open(self, config: str) -> _Untyped:
        """An interpreter with an arena that is doubled until the model fits.

        The first size holds all of TFLM's own records of the model, which take less than the file's:
        where not even those fit, TFLM crashes.
        """
        from tflite_micro import runtime

        largest_bytes = max(tensor.size_bytes for tensor in self._graph.tensors.values())
        arena_bytes = 2**16 + 2 * len(self._model) + 4 * largest_bytes
        while True:
            with _captured_stderr() as messages:
                try:
                    return runtime.Interpreter.from_bytes(
                        self._model,
                        arena_size=arena_bytes,
                        intrepreter_config=runtime.InterpreterConfig[config],
                    )
                except RuntimeError as error:
                    said = messages()
                    if _ARENA_EXHAUSTED not in said or arena_bytes > _MAX_ARENA_BYTES:
                        raise ModelError(f"TFLM refuses {self._graph.name}: {said or error}.") from error
            arena_bytes *= 2


class _LiteInterpreter:
    """An interpreter with the interface that TensorFlow Lite's Python packages share."""

    independent = True
    pinned = False
    note: str | None = None

    def __init__(self, name: str, version: str, interpreter: _Untyped) -> None:
        self.name = name
        self.version = version
        self._interpreter = interpreter
        self._inputs = [detail["index"] for detail in interpreter.get_input_details()]
        self._outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def run(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        """As :meth:`Interpreter.run`."""
        return _run_one_by_one(inputs, self._run_one)

    def _run_one(self, inputs: Sequence[Int8Array]) -> list[Int8Array]:
        for index, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _open_comparator(
    name: str, package: str, module_name: str, resolver: str, model: bytes
) -> Interpreter | RefusedInterpreter:
    """The comparator, or the reason why it cannot take part."""
    import importlib

    try:
        module = importlib.import_module(module_name)
        version = metadata.version(package)
    except ImportError:
        return RefusedInterpreter(name, "", "not installed")
    with _captured_stderr() as messages:
        try:
            interpreter = module.Interpreter(
                model_content=model,
                num_threads=1,
                experimental_op_resolver_type=module.OpResolverType[resolver],
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError, SystemError) as error:
            return RefusedInterpreter(name, version, messages() or str(error))
    return _LiteInterpreter(name, version, interpreter)


def _run_one_by_one(
    inputs: Sequence[Int8Array], run_one: Callable[[Sequence[Int8Array]], list[Int8Array]]
) -> list[Int8Array]:
    """Outputs of a batch from a function for a batch of 1, which may reuse the arrays that it returns."""
    rows = [
        [output.copy() for output in run_one([array[index : index + 1] for array in inputs])]
        for index in range(len(inputs[0]))
    ]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def _widest_softmax(graph: Graph) -> int:
    """Entries of the longest row that a softmax of ``graph`` has; 0 where it has none."""
    widths = (graph.tensors[op.output].shape[-1] for op in graph.ops if isinstance(op, Softmax))
    return max(widths, default=0)


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], str]]:
    """Keeps what C code writes to the process's standard error; yields a function that returns it.

    The interpreters report in C, past ``sys.stderr``: success in several lines, failure without words
    in the exception.
    """
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:

            def messages() -> str:
                file.seek(0)
                return " ".join(file.read().decode("utf-8", errors="replace").split())

            yield messages
        finally:
            os.dup2(saved, 2)
            os.close(saved)
