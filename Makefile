# Each target sets up what it needs on a fresh machine with Python 3.11 or newer.
.PHONY: run compile test check bench soak outage fuzz pictures lock

PYTHON ?= python3
BIN := .venv/bin
TWICE := tests/edge tests/operate tests/policy tests/session/test_cache.py \
	tests/session/test_cookie.py tests/session/test_recognise.py tests/test_base64url.py tests/test_compiled.py \
	tests/strictness/test_corpus.py tests/attacks/test_upstreams.py tests/attacks/test_undecided.py
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# The stamp has the version in its name, and is there when .venv came to be as a whole: a .venv of
# another Python, or half of one, is made anew.
.venv/.python-$(VERSION):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python 3.11 or newer is needed; this is %d.%d.%d. Try: make $(MAKECMDGOALS) PYTHON=python3.11" % v[:3])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>&- || { echo "$(PYTHON) lacks venv. On Debian: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

# What the gateway needs to run; `.run` is the stamp of the lock it was made from.
.venv/.run: .venv/.python-$(VERSION) requirements.lock pyproject.toml
	@echo "Installing what the gateway needs, from PyPI: about a minute, once"
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

# What checking and testing need on top.
.venv/.dev: .venv/.python-$(VERSION) requirements-dev.lock pyproject.toml
	@echo "Installing what checking and testing need, from PyPI: about a minute, once"
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@ .venv/.run

run: .venv/.run
	$(BIN)/python -m demo

# The hot modules as machine code, for which a C compiler is needed: docs/performance.md.
compile: .venv/.dev
	$(BIN)/python -m tools.compile

# All of it compiled; then, as plain Python, the tests of what has a compiled twin, the corpus that shows
# what it passes on, and what a bad upstream does to it.
test: .venv/.dev
	$(BIN)/python -m tests.setup
	$(BIN)/python -m tools.compile
	SONAR_GATEWAY_CODE=compiled $(BIN)/pytest -n 2 --dist loadgroup
	SONAR_GATEWAY_CODE=pure $(BIN)/pytest -n 2 --dist loadgroup $(TWICE)

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_docs.py tests/test_house.py

# The gateway beside HAProxy, nginx, Envoy, Caddy and Apache, which Debian's packages and wheels bring.
bench: .venv/.dev
	$(BIN)/python -m tools.compile
	$(BIN)/python -m bench --page docs/performance.md

# A million requests of a thousand people on each store: nothing belongs to somebody else, and the
# memory stays where it is. Compiled, as in production. Some ten minutes.
soak: .venv/.dev
	$(BIN)/python -m tools.compile
	SONAR_GATEWAY_CODE=compiled $(BIN)/python -m tests.isolation.soak

# Redis gone for a minute under load; the first row of docs/failures.md.
outage: .venv/.dev
	$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.outages

# Ten minutes for each target; what is found goes into tests/fuzz/corpus/.
fuzz: .venv/.dev
	$(BIN)/python -m tests.fuzz --seconds 600

# The pictures of the pages in docs/images/, as the browser test sees them.
pictures: .venv/.dev
	$(BIN)/python -m tests.setup
	PICTURES=docs/images $(BIN)/pytest tests/browser

# Needs uv; writes lock files with hashes that name no index.
lock:
	uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock
	uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-dev.lock
	uv pip compile -q pyproject.toml --group compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-compile.lock
