"""BLAS is found without SciPy's other modules, which find it again."""

import subprocess
import sys

import pytest

ALONE = """
import sys
from gpubp.kernels.cpu import blas
found = blas.address("sgemm")
print("scipy.linalg" in sys.modules)
"""
FIRST = """
from scipy.linalg import cython_blas
from gpubp.kernels.cpu import blas
assert blas._module() is cython_blas
print(blas.address("sgemm") > 0)
"""
LATER = """
import numpy as np
import scipy.linalg
from scipy.linalg import cython_blas
assert blas._module() is cython_blas and blas.address("sgemm") == found
print(scipy.linalg.blas.sgemm(1, np.ones((2, 3)), np.ones((3, 2))).sum())
"""


@pytest.mark.parametrize(
    ("script", "printed"), [(ALONE, ["False"]), (FIRST, ["True"]), (ALONE + LATER, ["False", "12.0"])]
)
def test_in_a_process_of_its_own(script, printed):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == printed
