"""What a loss is: values in ops, their weighted sum, and what the sum is divided by."""

from collections.abc import Callable
from typing import Any

from gpubp import ops
from gpubp.losses.functions import MadeOfFunction, check_arguments, returned
from gpubp.losses.targets import in_dtype, same_rank
from gpubp.losses.weights import weights_of
from gpubp.names import snake_case
from gpubp.ops.registry import graph_of, value

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss:
    """Base of losses: subclasses define `call(y_true, y_pred)`, in ops, with one value for each row.

    Arguments:
        name: default the class's name in lower case.
        reduction: what becomes of the values l with weights w (1 where none are given):
            "sum_over_batch_size" or "mean": sum(w l) / number of values;
            "mean_with_sample_weight": sum(w l) / sum(w);
            "sum": sum(w l);
            "none" or None: the values w l as they are.
            Default "sum_over_batch_size". A mean over nothing is 0.
        dtype: float dtype to compute in. Default that of the predictions, float32 where they are integers.

    Raises:
        ValueError: for an unknown reduction.

    Source: https://keras.io/api/losses

    >>> from gpubp import losses, ops
    >>> class Cubed(losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)
    >>> float(Cubed()([[0.0], [1.0]], [[2.0], [3.0]]))
    8.0
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}; it is {reduction!r}")
        self.name, self.reduction, self.dtype = name or snake_case(type(self).__name__), reduction, dtype

    takes_labels = False  # whether targets are numbers of classes

    def check(self, y_true, shape: tuple):
        """Looks at all targets before training, for predictions of a shape. Raises ValueError where they do not fit."""

    def call(self, y_true, y_pred):
        """The loss of each row; where outputs have more axes, of each position."""
        raise NotImplementedError(f"{type(self).__name__} does not define call")

    def mask(self, y_true, y_pred):
        """True for the values that count, in their shape; None if all do."""

    def terms(self, y_true, y_pred, sample_weight=None) -> tuple:
        """What training adds up over batches: the sum of the weighted values, and the divisor of that sum.

        Arguments:
            y_true, y_pred: arrays or symbols, as `call` takes them.
            sample_weight: (rows,), (rows, 1), or an array that broadcasts to the shape of the values. Default none.

        Returns:
            The sum, a scalar, and the divisor: an int, or a scalar where it depends on rows or weights.

        Raises:
            ValueError: for shapes that do not fit, or a loss that does not reduce its values.
        """
        if self.reduction in (None, "none"):
            raise ValueError(
                f"{self.name}: training needs a scalar, and reduction={self.reduction!r} leaves one value a row; "
                "choose 'sum_over_batch_size', 'mean_with_sample_weight' or 'sum'"
            )
        values, weights, mask = self._values(y_true, y_pred, sample_weight)
        total = ops.sum(values if weights is None else values * weights)
        if self.reduction == "sum":
            return total, 1
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            return total, ops.sum(weights)
        return total, ops.count(values) if mask is None else ops.sum(mask)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss of arrays, computed at once, or of symbols. Arguments and errors as of `terms`."""
        if self.reduction in (None, "none"):
            values, weights, _ = self._values(y_true, y_pred, sample_weight)
            return values if weights is None else values * weights
        return quotient(*self.terms(y_true, y_pred, sample_weight))

    def _values(self, y_true, y_pred, sample_weight):
        """The values, their weights with the mask, and the mask; None where there are no weights or no mask."""
        y_true, y_pred = same_rank(value(y_true), in_dtype(value(y_pred), self.dtype))
        values, mask = returned(self.name, self.call(y_true, y_pred)), self.mask(y_true, y_pred)
        return values, weights_of(values, sample_weight, mask), mask

    def get_config(self) -> dict:
        """The arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction, "dtype": self.dtype}

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}>"


class FunctionLoss(Loss):
    """A plain function of (y_true, y_pred) over `gpubp.ops` as a loss: one value for each row.

    Arguments:
        function: what to call.
        reduction, name, dtype: as of `Loss`; the name is the function's by default.
        arguments: further ones of the function, by name.
    """

    def __init__(self, function: Callable, reduction="sum_over_batch_size", name=None, dtype=None, **arguments):
        super().__init__(name or getattr(function, "__name__", "loss"), reduction, dtype)
        check_arguments(self.name, arguments)
        self.function, self.arguments = function, arguments

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred, **self.arguments)

    def get_config(self):
        raise ValueError(f"the loss {self.name!r} is a function of one's own, which a file can't keep")


class NamedLoss(MadeOfFunction, FunctionLoss):
    """Base of the losses of this package, which are made of functions: `class Huber(NamedLoss, of=huber)`."""

    def get_config(self):
        return {**Loss.get_config(self), **self.arguments}


def quotient(numerator, divisor):
    """numerator / divisor, and 0 where the divisor is 0."""
    if not graph_of(divisor):
        return numerator * 0.0 if divisor == 0 else numerator / float(divisor)
    divisor = ops.cast(divisor, numerator.dtype)
    empty = ops.equal(divisor, 0.0)
    return ops.where(empty, 0.0, numerator / ops.where(empty, 1.0, divisor))
