# the first that fits, with what makes a virtual environment
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3; do $$each -c '$(FITS)' 2> /dev/null && echo $$each && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: setup demo test check test-scale tables catalogue lint bench gpu mutants record chaos lock

# HASHES=1: only files whose hashes locks/ has; TORCH=any beside it: but for torch, as this index builds it
MADE := .venv/.made$(if $(HASHES),-by-hashes)
setup: $(MADE)

$(MADE): pyproject.toml constraints.txt $(if $(HASHES),$(wildcard locks/*.txt))
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with its venv module is needed (Debian: apt install python3 python3-venv;" \
	  "macOS and Windows: python.org); or name one: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
ifdef HASHES
	@test ! -e .venv || { echo "what is in .venv was installed without hashes; remove it first: rm -r .venv" >&2; exit 1; }
endif
	$(PYTHON) -m venv .venv
ifdef HASHES
	$(PIP) --require-hashes --no-deps --requirement locks/all-but-torch.txt
ifeq ($(TORCH),any)
	@echo "torch is taken as this index builds it, for which there is no hash"
	$(PIP) --constraint constraints.txt torch
else
	$(PIP) --require-hashes --no-deps --requirement locks/torch.txt || { echo "if this index serves another build of torch than the" \
	  "public one: make setup HASHES=1 TORCH=any" >&2; exit 1; }
endif
	$(PIP) --require-hashes --no-deps --requirement locks/for-tests.txt # for one file of it
	$(PIP) --no-build-isolation --no-deps --editable . # by the setuptools that is here
else
	$(PIP) --constraint constraints.txt torch
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	$(PIP) --constraint constraints.txt --no-deps open_clip_torch # for one file of it
endif
	touch .venv/.made $@

demo: setup
	$(BIN)/gaucho demo

test: setup
	$(BIN)/pytest

# the tests that start no process, for every edit
check: setup
	GAUCHO_CHECK=1 $(BIN)/pytest

# on a PostgreSQL server, an S3 server and a Ray cluster of their own, and with weights in eight bits
test-scale: setup
	$(PIP) --constraint constraints.txt --editable '.[dev,ray,postgres,torchao]'
	GAUCHO_SCALE=1 $(BIN)/pytest -n0 --timeout 1200 gaucho_pipeline_tests/scale

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	for name in crawl curation scale training gallery startup; do $(BIN)/python benchmarks/$$name.py || exit 1; done

gpu: setup
	PYTHONPATH=. $(BIN)/python benchmarks/gpu.py

# the pages of the docs that are made from the fields' descriptions
tables: setup
	$(BIN)/python -m gaucho_pipeline_tests.tables

# the sentences that the command line says in Portuguese: collected anew, and compiled
catalogue: setup
	$(BIN)/python -m gaucho_pipeline_tests.catalogue

# chosen sabotages; RANDOM=40 SEED=7 for so many that are drawn at random
mutants: setup
	RANDOM_MUTANTS=$(RANDOM) SEED=$(SEED) $(BIN)/python -m gaucho_pipeline_tests.mutants

# the hashes of every file that the public index has of what constraints.txt names, for Linux, macOS and Windows and Python 3.11 to 3.13
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --constraint constraints.txt
OF_TORCH := torch triton $(shell sed -n 's/^\(\(nvidia\|cuda\)-[a-z0-9-]*\)==.*/\1/p' locks/torch.txt)
lock: setup
	$(PIP) --constraint constraints.txt uv
	echo torch | $(LOCK) --output-file locks/torch.txt -
	$(LOCK) --extra dev $(OF_TORCH:%=--no-emit-package %) --output-file locks/all-but-torch.txt pyproject.toml
	echo open_clip_torch | $(LOCK) --no-deps --output-file locks/for-tests.txt -

record: setup
	GAUCHO_RECORD=1 $(BIN)/pytest -n0 gaucho_pipeline_tests/project/test_code_versions.py gaucho_pipeline_tests/families/test_families_taught.py

# kills, power cuts, full disks and flipped bytes; KILLS=100 for more of them
chaos: setup
	$(BIN)/python -m gaucho_pipeline_tests.chaos
