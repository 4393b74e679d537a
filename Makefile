# make demo: the whole road of every document type, on this machine. make test: checks and tests;
# LONG=1 make test: also the tests that must be long (a crash at every commit, kills, brokers in trouble, benches, the fuzzer), as CI does.
PYTHON ?= python3
RUN := .venv/bin
CLIENT := docs/integrators/javascript

.PHONY: demo test

demo: .venv/.run
	$(RUN)/tongguan demo

# Tests that wait for processes may be tried twice (tools/run-tests says which and how many); a file's tests stay in one worker, and
# those that last longest, crash, flow and the fuzzer, come first.
test: .venv/.test $(if $(shell command -v npm 2>/dev/null),$(CLIENT)/node_modules/.package-lock.json)
	tools/soft-token
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	PATH="$$PWD/.token/bin:$$PATH" $(RUN)/python tools/run-tests -n 4 --dist loadfile --no-loadscope-reorder $(if $(LONG),,-m "not long")

# PyKCS11 needs a C toolchain; without it the demo's cards are software keys.
.venv/.run: pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN)/pip install -q -e '.[pkcs11]' || $(RUN)/pip install -q -e .
	touch $@

.venv/.test: .venv/.run
	$(RUN)/pip install -q -e '.[dev]'
	touch $@

# The example client in JavaScript, which a test plays; where its packages are not to be had the test is skipped, in CI it fails.
$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json
	npm ci --prefix $(CLIENT) --no-audit --no-fund --ignore-scripts || test -z "$(CI)"
