# make demo: the whole road of every document type, on this machine. make test: everything CI asks.
PYTHON ?= python3
RUN := .venv/bin

.PHONY: demo test

demo: .venv/.run
	$(RUN)/tongguan demo

# Acceptance tests wait for real processes: what failed on a busy machine is tried once more, alone, and both runs are shown.
test: .venv/.test
	tools/soft-token
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	PATH="$$PWD/.token/bin:$$PATH" $(RUN)/pytest -q -n 2 || PATH="$$PWD/.token/bin:$$PATH" $(RUN)/pytest -q --last-failed --last-failed-no-failures none

# PyKCS11 needs a C toolchain; without it the demo's cards are software keys.
.venv/.run: pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN)/pip install -q -e '.[pkcs11]' || $(RUN)/pip install -q -e .
	touch $@

.venv/.test: .venv/.run
	$(RUN)/pip install -q -e '.[dev]'
	touch $@
