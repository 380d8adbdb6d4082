# make demo | test | test-long | fast | up | check | charts | docs | notebooks | house | walk | bench | coverage | oracle: each does all set-up first. See CONTRIBUTING.md.
.PHONY: setup demo test test-long fast up check charts docs notebooks house walk bench fuzz soak postgres mutants oracle coverage release clean
PYTHON := .venv/bin/python
export DAGSTER_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
# Two tests share two cores, and what a process compiled the next one reads.
export OPENBLAS_NUM_THREADS := 1
unexport PYTHONDONTWRITEBYTECODE
# What waits for a socket or a server leaves its core to others: WORKERS=3 on two cores. The record of seconds is of two.
WORKERS ?= 2
# make test-long WITHIN_S=3000: what has not begun by then is skipped, and says so.
WITHIN_S ?=

setup:
	@bash .ci/setup

demo: setup
	@.venv/bin/meterloom demo --out demo

up: setup
	@[ -f demo/meterloom.yaml ] || .venv/bin/meterloom demo --files-only --out demo
	@exec .venv/bin/meterloom up --project demo

test: setup
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --part core

# What is left: test functions that take long for the cases that they hold. CI runs both.
test-long: setup
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --part long $(if $(WITHIN_S),--within-s $(WITHIN_S))

# While writing: the functions that give most cases for two minutes, by tests/seconds.json, and what is new.
fast: setup
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --part fast

# The same tests with the lines counted, which takes a quarter longer.
coverage: setup
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

check: setup
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/test_layers.py tests/test_sizes.py

# The chart library of the pages, built anew from .ci/charts: the one thing that needs node, and its files are committed.
charts:
	@command -v npm >/dev/null || { echo "charts: node with npm is needed to build the chart library anew" >&2; exit 2; }
	@cd .ci/charts && npm ci --silent --ignore-scripts --no-audit --no-fund && node build.mjs && cat SHA256

# The documentation as a site, into site: strict, without network.
docs: setup
	@$(PYTHON) -m mkdocs build --quiet --strict --clean --config-file .ci/docs/mkdocs.yml

# make notebooks [TWICE=1]: each of notebooks/ on a copy of the demo, its outputs for the site; twice, and compared.
notebooks: setup
	@[ -f demo/meterloom.yaml ] || .venv/bin/meterloom demo --out demo
	@$(PYTHON) .ci/notebooks.py --project demo $(if $(TWICE),--twice)

# How heavy the house is: lines, imports, circles, and the slowest tests.
house: setup
	@$(PYTHON) -m tests.house

# The files that run between a door (shell, API, page) and its answer, for three questions of the demo.
walk: setup
	@[ -f demo/meterloom.yaml ] || .venv/bin/meterloom demo --out demo
	@$(PYTHON) -m tests.house.walk demo

# CVXPY and OpenSTEF, which plans and forecasts are held against, have environments and locks of their own.
# make bench SCALE=200,1000,5000 [MONTHS=12]: instead, what synthetic sites of so many meters cost, into docs/ems/capacity.md.
MONTHS ?= 1
bench: setup
ifdef SCALE
	@$(PYTHON) -m tests.bench.scale_bench --scale $(SCALE) --months $(MONTHS) --docs
else
	@[ -x .bench/bin/python ] || .bootstrap/bin/uv venv --quiet --python $(PYTHON) .bench
	@VIRTUAL_ENV=.bench .bootstrap/bin/uv pip install --quiet --require-hashes -r tests/bench/requirements.lock \
		|| echo "bench: no CVXPY here, its lines say so"
	@[ -x .bench/openstef/bin/python ] || .bootstrap/bin/uv venv --quiet --python $(PYTHON) .bench/openstef
	@VIRTUAL_ENV=.bench/openstef .bootstrap/bin/uv pip install --quiet --require-hashes -r tests/bench/openstef.lock \
		|| echo "bench: no OpenSTEF here, its lines say so"
	@$(PYTHON) -m tests.bench
endif

# make fuzz FORMAT=nem12 COUNT=100000 SEED=1: a long run, taken up again where it was broken off.
FORMAT ?= csv
COUNT ?= 100000
SEED ?= 1
fuzz: setup
	@$(PYTHON) -m tests.fuzz --format $(FORMAT) --count $(COUNT) --seed $(SEED) --resume

# make soak COUNT=1000000 SEED=1: random fault schedules on every core; taken up again; its figures go into the docs.
soak: COUNT = 1000000
soak: setup
	@nice $(PYTHON) -m tests.control_faults.soak --count $(COUNT) --seed $(SEED)

# The whole demo on files and on the empty database of METERLOOM_DATABASE__URL; every figure of both is compared.
postgres: setup
	@test -n "$$METERLOOM_DATABASE__URL" || { echo "set METERLOOM_DATABASE__URL to an empty database" >&2; exit 2; }
	@rm -rf var/same && env -u METERLOOM_DATABASE__URL .venv/bin/meterloom demo --until 2026-01-01 --out var/same/files
	@.venv/bin/meterloom demo --until 2026-01-01 --out var/same/postgres
	@$(PYTHON) -m tests.real.same_figures var/same/files var/same/postgres

# make mutants TARGET=safety SAMPLE=60 SEED=1: by hand, taken up again; its tool has an environment and a lock of its own.
TARGET ?= safety
SAMPLE ?= 60
mutants: setup
	@[ -x .mutants/bin/python ] || .bootstrap/bin/uv venv --quiet --python $(PYTHON) .mutants
	@VIRTUAL_ENV=.mutants .bootstrap/bin/uv pip install --quiet --require-hashes -r tests/mutants/requirements.lock
	@$(if $(filter sql,$(TARGET)),$(PYTHON) -m tests.mutants.sql,.mutants/bin/python -m tests.mutants --target $(TARGET)) \
		--sample $(SAMPLE) --seed $(SEED)

# make oracle BASE=<commit> [ALLOW=corrections.yaml]: what every face of the product answers, then and now.
oracle: setup
	@test -n "$(BASE)" || { echo "name the commit to compare with: make oracle BASE=<commit>" >&2; exit 2; }
	@$(PYTHON) -m tests.oracle commits $(BASE) $(if $(ALLOW),--allow $(ALLOW))

# Wheel, constraints with hashes, list of components and digests of the committed files, into dist: the same bytes each time.
release: setup
	@$(PYTHON) .ci/release.py dist

clean:
	rm -rf demo var dist site dbt_project/target .coverage htmlcov
