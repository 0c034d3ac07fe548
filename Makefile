PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test lint bench gpu mutants record

setup: .venv/.made

.venv/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/gaucho demo

test: setup
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	for name in crawl curation scale training gallery; do $(BIN)/python benchmarks/$$name.py || exit 1; done

gpu: setup
	PYTHONPATH=. $(BIN)/python benchmarks/gpu.py

mutants: setup
	$(BIN)/python -m gaucho_pipeline_tests.mutants

record: setup
	GAUCHO_RECORD=1 $(BIN)/pytest -n0 gaucho_pipeline_tests/test_code_versions.py gaucho_pipeline_tests/test_families_taught.py
