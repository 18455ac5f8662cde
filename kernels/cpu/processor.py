"""The processor that kernels are compiled for: this machine's, unless Numba is told of another."""

import os

from llvmlite import binding

NAME = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
FEATURES = os.environ.get("NUMBA_CPU_FEATURES")
if FEATURES is None:
    FEATURES = "" if os.environ.get("NUMBA_CPU_NAME") else binding.get_host_cpu_features().flatten()

VECTOR = 64  # bytes of those vectors that kernels count registers of
WIDE_VECTORS = "+avx512f" in FEATURES.split(",")  # 32 registers of them; of fewer and shorter ones, BLAS makes as much
