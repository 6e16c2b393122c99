# One command each. PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BENCH ?=

.PHONY: run setup test prove check bench clean

run: $(VENV)/.installed
	$(PY) app.py

setup: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed tests/requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	$(PY) tests/browser/install.py
	touch $@

check: setup
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

test: setup
	$(PY) -m pytest

# What is too slow for every change: real trainings that must learn, grids of architectures.
prove: setup
	$(PY) -m pytest -m prove

bench: setup
	$(PY) -m tests.bench $(BENCH)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
