# Two commands: `make up` runs the whole system, `make test` tests it. ARGS goes to the command behind a target:
#   make up ARGS="--port 5001 --tasks my.module"      make test ARGS="tests/unit -k catalog"

.DEFAULT_GOAL := help
.PHONY: help up test soak lint format docs lock clean dev

UV := tools/uv
export UV_PROJECT_ENVIRONMENT ?= .venv
BIN := $(UV_PROJECT_ENVIRONMENT)/bin
# The project's own environment is meant, whichever is activated; and the system's Python, not a download.
unexport VIRTUAL_ENV
export UV_PYTHON_DOWNLOADS ?= never

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Run the whole system on this machine; Ctrl-C stops it, and its data stay in .async-tasks
	@tools/sync --no-dev --inexact
	@exec $(BIN)/async-tasks up $(ARGS)

test: dev ## Lint, then run every test on real servers; installs RabbitMQ, Redis, Chromium and faketime when missing
	@tools/ensure-system-packages
	@$(MAKE) --no-print-directory lint
	@$(BIN)/pytest --numprocesses=3 --dist=loadfile $(ARGS)

soak: dev ## Kill and cut off every part under load for ten minutes, then reckon up; see benchmarks/README.md
	@tools/ensure-system-packages
	@$(BIN)/python -m benchmarks.soak $(ARGS)

lint: dev ## Check style, types, the direction of imports, the lock file and the scripts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(UV) lock --check
	@if command -v shellcheck >/dev/null; then shellcheck tools/uv tools/sync tools/ensure-system-packages .ci/run; fi

format: dev ## Mend what can be mended by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: dev ## Write what follows from the code: the reference of the settings, the client without async
	$(BIN)/python tools/write_settings_reference.py
	$(BIN)/python tools/write_sync_client.py

lock: ## Bring uv.lock up to what pyproject.toml asks for
	$(UV) lock

clean: ## Remove what the other targets made, but not your data in .async-tasks
	rm -rf .venv .tools dist test-artifacts .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests -name __pycache__ -type d -exec rm -rf {} +

dev:
	@tools/sync
