"""Settings of the whole process: the default dtype, the policy of precision, and the fuzz of divisions.

Names and defaults are Keras's. Source: https://keras.io/api/config
"""

import gc
from dataclasses import dataclass

from gpubp.names import lookup

_FLOATS = {"float32": "float32", "float64": "float64"}
_MIXED = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16", "tf32": "tf32"}


@dataclass(frozen=True)
class DTypePolicy:
    """How a layer computes: `variable_dtype` keeps the weights, `compute_dtype` is multiplied where the device has it.

    Arguments:
        name: "float32", "float64", "tf32", "mixed_bfloat16" or "mixed_float16". The last three keep float32 weights and
            sums. "tf32" has a GPU round what products multiply to ten bits of fraction; the mixed ones have it
            multiply, and keep activations in, a format of two bytes. Outputs, losses and all else are float32. Where a
            layer is "mixed_float16", `compile` scales the loss (see `optimizers.LossScaleOptimizer`). A device that
            does not have a policy's products computes them in float32, and a warning says so.

    Raises:
        ValueError: for other names.
    """

    name: str

    def __post_init__(self):
        lookup("dtype policy", self.name, _FLOATS | _MIXED)

    @property
    def variable_dtype(self) -> str:
        return _FLOATS.get(self.name, "float32")

    @property
    def compute_dtype(self) -> str:
        return (_FLOATS | _MIXED)[self.name]


_policy = DTypePolicy("float32")
_epsilon = 1e-7


def floatx() -> str:
    """The dtype of weights and of computation, unless a layer says otherwise: "float32" at first."""
    return _policy.variable_dtype


def set_floatx(value: str):
    """Sets the default dtype: "float32" or "float64". Raises ValueError for others."""
    lookup("default dtype", value, _FLOATS)
    set_dtype_policy(value)


def dtype_policy() -> DTypePolicy:
    """The policy that layers without one of their own follow."""
    return _policy


def set_dtype_policy(policy: "str | DTypePolicy"):
    """Sets the policy for layers made from now on. Raises ValueError for unknown names."""
    global _policy
    _policy = policy_of(policy)


def policy_of(value) -> DTypePolicy:
    """A policy from itself, its name, a dtype, or None for the default."""
    if value is None:
        return _policy
    return value if isinstance(value, DTypePolicy) else DTypePolicy(getattr(value, "name", value))


def epsilon() -> float:
    """A small number that is added to divisors: 1e-7 at first."""
    return _epsilon


def set_epsilon(value: float):
    """Sets the small number. Raises ValueError if it is not greater than 0."""
    global _epsilon
    if not value > 0:
        raise ValueError(f"epsilon must be greater than 0; it is {value!r}")
    _epsilon = float(value)


def clear_session(free_memory: bool = True):
    """Frees what models that nobody holds any more still take; nothing else is kept from one model to the next."""
    if free_memory:
        gc.collect()
