# make site   play the sample app's profiles and publish their map into site/
# make serve  show it on http://127.0.0.1:8000
# make test   pass the tests
# make bench  measure what tracing and building cost
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
TESTERS ?= 2
VERSIONS ?= 3.11 3.12 3.13
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: site serve site-httpbin serve-httpbin record pictures test test-all bench lint clean

site: $(INSTALLED)
	@$(BIN)/python -m examples.site watershed

site-httpbin: $(INSTALLED)
	@$(BIN)/python -m examples.site httpbin

serve: $(INSTALLED)
	@$(BIN)/python -m examples.site watershed --serve --port $(PORT)

serve-httpbin: $(INSTALLED)
	@$(BIN)/python -m examples.site httpbin --serve --port $(PORT)

# Record the sample profiles anew in headless Chromium.
record: $(INSTALLED)
	@$(BIN)/python -m examples.record

# Take the documentation's pictures of the site that `make site` made.
pictures: $(INSTALLED)
	@$(BIN)/python -m examples.pictures

# A file's tests stay on one process; with TESTERS=0 they run one after the other and say more.
test: $(INSTALLED)
	@$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

# The whole test suite on every supported CPython that this machine has.
test-all:
	@set -e; for version in $(VERSIONS); do \
	  python=$$(for candidate in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
	    $$candidate -c 'import sys; print(sys.executable)' 2>/dev/null && break; done || true); \
	  if [ -z "$$python" ]; then echo "CPython $$version is not on this machine"; continue; fi; \
	  echo "== CPython $$version"; COVATLAS_WHOLE=1 $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version; \
	done

# Ratios with their noise; another interpreter: make bench PYTHON=python3.13 VENV=.venv-3.13
bench: $(INSTALLED)
	@$(BIN)/python -m tests.bench.tracing
	@$(BIN)/python -m tests.bench.site

lint: $(INSTALLED)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

$(INSTALLED): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit("Covatlas needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps httpbin==0.10.4
	@touch $@

clean:
	@rm -rf site site-httpbin build dist .venv .venv-*
	@find cache -mindepth 1 ! -name README.md ! -name .gitignore -delete
