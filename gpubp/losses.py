"""Losses, written in ops: one value a row (for outputs of more axes, one a position), which training adds up."""

from gpubp import ops
from gpubp.names import lookup
from gpubp.ops.registry import dims, value

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as in Keras


class Loss:
    """Base of losses: subclasses define `call(y_true, y_pred)`, in ops, with one value for each row.

    A loss can be called on arrays: it gives the mean of its values.
    """

    name = "loss"

    def call(self, y_true, y_pred):
        """The loss of each row."""
        raise NotImplementedError(f"{type(self).__name__} does not define call")

    def __call__(self, y_true, y_pred):
        """The mean of the values, as a scalar."""
        return ops.mean(self.call(*same_rank(value(y_true), value(y_pred))))

    def get_config(self) -> dict:
        """The arguments that make an equal loss."""
        return {}


class FunctionLoss(Loss):
    """A plain function of (y_true, y_pred) over `gpubp.ops` as a loss: one value for each row."""

    def __init__(self, function):
        self.function, self.name = function, getattr(function, "__name__", "loss")

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)

    def get_config(self):
        raise ValueError(f"the loss {self.name!r} is a function of one's own, which a file can't keep")


class MeanSquaredError(Loss):
    """mean((y_pred - y_true)^2) over the last axis.

    >>> from gpubp.losses import MeanSquaredError
    >>> float(MeanSquaredError()([[0.0], [2.0]], [[1.0], [4.0]]))
    2.5
    """

    name = "mean_squared_error"

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - ops.cast(y_true, y_pred.dtype)), axis=-1)


class BinaryCrossentropy(Loss):
    """-(y log p + (1 - y) log(1 - p)), averaged over the last axis.

    Arguments:
        from_logits: whether predictions are logits z, p = sigmoid(z). Default False; predictions that come out of a
            sigmoid are taken back to their logits, so that nothing is lost where p is close to 0 or 1.
        label_smoothing: float in [0, 1]; y becomes y (1 - s) + s / 2. Default 0.

    Source: https://keras.io/api/losses/probabilistic_losses
    """

    name = "binary_crossentropy"

    def __init__(self, from_logits=False, label_smoothing=0.0):
        self.from_logits, self.label_smoothing = from_logits, smoothing(label_smoothing)

    def call(self, y_true, y_pred):
        y = ops.cast(y_true, y_pred.dtype)
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        z = y_pred if self.from_logits else logits_of(y_pred, "sigmoid")
        if z is not None:
            return ops.mean(ops.softplus(z) - y * z, axis=-1)
        p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
        return ops.mean(-(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p)), axis=-1)

    def get_config(self):
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class CategoricalCrossentropy(Loss):
    """-sum(y log p) over the last axis, for one-hot (or soft) labels y of the shape of the predictions.

    Arguments:
        from_logits: whether predictions are logits z, p = softmax(z). Default False; predictions that come out of a
            softmax are taken back to their logits.
        label_smoothing: float in [0, 1]; y becomes y (1 - s) + s / classes. Default 0.

    Source: https://keras.io/api/losses/probabilistic_losses
    """

    name = "categorical_crossentropy"

    def __init__(self, from_logits=False, label_smoothing=0.0):
        self.from_logits, self.label_smoothing = from_logits, smoothing(label_smoothing)

    def call(self, y_true, y_pred):
        y = ops.cast(y_true, y_pred.dtype)
        classes = dims(y_pred)[-1]
        if dims(y)[-1:] != (classes,):
            raise ValueError(
                f"categorical_crossentropy: labels must be one-hot of {classes} classes; they have shape {y.shape}. "
                "For integer labels use SparseCategoricalCrossentropy"
            )
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -ops.sum(y * _log_probabilities(y_pred, self.from_logits, normalise=True), axis=-1)

    def get_config(self):
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class SparseCategoricalCrossentropy(Loss):
    """-log p[y] for integer labels y of shape (rows,) or (rows, 1), predictions (rows, classes).

    Labels that are not in 0..classes-1 raise ValueError; nothing has changed then.

    Arguments:
        from_logits: whether predictions are logits z, p = softmax(z). Default False; predictions that come out of a
            softmax are taken back to their logits.

    >>> import numpy as np
    >>> from gpubp.losses import SparseCategoricalCrossentropy
    >>> round(float(SparseCategoricalCrossentropy()([1], np.array([[0.5, 0.25, 0.25]]))), 4)
    1.3863
    """

    name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits=False):
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        labels = class_labels(y_true, y_pred)
        z = y_pred if self.from_logits else logits_of(y_pred, "softmax")
        hit = ops.label_mask(labels, y_pred.shape[-1])
        if z is not None:
            return ops.logsumexp(z, -1) - ops.sum(ops.where(hit, z, 0.0), axis=-1)
        return -ops.sum(ops.where(hit, _log_probabilities(y_pred, False, normalise=False), 0.0), axis=-1)

    def get_config(self):
        return {"from_logits": self.from_logits}


def class_labels(y_true, y_pred):
    """Integer labels without a last axis of one."""
    if len(dims(y_true)) == len(dims(y_pred)) and dims(y_true)[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if len(dims(y_true)) != len(dims(y_pred)) - 1:
        raise ValueError(
            f"sparse_categorical_crossentropy takes integer labels of shape (rows,) with predictions "
            f"{y_pred.shape}; the labels have shape {y_true.shape}. For one-hot labels use CategoricalCrossentropy"
        )
    return y_true


def _log_probabilities(y_pred, from_logits, normalise):
    z = y_pred if from_logits else logits_of(y_pred, "softmax")
    if z is not None:
        return ops.log_softmax(z)
    if normalise:
        y_pred = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
    return ops.log(ops.clip(y_pred, EPSILON, 1 - EPSILON))


def logits_of(y_pred, activation):
    """What went into the activation that a recorded prediction came out of; None if that is not known."""
    known = getattr(y_pred, "logits", None)
    if known and known[0] == activation and known[2] in (None, -1, len(dims(y_pred)) - 1):
        return known[1]
    return None


def same_rank(y_true, y_pred):
    """(rows,) targets of a single output (rows, 1) as (rows, 1), as in Keras."""
    if len(dims(y_true)) == len(dims(y_pred)) - 1 and dims(y_pred)[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    return y_true, y_pred


def smoothing(value):
    if not 0 <= value <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1; it is {value!r}")
    return float(value)


CLASSES = {
    c.__name__: c
    for c in (BinaryCrossentropy, CategoricalCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy)
}
ALIASES = {c.name: c for c in CLASSES.values()} | {"mse": MeanSquaredError}


def get(identifier) -> Loss:
    """A loss from itself, its name ("mse") or a function. Raises ValueError for unknown names."""
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        return lookup("loss", identifier, ALIASES | CLASSES)()
    if callable(identifier):
        return FunctionLoss(identifier)
    raise ValueError(f"a loss is a name, a function or an instance of gpubp.losses.Loss; this is {identifier!r}")
