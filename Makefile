# Every target sets up what it needs by itself. Of the machine it wants make and Python, no more.

PYTHON ?= python3
N ?= 20000
MACHINE_PATH := $(PATH)
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup test check format demo sandbox soak bench build lock clean distclean ready

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ready ## install what is needed into .venv and node_modules, and do nothing else
	@echo "Ready: .venv/bin/python, .venv/bin/node, node_modules/.bin/cdk"

demo: ready ## watch a cluster being patched, on a local AWS (under three minutes)
	@.venv/bin/python -m sandbox.demo

sandbox: ready ## keep a local AWS with a HyperPod cluster running, for a second terminal
	@.venv/bin/python -m sandbox up

test: ready ## run the tests; make test ARGS="-k words -x" runs some of them
ifdef ARGS
	.venv/bin/python -m pytest $(ARGS)
else # The lifecycles take both cores by themselves; all the rest shares them.
	.venv/bin/python -m pytest tests/simulation/test_lifecycles.py
	.venv/bin/python -m pytest -n 2 --dist loadfile --ignore tests/simulation/test_lifecycles.py
endif

soak: ready ## more randomized lifecycles; make soak N=200000 SEED=1
	.venv/bin/python -m tests.simulation.soak $(N) $(if $(SEED),--seed $(SEED))

bench: ready ## measure side by side, and write docs/benchmarks.md (six minutes)
	.venv/bin/python -m benchmarks

check: ready ## format, lint, import and type gates, all of them even if one fails
	@failed=; for gate in 'ruff format --check' 'ruff check' 'lint-imports --no-logo --no-cache' mypy pyright; do \
		echo "$$gate"; $$gate || failed="$$failed ($$gate)"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

format: ready ## format the code and mend what ruff can mend
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

build: ready ## the wheel and the source archive, into dist
	rm -rf dist
	.venv/bin/hatchling build

lock: ready ## pin anew what pyproject.toml and package.json ask for
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --group dev --no-header \
		--output-file requirements-dev.txt pyproject.toml
	.venv/bin/npm install --package-lock-only --ignore-scripts --no-audit --no-fund \
		--omit-lockfile-registry-resolved

clean: ## remove what was built, and caches
	rm -rf dist cdk.out __pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find constructs lambda sandbox benchmarks tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove what set-up installed as well
	rm -rf .venv node_modules

ready:
	@PATH="$(MACHINE_PATH)" $(PYTHON) tools/prepare.py
