"""How `edgekit monitor` shows a device: a live table on a terminal, lines elsewhere, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgekit.device.messages import DeviceInfo
from edgekit.device.monitor import Sample
from edgekit.device.watch import Result
from edgekit.text import printable, printable_name

_BAR_CELLS = 24


class ClassNames(Protocol):
    """Names of a device's classes, known once the device is."""

    def __call__(self, info: DeviceInfo) -> Sequence[str]:
        """One name for each element of the first output, or nothing where they are not known."""


@dataclass(frozen=True)
class Ranked:
    """One class of a result. ``score`` is the dequantized value: a probability after a softmax."""

    index: int
    name: str
    quantized: int
    score: float


def rank(info: DeviceInfo, result: Result, class_names: Sequence[str], count: int) -> list[Ranked]:
    """The ``count`` largest elements of ``result``, the first of equal ones first.

    ``class_names`` name them where there are as many as elements.
    """
    tensor, values = info.outputs[0], result.output
    named = len(class_names) == len(values)
    order = np.argsort(-values.astype(np.int16), kind="stable")[:count]
    return [
        Ranked(
            index=int(index),
            name=class_names[index] if named else f"class {index}",
            quantized=int(values[index]),
            score=(int(values[index]) - tensor.zero_point) * tensor.scale,
        )
        for index in order
    ]


class LineView:
    """One line for each thing that happens. Also what the other views know in common."""

    def __init__(self, board: str, class_names: ClassNames, top: int) -> None:
        self._board = board
        self._names_of = class_names
        self._top = top
        self._names: Sequence[str] = ()
        self._info: DeviceInfo | None = None
        self._results = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def log(self, text: str) -> None:
        """A line that the device printed."""
        self._line(f"[{self._board}] {text}")

    def note(self, text: str) -> None:
        """Something of the monitor's own."""
        self._line(text)

    def device(self, info: DeviceInfo) -> None:
        """Who the device is."""
        self._learn(info)
        self._line(_who(info))

    def result(self, result: Result, sample: Sample | None) -> None:
        """The first classes of a result."""
        if self._info is None:
            return
        self._results += 1
        classes = ", ".join(f"{one.name} {one.score:.3f}" for one in self._ranked(self._info, result))
        self._line(f"result {self._results}{self._origin(sample)}: {classes}{_time(self._info, result)}")

    def client(self, connected: bool) -> None:
        """A client has come or gone."""
        self._line("a client uses the link" if connected else "the client has gone")

    def _learn(self, info: DeviceInfo) -> None:
        self._info = info
        self._names = [printable_name(name) for name in self._names_of(info)]

    def _ranked(self, info: DeviceInfo, result: Result) -> list[Ranked]:
        return rank(info, result, self._names, self._top)

    def _origin(self, sample: Sample | None) -> str:
        if sample is None:
            return " (of a client)"
        known = sample.label is not None and sample.label < len(self._names)
        return f" ({sample.origin}{f', a {self._names[sample.label or 0]}' if known else ''})"

    def _line(self, text: str) -> None:
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


class JsonView(LineView):
    """One JSON object a line: ``event`` says what it is."""

    def log(self, text: str) -> None:
        """A line that the device printed."""
        self._event("log", text=text)

    def note(self, text: str) -> None:
        """Something of the monitor's own."""
        self._event("note", text=text)

    def device(self, info: DeviceInfo) -> None:
        """Who the device is."""
        self._learn(info)
        self._event(
            "device",
            board=info.board,
            engine=info.engine,
            model=info.model_name,
            model_sha256=info.model_sha256,
            firmware_version=info.firmware_version,
            classes=list(self._names),
        )

    def result(self, result: Result, sample: Sample | None) -> None:
        """A result with its first classes."""
        if self._info is None:
            return
        self._results += 1
        seconds = None if result.ticks is None else self._info.seconds(result.ticks)
        self._event(
            "result",
            number=self._results,
            origin="client" if sample is None else sample.origin,
            label=None if sample is None else sample.label,
            ticks=result.ticks,
            milliseconds=None if seconds is None else 1000 * seconds,
            top=[
                {"index": one.index, "class": one.name, "quantized": one.quantized, "score": one.score}
                for one in self._ranked(self._info, result)
            ],
        )

    def client(self, connected: bool) -> None:
        """A client has come or gone."""
        self._event("client", connected=connected)

    def _event(self, event: str, **fields: Any) -> None:
        sys.stdout.write(f"{json.dumps({'event': event, **fields})}\n")
        sys.stdout.flush()


class LiveView(LineView):
    """Text scrolls by above a table of the last result, which stays."""

    def __init__(self, board: str, class_names: ClassNames, top: int, console: Console | None = None) -> None:
        super().__init__(board, class_names, top)
        self._console = console or Console(markup=False, emoji=False, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last table stays on the terminal, the cursor comes back."""
        self._live.stop()

    def result(self, result: Result, sample: Sample | None) -> None:
        """Draws the table anew."""
        if self._info is None:
            return
        self._results += 1
        caption = f"result {self._results}{self._origin(sample)}{_time(self._info, result)}"
        table = Table(box=None, pad_edge=False, show_header=False)
        for one in self._ranked(self._info, result):
            cells = round(_BAR_CELLS * min(max(one.score, 0.0), 1.0))
            table.add_row(Text(one.name), Text("█" * cells, "green"), f"{one.score:.3f}", f"{one.quantized}")
        self._live.update(Group(Text(printable(caption), "bold"), table), refresh=True)

    def _line(self, text: str) -> None:
        self._live.console.print(Text(printable(text)))


def _who(info: DeviceInfo) -> str:
    return (
        f"{info.board} runs {info.model_name} ({info.model_sha256[:12]}…), engine {info.engine}, "
        f"firmware {info.firmware_version}"
    )


def _time(info: DeviceInfo, result: Result) -> str:
    if not result.ticks:
        return ""
    seconds = info.seconds(result.ticks)
    return f"; {result.ticks:,} ticks" if seconds is None else f"; {1000 * seconds:,.2f} ms"
