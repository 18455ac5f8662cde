"""The parameters that both estimators have, with scikit-learn's names, defaults and limits; then those it lacks."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from gpubp import activations, losses, optimizers

STOCHASTIC = ("sgd", "adam")
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "softmax": "softmax"}
NAMES_OF_ACTIVATIONS = {*ACTIVATIONS, *activations.NAMES, *activations.ALIASES}
LOSSES = {*losses.ALIASES, *losses.CLASSES}
POSITIVE, AT_LEAST_1 = Interval(Real, 0, None, closed="neither"), Interval(Integral, 1, None, closed="left")
NOT_NEGATIVE, SHARE = Interval(Real, 0, None, closed="left"), Interval(Real, 0, 1, closed="left")


@dataclass(eq=False, repr=False, kw_only=True)
class Parameters:
    """The parameters of both estimators.

    The first 24 are scikit-learn's, where their meanings stand. Of these, `solver` may also be the name or an instance
    of any of `gpubp.optimizers`, and `learning_rate` a schedule or function of the step in `gpubp.ops`. The others:

    Arguments:
        dropout: share of the hidden units that a step leaves out, in [0, 1); a list has one for each layer. Default 0.
        batch_norm: whether hidden layers normalise before their activation. Default False.
        scoring: what `early_stopping` judges by: a name or function as searches take it. Default accuracy or R^2.
        callbacks: list of `gpubp.callbacks`. Default none. Those of scikit-learn are given to `set_callbacks`.
        rng: whose orders of rows: "gpubp", the same on every device; or "sklearn", those of scikit-learn for the same
            `random_state`. Initial weights are scikit-learn's in any case. Default "gpubp".
        dtype: "float32", "float64", or a policy of `gpubp.config`. Default that of the inputs. "lbfgs" computes in
            float64.
        device: as of `gpubp.set_device`. Default the current one.
        n_threads: that may share a step, and those of BLAS, while it computes. Default as many as BLAS has.
    """

    solver: Any = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: Any = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000

    dropout: float = 0.0
    batch_norm: bool = False
    scoring: Any = None
    callbacks: Any = None
    rng: str = "gpubp"
    dtype: Any = None
    device: Any = None
    n_threads: int | None = None


CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like", AT_LEAST_1],
    "activation": [StrOptions(NAMES_OF_ACTIVATIONS), callable, list, tuple],
    "solver": [StrOptions({"lbfgs", *STOCHASTIC, *optimizers.ALIASES, *optimizers.CLASSES}), optimizers.Optimizer],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), AT_LEAST_1],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), callable],
    "learning_rate_init": [POSITIVE],
    "power_t": [NOT_NEGATIVE],
    "max_iter": [AT_LEAST_1],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [SHARE],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [AT_LEAST_1, Options(Real, {np.inf})],
    "max_fun": [AT_LEAST_1],
    "dropout": [SHARE, list, tuple],
    "batch_norm": ["boolean"],
    "scoring": [str, callable, None],
    "callbacks": [list, tuple, None],
    "rng": [StrOptions({"gpubp", "sklearn"})],
    "dtype": [StrOptions({"float32", "float64", "tf32", "mixed_bfloat16", "mixed_float16"}), None, type, np.dtype],
    "device": [str, None],
    "n_threads": [AT_LEAST_1, None],
}


def each_layer(name: str, given: Any, layers: int) -> tuple:
    """A parameter for each hidden layer, from one for all of them or a list. Raises ValueError for another length."""
    values = tuple(given) if isinstance(given, list | tuple) else (given,) * layers
    if len(values) != layers:
        raise ValueError(f"{name} has {len(values)} entries, but there are {layers} hidden layers")
    return values


def activation_of(identifier: Any) -> Callable:
    """A function from scikit-learn's or gpubp's name of it, or itself."""
    if identifier == "exp":
        return activations.exponential
    return activations.get(ACTIVATIONS.get(identifier, identifier) if isinstance(identifier, str) else identifier)
