# The verbs a person types. Needs python3 (3.11 or newer, with venv), cargo (1.91 or newer), a C
# compiler and make; everything else goes into .venv, at the versions and hashes in the lock files.

PYTHON ?= python3
BIN := .venv/bin
READY := .stamps/ready
FUZZ_SECONDS ?= 20
MEASURE := $(if $(QUICK),--quick) $(if $(SAVE),--save) $(if $(ONLY),--only "$(ONLY)") \
           $(if $(PLANT),--plant "$(PLANT)")
ATTACKS := --seed $(or $(SEED),1) $(if $(JSON),--json $(JSON)) $(if $(HTML),--html $(HTML))
STORY := $(if $(CHAPTER),--chapter $(CHAPTER)) $(if $(JSON),--json $(JSON)) $(if $(KEEP),--keep)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench mutants lab soak fuzz orders docs vectors lock clean

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY) ## make .venv, install what the lock file names, build the Rust core

$(READY): requirements-dev.lock pyproject.toml Cargo.toml Cargo.lock tools/setup.sh \
          $(shell find rust -type f -not -path '*/target/*')
	@PYTHON=$(PYTHON) tools/setup.sh

demo: $(READY) ## tell the whole story on real processes (CHAPTER=1|2|3, JSON=file, KEEP=1)
	@$(BIN)/glasslock demo $(STORY)

test: $(READY) ## run every test, Python and Rust
	$(BIN)/python -m pytest -q -n 3 --dist worksteal
	cargo test --locked --workspace --exclude glasslock-py

check: $(READY) ## formatters, linters, types, import contracts, crate rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest glasslock._core
	$(BIN)/lint-imports --no-logo
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; \
	else printf '\n!!! cargo-deny is not installed: crate rules were NOT checked !!!\n\n' >&2; fi

bench: $(READY) ## measure every path beside a reference (QUICK=1, ONLY=, SAVE=1, PLANT=), or GROWTH=1, or HELD=1
	@$(BIN)/python -m tests.bench.$(if $(HELD),held $(if $(MOST),--most $(MOST)),$(if $(GROWTH),growth $(if $(ONLY),--only "$(ONLY)"),run $(MEASURE)))

mutants: $(READY) ## prove that every protection is needed: a test fails without it (ONLY=name)
	@$(BIN)/python -m tests.mutants.run $(ONLY)

lab: $(READY) ## attack real parts and judge by evidence (SEED=1, ONLY="id ...", JSON=file, HTML=file)
	@$(BIN)/glasslock lab run $(ATTACKS) $(ONLY)

soak: $(READY) ## kill daemons at chance places for SECONDS (240), and hold memory flat (SEED=1); LOG=1000 kills a log so often
	@$(BIN)/python -m tests.soak.run $(if $(SECONDS),--seconds $(SECONDS)) --seed $(or $(SEED),1) \
	$(if $(LOG),--log $(LOG))

fuzz: $(READY) ## run each file of tests/fuzz for FUZZ_SECONDS
	@$(BIN)/python tools/fuzz.py --seconds $(FUZZ_SECONDS)

orders: $(READY) ## open 1,000 random orders on one history: what was granted, and nothing else (ORDERS=)
	@GLASSLOCK_ORDERS=$(or $(ORDERS),1000) $(BIN)/python -m pytest -q tests/properties/test_random_orders.py

docs: $(READY) ## write the generated pages under docs/reference
	@$(BIN)/python tools/reference.py

vectors: $(READY) ## write the vector files of protocol section 9 anew, after a change of the protocol
	@$(BIN)/python -m tests.vectors.generate

lock: ## resolve the lock files anew from pyproject.toml
	@tools/lock.sh

clean: ## remove what make made, and nothing else
	rm -rf .venv .stamps target .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	       .cache
	rm -f src/glasslock/_core*.so
