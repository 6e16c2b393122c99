# One command each. PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BENCH ?=
# LOCKED=1 installs exactly the files whose hashes lie in locks/; torch and what its builds need are left out there.
LOCKED ?=
LOCK := locks/$(if $(filter Windows_NT,$(OS)),windows,$(if $(filter Darwin,$(shell uname)),macos,linux)).txt
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: run setup test prove check check-types check-rest bench lock audit clean

run: $(VENV)/.installed
	$(PY) app.py

setup: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
ifdef LOCKED
	$(PY) $(INSTALL) $(shell grep '^torch==' requirements.txt)
	$(PY) $(INSTALL) --require-hashes --no-deps -r $(LOCK)
else
	$(PY) $(INSTALL) -r requirements.txt
endif
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed tests/requirements.txt
	$(PY) $(INSTALL) -r tests/requirements.txt
	$(PY) tests/browser/install.py
	$(PY) -m tests.postgres
	touch $@

# The page's scripts are checked by node, which the page itself does not need.
tests/js/node_modules/.installed: tests/js/package-lock.json
	cd tests/js && npm ci --silent --no-audit --no-fund
	touch $@

# `make -j2 check` has the types, which take as long as all the rest, checked beside it.
check: check-types check-rest

check-types: setup
	$(PY) -m mypy

check-rest: setup tests/js/node_modules/.installed
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports
	$(PY) -m tests.words
	npm --silent --prefix tests/js run check

# Tests of one file share what its fixtures made, so that a file is never split between processes.
EACH_CORE := -n auto --dist loadfile
# What drives a browser or trains the starter model waits half its time, and two of them fill a machine of any size.
TWO := -n 2 --dist loadfile

test: setup
	$(PY) -m pytest tests/unit tests/contracts $(EACH_CORE)
	$(PY) -m pytest tests/real tests/browser $(TWO)

# What is too slow for every change: real trainings that must learn, grids of architectures.
prove: setup
	$(PY) -m pytest -m prove tests/unit tests/contracts tests/prove $(EACH_CORE)
	$(PY) -m pytest -m prove tests/real tests/browser $(TWO)

bench: setup
	$(PY) -m tests.bench $(BENCH)

# Every package with the hashes of its files, for each platform: after a change of requirements.txt.
lock: setup
	$(PY) -m locks.locking lock

# Whether a locked package is known to be vulnerable; offline it says 'not run'.
audit: setup
	$(PY) -m locks.locking audit

clean:
	rm -rf $(VENV) tests/js/node_modules .pytest_cache .mypy_cache .ruff_cache
