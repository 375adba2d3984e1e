# `make results` regenerates every table and figure, `make test` runs every test; each sets itself up in .venv first.
PYTHON  ?= python3
PROFILE ?= scenes
SEEDS   ?= 1
GRID    ?= quick
CORES   ?= $(shell getconf _NPROCESSORS_ONLN)
BIN      = .venv/bin
# What a user gives reaches a shell as a variable of its environment, never as a part of the command.
export PROFILE SEEDS GRID CORES

# Trainings run side by side, one thread each: two threads that wait actively beside another load are ten times slower.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false
export PYTHONWARNINGS ?= ignore::SyntaxWarning

.PHONY: results ablations publish test benchmark lab lint notebooks clean

results: .venv/.installed
	$(BIN)/cliplite results "$$PROFILE" seeds="$$SEEDS" grid="$$GRID" cores="$$CORES"

# Everything with intervals: three seeds, and all the values of the ablations where `make results` runs some.
ablations:
	$(MAKE) results SEEDS=3 GRID=full

# For maintainers: what was made of a profile becomes what is published of it.
publish: .venv/.installed
	$(BIN)/cliplite publish "$$PROFILE"

# Unit tests with coverage first; then every notebook again, its checked outputs compared, on the runs of `smoke`.
test: .venv/.installed lint
	$(MAKE) results PROFILE=smoke
	TQDM_DISABLE=1 $(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=90 -n 2 --dist loadfile
	TQDM_DISABLE=1 $(BIN)/pytest notebooks --nbval-lax --nbval-current-env -n 2 --dist loadfile

# How fast each part is beside what one would use instead, on an idle machine: results/benchmarks/.
benchmark: .venv/.installed
	$(BIN)/python benchmarks/run.py

# For whoever edits a notebook: runs the committed copies on `smoke` and keeps their outputs, as nbval wants them.
notebooks: .venv/.installed
	$(MAKE) results PROFILE=smoke
	for path in notebooks/[0-9]*.ipynb; do \
	  TQDM_DISABLE=1 $(BIN)/cliplite notebook "$$(basename "$$path" .ipynb)" || exit 1; \
	  cp "results/local/smoke/$$path" "$$path"; \
	done

lab: .venv/.installed
	$(BIN)/jupyter lab notebooks

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

clean:
	name="$$(basename "$$PROFILE" .toml)" && rm -rf "runs/$${name:?no PROFILE}" "results/local/$$name"

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@
