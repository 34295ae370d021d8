# Two commands: `make run` starts ivrd with sample data, `make test` proves it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# what `make run` starts: telecom (here), or mobile, water, property, list (in folders of their own)
PROFILE ?=
SAMPLE = $(if $(filter-out telecom,$(PROFILE)),var/$(PROFILE),.)

.PHONY: run asterisk test check bench bench-asterisk soak prompts wheel clean

run: $(READY)  ## the daemon on the software card with sample data, shown live
	@$(BIN)/ivrd sample-data --keep $(if $(PROFILE),--profile '$(PROFILE)') '$(SAMPLE)'
	@$(BIN)/ivrd --config '$(SAMPLE)/ivrd.toml' run --watch

asterisk: $(READY)  ## a private Asterisk and ivrd on it, for a softphone; first tests/real/setup
	@$(BIN)/python -m tests.asterisk_at_hand

test: check  ## everything that CI runs
	$(BIN)/pytest

check: $(READY)  ## lint, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy ivrd drivers sim tests bench
	$(BIN)/pytest -q tests/test_import_direction.py

bench: $(READY)  ## measured, as tables of ratios; docs/performance.md keeps the last ones
	$(BIN)/python -m bench

bench-asterisk: $(READY)  ## ivrd and three peers on a private Asterisk; first tests/real/setup
	$(BIN)/python -m bench.asterisk

soak: $(READY)  ## a day of the daemon at 60 times its speed, a dunning node killed 200 times, Asterisk under calls
	$(BIN)/python -m bench.soak
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.asterisk.soak

prompts: $(READY)  ## synthesise the voice files that are missing; needs espeak-ng
	for trade in voice_prompts/trades/*/; do $(BIN)/ivrd prompts make --trade "$$trade"; done

wheel: $(READY)
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build var .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ivrd needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv is missing; install it with: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[voice,dev]'
	@touch $(READY)
