PYTHON ?= python3.11
BACKENDS ?= torch tensorflow jax
BIN := .venv/bin

.PHONY: demo test lint serve benchmarks peers export-matrix clean

# Trains three small networks of equal size on upright digits and tests them on turned ones.
demo: .venv/demo
	$(BIN)/keras-gcnn train digits

# The suite once per backend, on all cores; tests marked `backend_free` run under the first only,
# which is the fastest. Every process has one thread: more would fight over the cores.
THREADS := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
test: .venv/test
	@set -e; marks=; for backend in $(BACKENDS); do \
	  echo "== $$backend"; $(THREADS) KERAS_BACKEND=$$backend $(BIN)/python -m pytest -q \
	    --numprocesses auto --dist worksteal -m "$$marks"; \
	  marks="not backend_free"; \
	done

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# A trained P4 network and a plain one that costs as much, on 127.0.0.1:8000; see docs/serving.md.
serve: .venv/serve
	cd examples/serve_ray && ../../$(BIN)/python export_models.py && \
	  RAY_USAGE_STATS_ENABLED=0 RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 PYTHONPATH=. \
	  RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=retry:middlewares ../../$(BIN)/serve run serve.yaml

export-matrix: .venv/test
	$(BIN)/python benchmarks/export_matrix.py

# Writes docs/measured.md and .json, and parts of it in the README and docs/serving.md; see
# docs/benchmarks.md.
benchmarks: .venv/test
	$(BIN)/python benchmarks/run.py --readme README.md --serving docs/serving.md

# The same beside other libraries, each in an environment of its own; one that does not install is
# left out of the table. Writes docs/measured_peers.md and .json.
peers: .venv/test
	-$(MAKE) .venv-peers/escnn/done
	-$(MAKE) .venv-peers/tfp/done
	$(BIN)/python benchmarks/run_peers.py

# Their packages, and those whose own list of dependencies is not followed: it asks for other versions
# or for packages that are not used here.
.venv-peers/%/done: benchmarks/peers/%.txt benchmarks/peers/%-alone.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --requirement benchmarks/peers/$*.txt
	$(@D)/bin/python -m pip install --no-deps --requirement benchmarks/peers/$*-alone.txt
	touch $@

clean:
	rm -rf .venv .venv-peers runs

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[tensorflow]"
	touch $@

.venv/serve: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[tensorflow,onnx,serve]"
	touch $@

.venv/test: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@
