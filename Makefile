# Every target works from a fresh clone and installs what it needs.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help run install test check lock

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# exec: so that the supervisor is make's own child, and notices when make is killed.
run: ## Start everything on http://127.0.0.1:8000 (PORT, DATA_DIR); Ctrl-C stops it
	@exec $(PYTHON) -m launcher run

install: ## Make .venv what the requirements files say, with what tests and checks need
	@$(PYTHON) -m launcher install --dev

test: install ## Run every test
	@.venv/bin/python -m pytest

check: install ## Lint, types, import contract, migrations, licences

lock: ## Turn the requirements*.in files into the hashed pins beside them (needs uv)
	@for name in requirements requirements-embedded requirements-dev; do \
	    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	        "$$name.in" -o "$$name.txt" || exit 1; \
	done
