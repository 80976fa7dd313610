"""`edgekit estimate`: what a model will take, on a board and on all of them."""

from __future__ import annotations

import json


def test_a_board_with_each_optimize(edgekit, workspace, small_model):
    done = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4", "-m", small_model, "--json")
    assert done.exit_code == 0, done.err
    ram, speed, size = json.loads(done.out)
    assert [choice["optimize"] for choice in (ram, speed, size)] == ["ram", "speed", "size"]
    assert all(choice["measured"] and choice["fits"] for choice in (ram, speed, size))
    assert size["flash_bytes"] < speed["flash_bytes"]
    assert speed["instructions"] < size["instructions"]


def test_every_board(edgekit, workspace, small_model):
    done = edgekit("estimate", "-w", workspace, "-m", small_model, "--all-boards", "--json")
    assert done.exit_code == 0, done.err
    found = {entry["board"]: entry for entry in json.loads(done.out)}
    assert {"pico", "esp32", "rpi4", "mega2560", "virt-cortex-m4"} <= found.keys()
    assert found["pico"]["measured"]
    assert not found["esp32"]["measured"]


def test_what_is_not_measured_says_why(edgekit, workspace, small_model):
    done = edgekit("estimate", "-w", workspace, "-m", small_model, "--all-boards", "--json")
    found = {entry["board"]: entry for entry in json.loads(done.out)}
    assert found["pico"]["unmeasured_because"] is None
    assert "engine tflm" in found["esp32"]["unmeasured_because"]
    assert "arduino" in found["mega2560"]["unmeasured_because"]
    assert [found[name]["fits"] for name in ("esp32", "rpi4", "virt-cortex-m4")] == [None, True, True]
    assert [found[name]["optimize"] for name in ("esp32", "pico")] == [None, "ram"]
    sizes = found["virt-cortex-m4"]
    assert sizes["static_bytes"] > 0
    assert sizes["ram_bytes"] == sum(sizes[f"{name}_bytes"] for name in ("arena", "static", "reserved_stack"))


def test_the_one_to_take_is_nearly_the_fastest_and_takes_little_ram(edgekit, workspace, small_model):
    found = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4", "-m", small_model, "--json")
    choices = json.loads(found.out)
    told = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4", "-m", small_model).out
    (taken,) = [choice for choice in choices if f"recommended: --optimize {choice['optimize']}" in told]
    fewest = min(choice["instructions"] for choice in choices)
    fast = [choice for choice in choices if choice["instructions"] <= 1.02 * fewest]
    assert taken["ram_bytes"] == min(choice["ram_bytes"] for choice in fast)


def test_an_arena_that_nobody_asked_the_engine_for_is_refused(edgekit, workspace, small_model):
    done = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4", "-m", small_model, "--arena", "4096")
    assert done.exit_code == 2
    assert "plans its memory itself" in done.err


def test_a_table_for_people(edgekit, workspace, small_model):
    done = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4", "-m", small_model)
    assert done.exit_code == 0, done.err
    lines = [line for line in done.out.splitlines() if line.startswith(("ram", "speed", "size"))]
    assert [line.split()[-1] for line in lines] == ["fits"] * 3


def test_a_model_that_cannot_fit_has_the_exit_code_of_that(edgekit, workspace, shared_folder):
    model = shared_folder / "models" / "mlperf_tiny" / "vww_96_int8.tflite"
    done = edgekit("estimate", "-w", workspace, "-b", "mega2560", "-m", model)
    assert done.exit_code == 6
    assert "does not fit: too little RAM" in done.out


def test_without_a_model_nothing_is_trained(edgekit, workspace):
    done = edgekit("estimate", "-w", workspace, "-b", "virt-cortex-m4")
    assert done.exit_code == 2
    assert "name one with --model" in done.err
