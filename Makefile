# Every target sets up what it needs: a virtual environment with the locked packages, created only once.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# checkov pins versions that do not fit the sandbox, so it has an environment of its own.
CHECKOV := .venv-checkov
# What only the benches need: their report draws pictures, and their rivals send events.
REPORT := .venv-report
# What writes and compiles the types for receivers. Without npm, or its registry, the tests of it are skipped.
NODE_TOOLS := node_modules/.ready
export SAM_CLI_TELEMETRY = 0
# Some people let pip install for the user by default; in a virtual environment that is an error.
export PIP_USER = 0

help: ## list all targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "vidhook needs Python 3.11 or later; $(PYTHON) is `$(PYTHON) -V 2>&1`. Choose another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "vidhook needs Python's venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

setup: $(READY) ## set up the virtual environment
demo: $(READY) ## run the whole stack on this machine: sample providers, videos in S3, signed webhooks
	@$(BIN)/vidhook demo
# The end to end tests wait more than they work, so there is one worker more than there are processors.
WORKERS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1 )))
test: $(READY) node-tools ## run every fast test
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"
test-slow: $(READY) node-tools ## run the tests that take minutes
	@$(BIN)/pytest -n $(WORKERS) -m slow
screenshots: $(READY) ## write the pictures of the console in docs/images (needs Chromium)
	@VIDHOOK_SCREENSHOTS=1 $(BIN)/pytest -q tests/browser/test_pictures.py
coverage: export PYTEST_ADDOPTS = --cov --cov-report=term
coverage: test ## run every fast test, and measure the coverage of the package and the functions; fails below the gate
check: $(READY) ## run ruff, mypy, the import rules, cfn-lint and sam validate
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml
	$(BIN)/sam validate --lint
$(NODE_TOOLS): package-lock.json
	@echo "setting up node_modules (once)"
	@npm ci --no-audit --no-fund --silent --fetch-retries=1
	@touch $@
node-tools:
	@! command -v npm >/dev/null 2>&1 || $(MAKE) -s --no-print-directory $(NODE_TOOLS) \
	  || echo "npm cannot set up node_modules, so the tests of the types are skipped" >&2
types: $(READY) $(NODE_TOOLS) ## write the types of the events and of the HTTP API into docs/receivers (needs npm)
	@$(BIN)/python -m tests.typed
$(CHECKOV)/.ready: requirements-checkov.lock
	@echo "setting up $(CHECKOV) (once)"
	@$(PYTHON) -m venv --clear $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-checkov.lock
	@touch $@
checkov: $(READY) $(CHECKOV)/.ready ## run the security scan of the template as written and as expanded
	@mkdir -p build && $(BIN)/python tests/expanded.py > build/expanded.json
	$(CHECKOV)/bin/checkov --config-file .checkov.yaml -f template.yaml build/expanded.json
# The functions run on the Python that builds them, so that their layer has its bytecode.
RUNTIME ?= $(shell $(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
COMPILER ?= $(CURDIR)/$(BIN)/python
ENV ?= default
build: $(READY) ## build what `make deploy` uploads
	@case "$(RUNTIME)" in python3.1[1-4]) ;; *) echo "AWS Lambda runs python3.11 to python3.14, not $(RUNTIME)." \
	  "Choose: make build RUNTIME=python3.14 COMPILER=/path/to/python3.14" >&2; exit 1;; esac
	PATH="$(CURDIR)/$(BIN):$$PATH" RUNTIME="$(RUNTIME)" COMPILER="$(COMPILER)" $(BIN)/sam build --no-cached
