"""What a person sees: one line a fact, progress bars on a terminal only, tables."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from edgekit.text import printable
from edgekit.verification.verdict import (
    Comparator,
    Difference,
    ElementDifference,
    Judgement,
    LayerCheck,
    LayerDifference,
    Verdict,
)

Advance = Callable[[int, int], None]

_PIPE_WIDTH = 10_000
_PIPE_PROGRESS_S = 10.0
_NO_DIGITS = re.compile(r"[≥,. ]")
"""What a number may have besides its digits."""
_OUTCOME_WORDS = {
    "exact": "bit-exact",
    "tolerated": "accepted, though not bit-exact",
    "differs": "NOT bit-exact",
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone (`| head`). Rich would end the program with exit code 1: the device differs."""
        raise BrokenPipeError


class Reporter:
    """Writes for people. With ``json_output`` people's text goes to stderr, so stdout stays parseable.

    Every text is shown as it is, whatever a file or board is called: without markup, and with control
    characters spelled out.
    """

    def __init__(self, json_output: bool = False) -> None:
        stream: IO[str] = sys.stderr if json_output else sys.stdout
        self._console = _Console(
            file=stream,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=True,
            # In a pipe a row of a table is one line, however long, so that it can be searched.
            width=None if stream.isatty() else _PIPE_WIDTH,
        )

    def say(self, text: str) -> None:
        """One line."""
        self._print(text)

    def heading(self, text: str) -> None:
        """The start of a stage."""
        self._print(text, "bold")

    def warn(self, text: str) -> None:
        """Something that the user should know but that stops nothing."""
        self._console.print(Text.assemble(("warning:", "yellow"), " ", printable(text)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; a column of numbers is right-aligned."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for position, column in enumerate(columns):
            cells = [_NO_DIGITS.sub("", row[position]) for row in rows]
            numeric = any(cells) and all(cell.isdigit() for cell in cells if cell)
            table.add_column(Text(printable(column)), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._console.print(table)

    @contextmanager
    def progress(self, description: str) -> Iterator[Advance]:
        """Yields ``advance(done, total)``. Draws a bar on a terminal; elsewhere a line now and then."""
        if not self._console.is_terminal:
            yield self._progress_lines(description)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(printable(description), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def _progress_lines(self, description: str) -> Advance:
        told_at = time.monotonic()

        def advance(done: int, total: int) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= _PIPE_PROGRESS_S:
                told_at = time.monotonic()
                self._print(f"  {description}: {done} of {total}")

        return advance

    def verdict(self, verdict: Verdict) -> None:
        """The verdict in sentences, the most important first."""
        colour = {"exact": "green", "tolerated": "yellow", "differs": "red"}[verdict.outcome]
        for position, line in enumerate(describe_verdict(verdict)):
            self._print(line, f"bold {colour}" if position == 0 else "")
        for warning in verdict.warnings:
            self.warn(warning)

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(printable(text), style))


def describe_verdict(verdict: Verdict) -> list[str]:
    """The verdict as sentences."""
    agreeing = verdict.inputs - verdict.differing_inputs
    word = _OUTCOME_WORDS[verdict.outcome]
    lines = [
        f"{word}: {verdict.board} ({verdict.engine}, {verdict.where}) equals {verdict.golden.name} "
        f"{verdict.golden.version} on {agreeing} of {verdict.inputs} inputs, "
        f"{verdict.distinct_outputs} distinct outputs"
    ]
    if verdict.judgement is not None:
        lines += _describe_judgement(verdict.judgement)
    if verdict.first_difference is not None:
        lines += _describe_difference(verdict.first_difference)
    if verdict.layer_check is not None:
        lines += _describe_layer_check(verdict.layer_check, told=verdict.first_difference is not None)
    if verdict.accuracy is not None:
        accuracy = verdict.accuracy
        lines.append(
            f"accuracy on the device: {accuracy.device_correct} of {accuracy.pictures} pictures "
            f"({accuracy.device:.1%}); int8 on the host: {accuracy.golden_correct}"
        )
    if verdict.latency is not None:
        latency = verdict.latency
        time = "" if latency.milliseconds is None else f" ({latency.milliseconds:,.2f} ms)"
        lines.append(f"latency: {latency.median:,} {latency.unit} an inference{time}")
    memory = {"arena": verdict.arena_used_bytes, "stack": verdict.stack_used_bytes}
    told = [f"{what} {size_bytes:,} bytes" for what, size_bytes in memory.items() if size_bytes]
    if told:
        lines.append(f"memory: {', '.join(told)}")
    lines += [_describe_comparator(comparator) for comparator in verdict.comparators if comparator.version]
    return lines


def _describe_layer_check(check: LayerCheck, *, told: bool) -> list[str]:
    """What the layers showed. ``told``: a difference has been described, with its layer where possible."""
    operators, inputs = f"{check.operators} of {check.operators_total} operators", f"{check.inputs} inputs"
    if check.generated:
        inputs += " that the device made itself (it takes its input row by row)"
    if check.first_difference is None:
        return [f"layers: outputs of {operators} equal on {inputs}"]
    return [_describe_layer(check.first_difference)] if check.generated or not told else []


def _describe_judgement(judgement: Judgement) -> list[str]:
    found = judgement.agreement
    return [
        judgement.sentence,
        f"agreement: {found.differing_share:.2%} of the bytes differ, by {found.mean_difference:.3f} on "
        f"average over all bytes and by {found.max_difference} at most; the largest output is the same on "
        f"{found.top1_agreement:.1%} of the inputs",
    ]


def _describe_comparator(comparator: Comparator) -> str:
    name = f"{comparator.name} {comparator.version}".rstrip()
    if comparator.refused is not None:
        return f"not compared: {name} ({comparator.refused})"
    if not comparator.differing_inputs:
        return f"compared: {name} is equal on all inputs"
    return (
        f"compared: {name} differs on {comparator.differing_inputs} inputs, "
        f"by {comparator.max_difference} at most"
    )


def _describe_difference(difference: Difference) -> list[str]:
    lines = [
        f"first difference: input {difference.input_index} ({difference.origin}), "
        f"output {_describe_element(difference.output)}"
    ]
    if difference.layer is not None:
        lines.append(_describe_layer(difference.layer))
    return lines


def _describe_layer(layer: LayerDifference) -> str:
    return (
        f"first differing layer: operator {layer.op_index} {layer.opcode}, "
        f"{_describe_element(layer.difference)}"
    )


def _describe_element(element: ElementDifference) -> str:
    return f"'{element.tensor}' element {element.element}: expected {element.expected}, got {element.actual}"
