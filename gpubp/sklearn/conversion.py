"""Fitted estimators from scikit-learn's to gpubp's and back, and as models."""

from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from gpubp.sklearn.network import Stack, Weights
from gpubp.sklearn.solvers import Progress

THEIRS = {"identity", "logistic", "tanh", "relu"}
KEPT = ("_label_binarizer", "_no_improvement_count")


def copy_fitted(source: Any, target: Any):
    """Copies the attributes that fitting sets, arrays and lists as copies."""
    for name, value in vars(source).items():
        if (name.endswith("_") and not name.startswith("_")) or name in KEPT:
            setattr(target, name, _copied(value))


def _copied(value):
    if isinstance(value, list):
        return [_copied(x) for x in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def taken_over(ours: type, theirs: Any) -> Any:
    """An estimator of the class `ours` in the place of a fitted one of scikit-learn; `partial_fit` goes on with it."""
    made = ours(**theirs.get_params())
    made.validation_loss_curve_ = []
    copy_fitted(theirs, made)
    optimizer = getattr(theirs, "_optimizer", None)
    if optimizer is not None:
        made._optimizer = _progress(optimizer, len(theirs.coefs_))
    return made


def _paths(layers: int) -> list[str]:
    """Of the weights, as scikit-learn's optimizers list them: all coefs, then all intercepts."""
    return [f"dense_{k}/{part}" for part in ("kernel", "bias") for k in range(layers)]


def _progress(optimizer: Any, layers: int) -> Progress:
    """The state of a scikit-learn optimizer."""
    adam = hasattr(optimizer, "ms")
    slots = {"momentum": optimizer.ms, "velocity": optimizer.vs} if adam else {"momentum": optimizer.velocities}
    arrays = {
        f"{slot}/{path}": a for slot, given in slots.items() for path, a in zip(_paths(layers), given, strict=True)
    }
    rate = optimizer.learning_rate_init if adam else optimizer.learning_rate
    return Progress(rate, arrays, getattr(optimizer, "t", 0))


def _optimizer(p: Any, progress: Progress, weights: list[np.ndarray]) -> Any:
    """The scikit-learn optimizer of an estimator's parameters in the state of this one."""

    def arrays(slot):
        given = (progress.slots.get(f"{slot}/{path}") for path in _paths(len(weights) // 2))
        return [np.zeros_like(w) if a is None else a.copy() for a, w in zip(given, weights, strict=True)]

    if p.solver == "sgd":
        made = SGDOptimizer(weights, p.learning_rate_init, p.learning_rate, p.momentum, p.nesterovs_momentum, p.power_t)
        made.learning_rate, made.velocities = progress.learning_rate, arrays("momentum")
        return made
    made = AdamOptimizer(weights, p.learning_rate_init, p.beta_1, p.beta_2, p.epsilon)
    made.t, made.ms, made.vs = progress.updates, arrays("momentum"), arrays("velocity")
    return made


def to_sklearn(estimator: Any) -> Any:
    """See `BaseMLP.to_sklearn`."""
    their_class = getattr(neural_network, type(estimator).__name__)
    given = estimator.activation
    activations = set(given) if isinstance(given, list | tuple) else {given}
    if len(activations) > 1 or not activations <= THEIRS:
        raise ValueError(f"scikit-learn has one activation for all layers, of {sorted(THEIRS)}; this has {given!r}")
    parameters = {name: x for name, x in estimator.get_params().items() if name in their_class().get_params()}
    parameters |= {"activation": activations.pop() if activations else "identity"}
    made = their_class(**{name: x for name, x in parameters.items() if _accepted(their_class, name, x)})
    copy_fitted(estimator, made)
    folded = _folded(estimator)
    made.coefs_, made.intercepts_ = folded.coefs, folded.intercepts
    progress = getattr(estimator, "_optimizer", None)
    if progress is not None and not estimator.batch_norm and _solves_alike(estimator, made):
        made._optimizer = _optimizer(made, progress, made.coefs_ + made.intercepts_)
    return made


def _solves_alike(estimator, made) -> bool:
    """Whether both name the same solver, and the same kind of rate."""
    return (estimator.solver, estimator.learning_rate) == (made.solver, made.learning_rate)


def _accepted(their_class, name, value) -> bool:
    """Whether scikit-learn's class takes this value; what is chosen from a list of names may be one of ours."""
    return name not in ("solver", "learning_rate", "loss") or any(
        isinstance(value, str) and value in getattr(constraint, "options", ())
        for constraint in their_class._parameter_constraints[name]
    )


def _folded(estimator) -> Weights:
    """The weights with batch normalisation, which when predicting multiplies and adds, taken into them."""
    weights, norms = estimator._weights, Stack(estimator._architecture(estimator.coefs_[0].dtype.name)).norms
    coefs, intercepts = _copied(weights.coefs), _copied(weights.intercepts)
    for k, norm in enumerate(norms):
        gamma, beta, mean, variance = weights.normalisation[4 * k : 4 * k + 4]
        scale = gamma / np.sqrt(variance + norm.epsilon)
        coefs[k], intercepts[k] = coefs[k] * scale, (intercepts[k] - mean) * scale + beta
    return Weights(coefs, intercepts)


def to_model(estimator: Any):
    """See `BaseMLP.to_model`."""
    stack = Stack(estimator._architecture(estimator.coefs_[0].dtype.name))
    stack.weights = estimator._weights
    return stack.model