# The SAM CLI packages functions/ as it is. Unlike the layer's, this bytecode stays in the checkout, so its source is checked.
	@! command -v "$(COMPILER)" >/dev/null || \
	  "$(COMPILER)" -I -m compileall -q -f --invalidation-mode checked-hash -s functions -p /var/task functions
	@cd .aws-sam/build/VidhookLayer && files=`find . -name '*.py' | wc -l` && made=`find . -name '*.pyc' | wc -l` \
	  && if [ $$made -eq $$files ]; then echo "bytecode for $(RUNTIME): $$made of $$files files"; else \
	  echo "WARNING: bytecode: $$made of $$files files, so functions start slowly. It takes a Python of the functions' version:" >&2; \
	  echo "make build RUNTIME=python3.12 COMPILER=/path/to/python3.12" >&2; fi
# What samconfig.toml gives the template, since --parameter-overrides takes the place of all of it.
OVERRIDES = $(BIN)/python -c 'import sys, tomllib; known = tomllib.load(open("samconfig.toml", "rb")); del known["version"]; \
  sys.argv[1] in known or sys.exit(f"samconfig.toml has no {sys.argv[1]!r}: choose one of ENV=" + ", ENV=".join(known)); \
  print(known[sys.argv[1]]["deploy"]["parameters"]["parameter_overrides"], "Runtime=$(RUNTIME)")' "$(ENV)"
stage:
	@$(OVERRIDES) > /dev/null
deploy: stage build ## deploy to AWS, with samconfig.toml; ENV=prod for its other stage
	$(BIN)/sam deploy --config-env $(ENV) --parameter-overrides `$(OVERRIDES)`
bench-pace: $(READY) ## measure how well the pauses are chosen, compared with the loops that others recommend
	@$(BIN)/python -m bench.pace
bench-start: $(READY) ## measure how light functions start, compared with a plain `sam build`
	@$(BIN)/python -m bench.start
bench-copy: $(READY) ## measure how fast a video gets into S3, compared with curl and what others would use; some minutes
	@$(BIN)/python -m bench.copying
bench-flow: $(READY) ## measure that many watches at once are all told once, in the sandbox; a quarter of an hour
	@$(BIN)/python -m bench.flow --large
bench-fanout: $(READY) $(REPORT)/.ready ## measure how fast one event gets to many subscribers, compared with what one would use; twenty minutes
	@$(BIN)/python -m bench.fanout
bench-find: $(READY) ## measure how a task is found by its reference among a million, compared with a scan
	@$(BIN)/python -m bench.finding
$(REPORT)/.ready: requirements-bench.lock
	@echo "setting up $(REPORT) (once)"
	@$(PYTHON) -m venv --clear $(REPORT)
	@$(REPORT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	@touch $@
bench-report: $(REPORT)/.ready ## write docs/performance.md and its pictures from what the benches measured
	@$(REPORT)/bin/python bench/report.py
bench: ## measure all of it, and write docs/performance.md; about an hour and a half
	@$(MAKE) --no-print-directory bench-pace bench-start bench-copy bench-flow bench-fanout bench-find
	@$(MAKE) --no-print-directory bench-report
sandbox: $(READY) ## run the stack on this machine until interrupted
	@$(BIN)/vidhook sandbox
lock: ## write the lock files from the ranges in pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras pyproject.toml -o requirements.lock
	cd layers/vidhook && uv pip compile --universal --python-version 3.11 --generate-hashes --constraint ../../requirements.lock requirements.in -o requirements.txt
	printf '%s\n' 'matplotlib>=3.10,<4' 'aiohttp>=3.12,<4' 'httpx>=0.28,<1' | uv pip compile --universal --python-version 3.11 --generate-hashes - -o requirements-bench.lock
	echo 'checkov>=3.2,<4' | uv pip compile --universal --python-version 3.11 --generate-hashes - -o requirements-checkov.lock
clean: ## remove all that was built
	rm -rf $(VENV) $(CHECKOV) $(REPORT) node_modules .aws-sam build
.PHONY: help setup stage node-tools demo test test-slow screenshots coverage check checkov types build deploy bench bench-pace bench-start bench-copy bench-flow bench-fanout bench-find bench-report sandbox lock clean
