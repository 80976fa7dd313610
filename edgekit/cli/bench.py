"""``edgekit bench``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import firmware_options, json_option

if TYPE_CHECKING:
    from edgekit.benchmark import Cost
    from edgekit.reporting import Reporter


@click.command()
@firmware_options
@json_option
def bench(workspace: Path, json_output: bool, **options: Any) -> int:
    """Measure one inference: instructions (or cycles), flash and RAM, layer by layer.

    Exit code 1 where the board's bytes are not those of the host interpreter.
    """
    from edgekit.stages.bench import bench as run_bench

    job = open_job(workspace, ["build"], json_output=json_output, **options)
    cost = run_bench(job)
    if json_output:
        click.echo(json.dumps(cost.to_json(), indent=2))
    else:
        show(cost, job.reporter)
    return 0 if cost.exact else 1


def show(cost: Cost, reporter: Reporter) -> None:
    """The layers as a table, and the sums below it."""
    rows = [
        (
            layer.opcode,
            str(layer.index),
            "x".join(map(str, layer.shape)),
            f"{layer.macs:,}",
            "merged" if layer.ticks is None else f"{layer.ticks:,}",
            f"{layer.ticks / layer.macs:.2f}" if layer.ticks is not None and layer.macs else "",
            ", ".join(name.removeprefix("ek_").removesuffix("_s8") for name in layer.kernels),
        )
        for layer in cost.layers
    ]
    reporter.table(("operator", "", "output", "MACs", cost.unit, "per MAC", "kernel"), rows)
    per_mac = "" if cost.ticks_per_mac is None else f" ({cost.ticks_per_mac:.2f} per MAC)"
    flash_bytes = cost.code_bytes + cost.constant_bytes
    harness = (
        f"; {cost.harness_code_bytes:,} and {cost.harness_constant_bytes:,} are start-up, port and link"
        if cost.harness_code_bytes is not None
        else ""
    )
    exact = "bit-exact" if cost.exact else "NOT bit-exact"
    reporter.say(
        f"{cost.model} on {cost.board}, engine {cost.engine}, {cost.toolchain}, --optimize {cost.optimize}\n"
        f"{cost.ticks:,} {cost.unit}{per_mac} for {cost.macs:,} MACs{_time(cost)}\n"
        f"{exact} on {cost.inputs} inputs, {cost.distinct_outputs} distinct outputs\n"
        f"flash {flash_bytes:,} bytes without the model (code {cost.code_bytes:,}, constants "
        f"{cost.constant_bytes:,}{harness}), the model {cost.model_bytes:,}\n"
        f"RAM {cost.ram_bytes:,} bytes (arena {cost.arena_bytes:,}, static {cost.static_bytes:,}, stack "
        f"{cost.stack_bytes:,})"
    )
    if cost.predicted is not None:
        _show_comparison(cost, cost.predicted, reporter)


def _time(cost: Cost) -> str:
    if cost.milliseconds is None:
        return ""
    clock = f" at {cost.clock_hz / 1e6:g} MHz if each takes a cycle" if cost.unit == "instructions" else ""
    return f", {cost.milliseconds:,.1f} ms{clock}"


def _show_comparison(cost: Cost, predicted: Mapping[str, Any], reporter: Reporter) -> None:
    """How near the prediction came, where there is something to compare it with."""
    compared = []
    if cost.unit == "instructions" and predicted["instructions"] is not None:
        compared.append(("instructions", "instructions", cost.ticks))
    if predicted["measured"]:
        compared.append(("flash_bytes", "bytes of flash", cost.flash_bytes))
        compared.append(("ram_bytes", "bytes of RAM with the reserved stack", cost.reserved_ram_bytes))
    parts = [
        f"{predicted[key]:,} {name} ({_deviation(predicted[key], value)})" for key, name, value in compared
    ]
    if parts:
        reporter.say(f"predicted {', '.join(parts)}")


def _deviation(predicted: int, measured: int) -> str:
    return "exact" if predicted == measured else f"{predicted / measured - 1:+.1%}"
