# make demo, test, lint, kernels, gpu, bench, clean. VENV=folder and PYTHON=interpreter choose others.

VENV ?= .venv
# The newest that runs and can make environments: a name on the path alone may be a stand-in of a version manager.
TRIAL = import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(TRIAL)' 2> /dev/null && echo $$p && break; done)
RUN = $(VENV)/bin

.PHONY: demo test lint bench clean kernels kernels-tsan
.PHONY: gpu gpu-doctor gpu-test gpu-sanitize gpu-bench gpu-bench-full

# The extra with CuPy that this machine's NVIDIA driver can do with: none without a driver, or for one that is too old.
FOR_DRIVER = nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | \
	awk -F. 'NR == 1 && /^[0-9]/ { print ($$1 >= 580 ? "cuda13" : ($$1 >= 525 ? "cuda12" : "")) }'

# Fetches MNIST, trains with a live bar, prints the test accuracy, saves the model and a learning curve: on an NVIDIA
# GPU where there is one, for which CuPy is installed as well.
demo:
	$(eval EXTRA := $(shell $(FOR_DRIVER)))
	@echo "$(if $(EXTRA),An NVIDIA driver answers: CuPy is installed with the extra $(EXTRA).,No NVIDIA driver of version 525 or later answers: training on the CPU.)"
	@$(MAKE) --no-print-directory $(VENV)/installed-plot$(EXTRA:%=,%)
	$(RUN)/gpubp train mnist --hidden 512,512 --epochs 10 --dropout 0.3 \
		--model mnist.safetensors --curve mnist-learning-curve.png

test: $(VENV)/installed-test
	$(RUN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

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

# All that needs an NVIDIA GPU: the rest runs even where one of the four fails. CUDA=cuda12 for older drivers. Without
# a network, where the other packages are there: OFFLINE=1 VENV=folder, that of the environment that has them.
CUDA ?= cuda13
gpu:
	status=0; for each in doctor test sanitize bench; do $(MAKE) gpu-$$each || status=1; done; exit $$status

# What all else stands on, one thing after the other, in seconds.
gpu-doctor: $(VENV)/installed-test,$(CUDA)
	$(RUN)/python -m gpubp doctor

# In four processes: what one of them has left unusable works for the others. What libraries warn of is no error.
gpu-test: $(VENV)/installed-test,$(CUDA)
	$(RUN)/python -m pytest -m gpu -n 4 --max-worker-restart 50 -W default -ra --durations 10 tests/cuda/test_on_gpu.py

gpu-sanitize: $(VENV)/installed-test,$(CUDA),sanitizer
	PYTHON=$(RUN)/python bash tests/cuda/sanitize.sh

# Seconds that benchmarks may take: what they do not suffice for is left out, the least telling first.
BUDGET ?= 900
gpu-bench: $(VENV)/installed-bench,$(CUDA)
	$(RUN)/python bench/gpu.py --json gpu.json --budget $(BUDGET)

# All of that, many more shapes, and what single parts of the executor bring; takes hours.
gpu-bench-full: $(VENV)/installed-bench,$(CUDA)
	$(RUN)/python bench/gpu.py --full --json gpu-full.json

# Measures gpubp beside other libraries and writes bench/results: REPORT.md, a page, charts, all samples as JSON.
# AGAINST, THREADS and BUDGET (seconds) choose others.
AGAINST ?= all
THREADS ?= 1
bench: $(VENV)/installed-bench
	$(RUN)/gpubp bench --against $(AGAINST) --threads $(THREADS) --budget $(BUDGET) --json bench/results/run.json
	$(RUN)/gpubp bench-report bench/results/run.json --folder bench/results

# gpubp itself, editable, with the packages of extras that pyproject.toml names; OFFLINE=1 without any.
WHAT = $(if $(OFFLINE),--no-build-isolation --no-deps --editable .,--editable '.[$*]')
$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --disable-pip-version-check $(WHAT)
	touch $@

$(VENV)/bin/python:
	$(or $(PYTHON),$(error gpubp needs Python 3.11 or later with its venv module: make PYTHON=...)) -m venv $(VENV)

# Everything that the targets above have made.
clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -f mnist.safetensors mnist-learning-curve.png
	find gpubp kernels tests bench examples -name __pycache__ -prune -exec rm -rf {} +
