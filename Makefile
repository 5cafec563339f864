# Every target sets up what it needs. A fresh Debian or Ubuntu wants only make and Python 3.11+ with venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ENVOY_STAMP := .envoy/.installed
KUBE_STAMP := .kube/.installed
# Tests that share nothing, so any process may take any; and those that start Ray, a lab, or hold a clock.
APART := $(addprefix tests/,connectors contract health kubernetes)
ALONE := $(addprefix tests/,benchmarks scheduler/test_fanout.py scheduler/test_pricing_fanout.py simulator/lab \
  simulator/test_sweep.py)
export UV_PYTHON_DOWNLOADS := never
# Without compiled files every process of the tests, of which there are hundreds, would compile its imports anew: 6 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test check bench lock schema clean

install: $(STAMP) $(ENVOY_STAMP)

$(BIN)/uv: requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Equipoise needs Python 3.11 or newer: make PYTHON=python3.12, or sudo apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "The Python venv module is missing: sudo apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(STAMP): $(BIN)/uv requirements/develop.lock pyproject.toml
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/develop.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# No wheel for this platform is not an error: the lab then drives gRPC proxyless clients, and says so.
$(ENVOY_STAMP): $(BIN)/uv requirements/envoy.lock
	@mkdir -p .envoy
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target .envoy --require-hashes -r requirements/envoy.lock \
	  || echo "No Envoy wheel for this platform: gRPC proxyless clients take its place."
	@touch $@

# helm and kubectl, for the tests of the chart. No wheel for this platform is not an error: those tests are skipped.
$(KUBE_STAMP): $(BIN)/uv requirements/kube.lock
	@mkdir -p .kube
	@if $(BIN)/uv pip install --quiet --python $(BIN)/python --target .kube/wheel --no-deps --require-hashes \
	  -r requirements/kube.lock && ls .kube/wheel/aws_cdk/*/_jsii/*.tgz >/dev/null 2>&1; then \
	  tar -xzOf .kube/wheel/aws_cdk/*/_jsii/*.tgz package/lib/layer.zip > .kube/layer.zip \
	  && $(BIN)/python -m zipfile -e .kube/layer.zip .kube && chmod +x .kube/helm/helm .kube/kubectl/kubectl \
	  && rm -rf .kube/layer.zip .kube/wheel; \
	else echo "No helm for this platform: the chart is not tested."; fi
	@touch $@

demo: install
	@$(BIN)/python -m simulator.lab $(ARGS)

# Everything: file by file in two processes, then test by test in two, then one after the other what bears no company.
ifeq ($(strip $(ARGS)),)
test: install $(KUBE_STAMP)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(addprefix --ignore=,$(APART) $(ALONE))
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(APART)
	@$(BIN)/python -m pytest $(ALONE)
else
test: install $(KUBE_STAMP)
	@$(BIN)/python -m pytest $(ARGS)
endif

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/test_style.py

bench: install
	@$(BIN)/python -m benchmarks $(ARGS)

# Resolve the locks anew. They carry hashes and no address, so that any index or mirror serves them.
lock: $(BIN)/uv
	@for name in bootstrap build develop envoy runtime; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url requirements/$$name.in -o requirements/$$name.lock; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-deps \
	  --no-emit-index-url requirements/kube.in -o requirements/kube.lock

schema: install
	@$(BIN)/equipoise schema > config/schema.json

clean:
	rm -rf .venv .envoy .kube .mypy_cache .pytest_cache .ruff_cache
