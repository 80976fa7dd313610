# Two commands do all the set-up: `make demo` and `make test`. Both share one step that makes .venv and
# does nothing when nothing changed. Choose another interpreter with `make PYTHON=python3.12 …`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint format bench calibrate clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       install, then train, quantize, build, run and verify on the built-in pictures"
	@echo "make test       install, then run all tests"
	@echo "make lint       ruff, mypy --strict and clang-format"
	@echo "make bench      instruction counts, sizes and link speed (see docs/benchmarks.md)"
	@echo "make calibrate  measures what kernels cost anew (see docs/costs.md)"
	@echo "make clean      remove what make made"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "edgekit needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/edgekit demo

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'firmware/*.c' 'firmware/*.cc' 'firmware/*.cpp' 'firmware/*.h' 'tests/*.c' 'tests/*.h' | grep -v /golden/)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files 'firmware/*.c' 'firmware/*.cc' 'firmware/*.h' 'tests/*.c' 'tests/*.h' | grep -v /golden/)

bench: $(READY)
	$(BIN)/python benchmarks/run.py

calibrate: $(READY)
	$(BIN)/python benchmarks/calibrate.py

clean:
	rm -rf $(VENV) edgekit-demo
