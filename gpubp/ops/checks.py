"""Ops that stop the program: the first failure is kept in the status word, and no update happens after it."""

import numpy as np

from gpubp.ops.pointwise import pointwise


def _finite(x):
    if not np.isfinite(x).all():
        raise FloatingPointError("the loss is not finite")
    return x


check_finite = pointwise("check_finite", "checked_finite(ctx, row, {0})", _finite, lambda dy, y, x: (dy,), smooth=False)
