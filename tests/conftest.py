"""One BLAS thread for all tests: they run beside other work, and bits then do not depend on the machine's cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gpubp

gpubp.set_device("cpu")  # tests of other devices choose them
