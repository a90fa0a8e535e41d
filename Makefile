# Every target works from a fresh clone and installs what it needs.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help run install test test-slow mutants chaos bench check licences messages lock

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# exec: so that the supervisor is make's own child, and notices when make is killed.
run: ## Start everything on http://127.0.0.1:8000 (PORT, DATA_DIR); Ctrl-C stops it
	@exec "$(PYTHON)" -m launcher run

install: ## Make .venv what the requirements files say, with what tests and checks need
	@"$(PYTHON)" -m launcher install --dev

# Two workers, each with servers of its own: many tests wait. A file stays with one of them, for its fixtures.
PYTEST := TESTS_HANDED_OUT=1 .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: install ## Run the tests (10 minutes on 2 cores)
	@$(PYTEST)

test-slow: install ## Run what is too long for each change: every lost answer, every upgrade, other Pythons, …
	@$(PYTEST) -m slow

mutants: install ## Break each mechanism by a small patch, and see its test turn red (half an hour)
	@.venv/bin/python -m tests.mutants

chaos: install ## Kill everything everywhere and see what arrives (20 minutes)
	@.venv/bin/python -m tests.chaos

bench: install ## Measure, and write docs/benchmarks.md (15 minutes; BENCH=quick 3, BENCH=schedules 18)
	@case "$(BENCH)" in \
	    "") .venv/bin/python -m benchmarks --write ;; \
	    quick) .venv/bin/python -m benchmarks --quick ;; \
	    schedules) .venv/bin/python -m benchmarks.schedulers --write && .venv/bin/python -m benchmarks.schedules --write ;; \
	    *) echo "BENCH is quick or schedules, or nothing for the tables of speed and scale." >&2; exit 1 ;; \
	esac

# Licences that run-time packages may have, as their metadata writes them. Development packages are not judged, since they are
# not distributed: relatives of icalendar under the LGPL may be installed for tests, and would be refused at run time.
# LGPL: psycopg and python-crontab, used as they are and replaceable.
LICENCES := MIT;MIT License;MIT-0;MIT OR Apache-2.0;BSD License;BSD-3-Clause;PSF-2.0;LGPL-3.0-only;LGPLv3
LICENCES := $(LICENCES);Apache-2.0;Apache Software License;Apache Software License; BSD License;BSD 3-Clause OR Apache-2.0
LICENCES := $(LICENCES);Apache-2.0 OR BSD-2-Clause;Apache-2.0 AND BSD-2-Clause;MIT-CMU
# BSD-2-Clause has one condition less than BSD-3-Clause, ISC the same conditions in fewer words, 0BSD none.
LICENCES := $(LICENCES);BSD-2-Clause;ISC;ISC License (ISCL);0BSD
# Both are on the list already; pip-licenses compares text and does not evaluate OR.
LICENCES := $(LICENCES);Apache-2.0 OR BSD-3-Clause
# pypdfium2: its wheel holds PDFium and what that is made with, under permissive licences whose texts come along.
LICENCES := $(LICENCES);BSD-3-Clause, Apache-2.0, dependency licenses
# MPL-2.0 is copyleft for the files under it, and both packages are used unmodified. Any other package under it is refused.
MPL := MPL-2.0;Mozilla Public License 2.0 (MPL 2.0)
MPL_PACKAGES := certifi fido2
RUN_TIME_PACKAGES = $(shell sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' requirements.txt requirements-s3.txt)

# A part of check, by itself so that a test can ask about other packages. --fail-on, because --allow-only lets a package with
# several licences pass if one of them is on the list.
licences: install
	@.venv/bin/pip-licenses --from=mixed --allow-only="$(LICENCES)" --fail-on="$(MPL)" \
	    --ignore-packages $(MPL_PACKAGES) --packages $(RUN_TIME_PACKAGES)
	@.venv/bin/pip-licenses --from=mixed --allow-only="$(LICENCES);$(MPL)" --packages $(MPL_PACKAGES)

# One line for each check; what a check said follows only where it failed. The settings are read, but no server is asked.
check: install ## Lint, format, types, import contract, migrations, schema, licences, pins
	@export DATABASE_URL=postgresql://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0 SECRET_KEY=for-checks; \
	PATH="$$PWD/.venv/bin:$$PATH"; failed=; \
	check() { \
	    name=$$1; shift; \
	    if said=$$("$$@" 2>&1); then echo "$$name: ok"; else failed=1; echo "$$name: FAILED"; echo "$$said"; fi; \
	}; \
	check "lint (ruff check)" ruff check .; \
	check "format (ruff format)" ruff format --check .; \
	check "types (mypy)" mypy .; \
	check "imports (lint-imports)" lint-imports; \
	check "migrations (makemigrations --check)" python manage.py makemigrations --check --dry-run; \
	check "migrations stand still (tests.migrations)" python -m tests.migrations; \
	check "schema (spectacular)" python manage.py spectacular --validate --fail-on-warn --file /dev/null; \
	check "licences (pip-licenses)" $(MAKE) --no-print-directory licences; \
	check "pins (pip)" python -m pip install --dry-run --no-index --no-deps --disable-pip-version-check --quiet \
	    -r requirements.in -r requirements-s3.in -r requirements-dev.in; \
	test -z "$$failed"

messages: install ## Bring the translations up to date with the texts in the code; NEW=de begins one
	@.venv/bin/python -m languages.messages $(NEW)

lock: ## Turn the requirements*.in files into the hashed pins beside them (needs uv)
	@for name in requirements requirements-embedded requirements-s3 requirements-dev; do \
	    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	        "$$name.in" -o "$$name.txt" || exit 1; \
	done
