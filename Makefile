# make repro   run what has changed in the pipeline; after `git clone` or `git pull`, first get what the remote has
# make pull    get the artifacts from the remote; run nothing
# make test    lint, then run the test suite
# make test-slow   what takes minutes: kills, full disks, another CPU, a cluster, all documents' commands, sweep
# make bench   compare with what people would write instead; make bench QUICK=1 takes three minutes
# make tutorial   run the commands of docs/tutorial.md and paste their output into it
# make picture   redraw the picture of the report at the top of the README
# All set up .venv first if it is missing or its lock has changed. make lock updates the locks.

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
TABLES := $(VENV)/tables
SITE_CACHE := $(CURDIR)/.dvc/tmp/site-cache
PLOTS := .dvc/tmp/plots.html
UV := VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv
# Bytecode is compiled at install: without it, importing TensorFlow takes four times as long.
INSTALL := $(UV) pip install --quiet --require-hashes --compile-bytecode
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock"

# DVC runs the stages by the name of `python`.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro pull test test-slow bench tutorial picture lint style lock environment test-environment

# A dvc.lock that was not written here is of a run elsewhere: what that has made is on the remote.
repro: environment $(PLOTS)
	@cmp -s dvc.lock .dvc/tmp/dvc.lock && test -d .dvc/cache || $(VENV)/bin/python -m classifier pull --missing
	$(VENV)/bin/dvc repro
	@cp dvc.lock .dvc/tmp/dvc.lock

pull: environment $(PLOTS)
	$(VENV)/bin/python -m classifier pull

# DVC's own page of plots loads its scripts from a network.
$(PLOTS): requirements.txt | environment
	@$(VENV)/bin/python -m tools.plots_page
	@$(VENV)/bin/dvc config --quiet --local plots.html_template tmp/plots.html

test: style  # the other half of lint is one of the tests, so that it runs beside them
	$(VENV)/bin/python -m pytest

test-slow: test-environment
	$(VENV)/bin/python -m pytest -m slow --dist load

bench: test-environment
	$(VENV)/bin/python -m benchmarks $(if $(QUICK),--quick)

tutorial: test-environment
	REGENERATE=1 $(VENV)/bin/python -m pytest --quiet --numprocesses 0 -m slow tests/test_tutorial.py

picture: test-environment
	REGENERATE=1 $(VENV)/bin/python -m pytest --quiet --numprocesses 0 tests/test_report.py -k readme_begins

lint: style
	$(VENV)/bin/mypy --no-error-summary

style: test-environment
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/ruff format --check --quiet
	$(VENV)/bin/python -m tools.check_secrets

lock: environment
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) --group test --constraint requirements.txt --output-file requirements-test.txt
	$(LOCK) --group tables --no-deps --output-file requirements-tables.txt

# A copy of the lock that was installed stands in the environment: a matter of content, not of
# file times, which git does not keep. In a clone that was moved or copied, commands are of another.
environment:
	@cmp -s requirements.txt $(VENV)/requirements.txt && test -x $(VENV)/bin/python && \
		{ test -L $(VENV) || grep -qsF " $(CURDIR)/$(VENV)" $(VENV)/pyvenv.cfg; } || \
		$(MAKE) --no-print-directory $(VENV)
# DVC's site cache holds pickles; where DVC would put it, everybody can write.
	@test -d "$(SITE_CACHE)" || { mkdir -p .dvc/tmp && mkdir -m 700 "$(SITE_CACHE)"; }
	@grep -qsF "site_cache_dir = $(SITE_CACHE)" .dvc/config.local || \
		$(VENV)/bin/dvc config --quiet --local core.site_cache_dir "$(SITE_CACHE)"

test-environment: environment
	@cmp -s requirements-test.txt $(VENV)/requirements-test.txt || \
		{ $(INSTALL) --requirement requirements-test.txt && cp requirements-test.txt $(VENV); }
# Apart from the environment: Keras imports scikit-learn where it finds it, for a second each time.
	@cmp -s requirements-tables.txt $(VENV)/requirements-tables.txt || { rm -rf $(TABLES) && \
		$(UV) pip install --quiet --require-hashes --no-deps --target $(TABLES) \
		--requirement requirements-tables.txt && cp requirements-tables.txt $(VENV); }

.PHONY: $(VENV)
$(VENV):
	@test ! -L $(VENV) || { echo "$(VENV) is a link to an environment with another lock" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(INSTALL) --requirement requirements.txt
	$(UV) pip install --quiet --offline --no-deps --editable .
	cp requirements.txt $(VENV)
