# The checks run the same commands as a developer. `make run` needs only Python 3.11 or newer.

PYTHON ?= python3
BIN = .venv/bin
export PORT ?= 8888

.PHONY: run unit test test-again test-setup check lint types imports bench score delivery fuzz clean

run: .venv/installed
	@$(BIN)/python run.py demo

# Needs only Python packages: no apt, browser, Node, Dovecot or nginx. tests/support/selection.py lists what it leaves out.
unit: .venv/tested
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not external and not slow"

# Everything; installs from Debian what is missing.
test: test-setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# What failed in the last run, once more and one test at a time.
test-again: .venv/tested
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

check: lint test

lint: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

bench: .venv/tested
	@tests/setup.sh gcc isync nginx-light libnginx-mod-nchan
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench

# How many fields are read rightly from labelled mail: our own, and those in the folder CORPUS (see docs/reading.md).
score: .venv/tested
	@$(BIN)/python -m tests.score $(CORPUS)

# Hundreds of clients through every fault, with measurements: see docs/delivery.md.
delivery: test-setup
	$(BIN)/python -m pytest -q -s tests/faults/test_delivery*.py tests/faults/test_leaving.py tests/faults/test_restart.py

# Looks for inputs that break a reader: see CONTRIBUTING.md. Its library is installed here, since no test needs it.
TARGET ?= message
SECONDS ?= 60
fuzz: .venv/tested
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS)

test-setup: .venv/tested
	@tests/setup.sh

.venv/installed: setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tubepost needs Python 3.11 or newer; PYTHON=… names it")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/tested: .venv/installed
	@echo "Installing what the tests need (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

clean:
	rm -rf .venv *.egg-info
