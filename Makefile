# Each target sets up what it needs on a fresh machine with Python 3.11 or newer.
.PHONY: run test check bench pictures lock

PYTHON ?= python3
BIN := .venv/bin

# What the gateway needs to run; `.run` is the stamp of the lock it was made from.
.venv/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

# What checking and testing need on top.
.venv/.dev: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@ .venv/.run

run: .venv/.run
	$(BIN)/python -m demo

test: .venv/.dev
	$(BIN)/python -m tests.setup
	$(BIN)/pytest -n 2 --dist loadgroup

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_docs.py tests/test_house.py

bench: .venv/.dev
	$(BIN)/python -m bench
	$(BIN)/python -m bench.startup

# The pictures of the pages in docs/images/, as the browser test sees them.
pictures: .venv/.dev
	$(BIN)/python -m tests.setup
	PICTURES=docs/images $(BIN)/pytest tests/browser

# Needs uv; writes lock files with hashes that name no index.
lock:
	uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock
	uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-dev.lock
