# Two commands matter on a fresh machine: `make run` and `make test`.

VENV   := .venv
PYTHON := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test check check-python check-web bench lock screenshots test-tools clean

help:
	@echo "make run     start Tellercast in demo mode on http://localhost:8080"
	@echo "make test    install what the tests need, run all of them"
	@echo "make check   format, lint, types, floors, pages"
	@echo "make bench   measure; writes docs/benchmarks.md"
	@echo "make lock    resolve dependencies anew into the lock files"

run: $(VENV)/.run
	@exec $(VENV)/bin/tellercast serve --demo

test: $(VENV)/.dev test-tools node_modules/.installed
	$(PYTHON) -m pytest $(ARGS)
	node --test tests/web/*.test.mjs

test-tools:
	@tools/test-tools.sh

check: $(VENV)/.dev check-python check-web

check-python: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

check-web: node_modules/.installed
	node_modules/.bin/prettier --check --log-level warn "web/**/*.{js,css,html,json}" "tests/web/*.mjs"
	node_modules/.bin/tsc -p web/tsconfig.json

screenshots: $(VENV)/.dev test-tools
	$(PYTHON) -m pytest tests/browser/test_screenshots.py

bench: $(VENV)/.dev test-tools node_modules/.installed
	$(PYTHON) -m bench

lock: $(VENV)/.dev
	tools/lock.sh

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/.run: requirements.lock pyproject.toml
	tools/venv.sh requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	tools/venv.sh requirements-dev.lock
	@touch $@ $(VENV)/.run

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "make check needs Node.js with npm: apt-get install nodejs npm"; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
