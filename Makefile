PYTHON ?= python3.11
BACKENDS ?= torch tensorflow jax
BIN := .venv/bin

.PHONY: demo test test-thorough test-lowest lint dist docs docs-serve play serve benchmarks \
  benchmarks-gpu peers export-matrix clean

# Trains five small networks of equal size on digits and tests them on rotated ones.
demo: .venv/demo
	$(BIN)/keras-gcnn train digits

# The suite once per backend, on all cores; tests marked `backend_free` run under the first only,
# which is the fastest. Every process has one thread: more would fight over the cores.
THREADS := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
define suite
	@set -e; marks=; for backend in $(BACKENDS); do \
	  echo "== $$backend"; $(THREADS) KERAS_BACKEND=$$backend $(BIN)/python -m pytest -q \
	    --numprocesses auto --dist worksteal -m "$$marks" $(LEVEL); \
	  marks="not backend_free"; \
	done
endef
test: .venv/test
	$(suite)

# Also every pair of settings, more networks and seeds, long trainings; see tests/README.md.
test-thorough: LEVEL := --thorough
test-thorough: .venv/test
	$(suite)

# The same with the lowest versions that pyproject.toml allows.
test-lowest: BIN := .venv-lowest/bin
test-lowest: .venv-lowest/done
	$(suite)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Builds the wheel and the source archive, then installs the wheel into a fresh environment outside
# the clone and trains there, so that nothing of the clone is used.
TRIAL := $(or $(TMPDIR),/tmp)/keras-gcnn-dist
dist: .venv/test
	rm -rf dist $(TRIAL)
	$(BIN)/python -m build
	$(PYTHON) -m venv $(TRIAL)/env
	$(TRIAL)/env/bin/python -m pip install --constraint constraints.txt \
	  "$$(ls $(CURDIR)/dist/*.whl)[jax]"
	cd $(TRIAL) && KERAS_BACKEND=jax env/bin/keras-gcnn train digits --epochs 1 --subset 200 \
	  --run-dir run
	rm -rf $(TRIAL)

# The site, into site/. The reference is read from the library, which needs one backend, and the
# tutorials are run, some minutes; their outputs are kept until they or the library change.
docs: .venv/docs website/node_modules/done docs/play/parts/done
	KERAS_BACKEND=jax $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet \
	  --conf-dir website --doctree-dir .venv/doctrees . site

docs-serve: docs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8080

# The page to play with, which is part of the site: turn a digit, and three networks answer.
play: docs
	@echo "Open http://127.0.0.1:8080/docs/play/"
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8080

# A trained P4 network and a plain one that costs as much, on 127.0.0.1:8000; see docs/serving.md.
serve: .venv/serve
	cd examples/serve_ray && ../../$(BIN)/python export_models.py && \
	  RAY_USAGE_STATS_ENABLED=0 RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 PYTHONPATH=. \
	  RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=retry:middlewares ../../$(BIN)/serve run serve.yaml

export-matrix: .venv/test
	$(BIN)/python -m benchmarks.studies.export_matrix

# Writes docs/measured.md and .json, and parts of it in docs/costs.md and docs/exported.md; see
# docs/benchmarks.md.
benchmarks: .venv/test
	$(BIN)/python -m benchmarks.run --summary docs/costs.md --exported docs/exported.md

# The same beside other libraries, each in an environment of its own; one that does not install is
# left out of the table. Writes docs/measured_peers.md and .json.
peers: .venv/test
	-$(MAKE) .venv-peers/escnn/done
	-$(MAKE) .venv-peers/tfp/done
	$(BIN)/python -m benchmarks.run_peers

# On a GPU, in at most ten minutes: against stock layers, and against escnn. Needs the backends' own
# packages for GPUs in .venv and .venv-peers/escnn. Writes into runs/benchmarks-gpu.
GPU := --device gpu --folder runs/benchmarks-gpu
benchmarks-gpu: .venv/test
	$(BIN)/python -m benchmarks.run layers point_groups steerable settings $(GPU) --steps 20
	-$(MAKE) .venv-peers/escnn/done
	$(BIN)/python -m benchmarks.run_peers c4 so2 c8 d8 $(GPU) --rounds 5

# Installs the packages of NAME.txt, then those of NAME-alone.txt without their dependencies, which ask
# for other versions or for packages that are not used here.
.venv-peers/%/done: benchmarks/peers/%.txt benchmarks/peers/%-alone.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --requirement benchmarks/peers/$*.txt
	$(@D)/bin/python -m pip install --no-deps --requirement benchmarks/peers/$*-alone.txt
	touch $@

clean:
	rm -rf .venv .venv-lowest .venv-peers dist jupyter_execute runs site website/node_modules \
	  docs/play/parts docs/play/runtime

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[tensorflow]"
	touch $@

.venv/serve: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[tensorflow,onnx,serve]"
	touch $@

.venv/docs: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[docs]"
	touch $@

# KaTeX, which typesets formulas in the browser, and ONNX Runtime Web, which runs networks there.
website/node_modules/done: website/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --prefix website
	touch $@

# The networks and the runtime of the page to play with.
docs/play/parts/done: .venv/docs website/node_modules/done website/play/build.py \
    website/play/autoencoder.toml website/play/autoencoder.weights.h5 \
    $(wildcard keras_gcnn/zoo/trained/*-mnist.weights.h5)
	KERAS_BACKEND=tensorflow $(BIN)/python -m website.play.build
	touch $@

.venv/test: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

# On Linux with x86-64 and CPython 3.11; constraints-lowest.txt has every package, so that pip resolves
# nothing. Its torch is not the lowest, which PyPI has with gigabytes of CUDA only. For that one: put
# torch==2.7.0 into the file and
# `make test-lowest LOWEST_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"`.
.venv-lowest/done: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --no-deps --only-binary :all: --no-binary promise \
	  $(LOWEST_INDEX) --requirement constraints-lowest.txt
	.venv-lowest/bin/python -m pip install --no-deps --no-build-isolation --editable .
	touch $@
