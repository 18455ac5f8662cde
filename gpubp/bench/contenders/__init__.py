"""Who is measured. To add a contender, subclass Contender in a file beside this one and name it here.

A module imports its library at its top, so that to find a contender is to import what it needs.
"""

from importlib import import_module

from .base import Contender, UnableError

# Name: module and class.
CONTENDERS = {
    "gpubp": ("own", "Gpubp"),
    "gpubp predict_on_batch": ("own", "OnBatch"),
    "gpubp.sklearn": ("own_estimator", "OwnEstimator"),
    "NumPy": ("plain_numpy", "PlainNumPy"),
    "scikit-learn": ("scikit_learn", "ScikitLearn"),
    "scikit-learn fit": ("scikit_learn", "Estimator"),
    "PyTorch": ("pytorch", "Eager"),
    "PyTorch DataLoader": ("pytorch", "Loader"),
    "PyTorch compiled": ("pytorch", "Compiled"),
    "JAX jit": ("jax_loops", "Jit"),
    "JAX lax.scan": ("jax_loops", "Scan"),
    "ONNX Runtime": ("onnx_runtime", "OnnxRuntime"),
    "products": ("products", "Products"),
}
# What may be asked for, and its contenders.
LIBRARIES = {
    "numpy": ("NumPy",),
    "sklearn": ("scikit-learn", "scikit-learn fit"),
    "torch": ("PyTorch", "PyTorch DataLoader", "PyTorch compiled"),
    "jax": ("JAX jit", "JAX lax.scan"),
    "onnxruntime": ("ONNX Runtime",),
}
OWN = ("gpubp", "gpubp predict_on_batch", "gpubp.sklearn", "products")

__all__ = ["CONTENDERS", "LIBRARIES", "OWN", "Contender", "UnableError", "find"]


def find(name: str) -> type[Contender]:
    """The class of a contender. Raises ImportError if what it needs is not installed."""
    module, kind = CONTENDERS[name]
    return getattr(import_module(f".{module}", __name__), kind)
