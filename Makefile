# Thin aliases: `make bench` and `make test` set everything up by themselves.

PYTHON ?= python3.11
SUITE ?= quick
WORKERS ?= 0
ARGS ?=
DATA ?= $(TABSTEP_DATA)
OFFLINE_PYTHON ?= 3.12

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: bench test test-gate test-all lint report tables leaderboard list perf docs offline gpu-check clean

bench: $(READY)
	$(BIN)/tabstep run $(SUITE) --workers $(WORKERS) $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow and not whole" $(ARGS)

test-gate: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-all: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

report: $(READY)
	$(BIN)/tabstep report $(SUITE)

tables: $(READY)
	$(BIN)/tabstep tables $(ARGS)

leaderboard: $(READY)
	$(BIN)/tabstep leaderboard $(ARGS)

# How near hot paths are to the machine's arithmetic; COMPARE=REV measures another revision in turns with this tree.
perf: $(READY)
	$(BIN)/tabstep study perf $(if $(COMPARE),--compare $(COMPARE)) $(ARGS)

# A folder for a machine with a card and without internet, and the one command there: docs/offline.md.
offline: $(READY)
	$(BIN)/python -m tabstep.sharing.offline --data "$(DATA)" --python $(OFFLINE_PYTHON) --dataset "$(DATASET)" --carry "$(CARRY)"

gpu-check:
	$(MAKE) -C offline gpu-check

# The site, in build/site: pages are linked, not copied, so that links are the same here and there.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	mkdir -p build/pages build/package
	ln -sfn $(CURDIR)/bench build/package/tabstep
	for part in docs results README.md CONTRIBUTING.md CHANGELOG.md LICENSE; do ln -sfn $(CURDIR)/$$part build/pages/$$part; done
	$(BIN)/mkdocs build --strict --quiet

list: $(READY)
	$(BIN)/tabstep list

# The type check reads an installed copy, so that it sees the package under its own name.
lint: $(READY)
	$(BIN)/ruff check bench baselines tests docs
	$(BIN)/ruff format --check bench baselines tests docs
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --target build/typecheck .
	cd build/typecheck && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p tabstep

# Installed again only when the pins or the project's metadata change. Nothing is compiled before it is imported.
$(READY): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt setuptools wheel torch
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-build-isolation --constraint constraints.txt --editable ".[sdv,dev]"
	touch $(READY)

clean:
	rm -rf build .pytest_cache .ruff_cache .mypy_cache results/quick results/smoke results/own
