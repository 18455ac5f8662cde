# make demo, test, lint, kernels, gpu, bench, clean. VENV=folder and PYTHON=interpreter choose others.

VENV ?= .venv
# The newest that runs and can make environments: a name on the path alone may be a stand-in of a version manager.
TRIAL = import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(TRIAL)' 2> /dev/null && echo $$p && break; done)
RUN = $(VENV)/bin

.PHONY: demo test lint bench clean kernels kernels-tsan gpu gpu-test gpu-sanitize gpu-bench

# Fetches MNIST, trains with a live bar, prints the test accuracy, saves the model and a learning curve.
demo: $(VENV)/installed-plot
	$(RUN)/gpubp train mnist --hidden 512,512 --epochs 10 --dropout 0.3 \
		--model mnist.safetensors --curve mnist-learning-curve.png

test: $(VENV)/installed-test
	$(RUN)/python -m pytest -n auto --maxprocesses 8

lint: $(VENV)/installed-dev,plot
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

# Each CUDA kernel with its registers, shared memory and spills on each architecture; needs no GPU.
kernels: $(VENV)/installed-test
	$(RUN)/python -m tests.cuda.report

# Races between the threads of CUDA kernels, which g++ has built for the CPU; some minutes.
kernels-tsan: $(VENV)/installed-test
	$(RUN)/python -m pytest -m tsan tests/cuda

# All that needs an NVIDIA GPU: the rest runs even where one of the three fails. CUDA=cuda12 for older drivers.
CUDA ?= cuda13
gpu:
	status=0; for target in gpu-test gpu-sanitize gpu-bench; do $(MAKE) $$target || status=1; done; exit $$status

gpu-test: $(VENV)/installed-test,$(CUDA)
	$(RUN)/python -m pytest -m gpu tests/cuda

gpu-sanitize: $(VENV)/installed-test,$(CUDA),sanitizer
	PYTHON=$(RUN)/python bash tests/cuda/sanitize.sh

gpu-bench: $(VENV)/installed-bench,$(CUDA)
	$(RUN)/python bench/gpu.py --json gpu.json

# Measures gpubp beside other libraries and writes bench/results: REPORT.md, a page, charts, all samples as JSON.
# AGAINST, THREADS and BUDGET (seconds) choose others.
AGAINST ?= all
THREADS ?= 1
BUDGET ?= 900
bench: $(VENV)/installed-bench
	$(RUN)/gpubp bench --against $(AGAINST) --threads $(THREADS) --budget $(BUDGET) --json bench/results/run.json
	$(RUN)/gpubp bench-report bench/results/run.json --folder bench/results

# gpubp itself, editable, with the packages of extras that pyproject.toml names.
$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

$(VENV)/bin/python:
	$(or $(PYTHON),$(error gpubp needs Python 3.11 or later with its venv module: make PYTHON=...)) -m venv $(VENV)

# Everything that the targets above have made.
clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -f mnist.safetensors mnist-learning-curve.png
	find gpubp kernels tests bench examples -name __pycache__ -prune -exec rm -rf {} +
