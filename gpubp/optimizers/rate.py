"""The learning rate as an optimizer gives it: a number, which can set another one."""

from typing import Any


class Rate(float):
    """A float that knows the optimizer it was read of; copies are plain floats.

    Arguments:
        value: the rate.
        optimizer: whose it is.

    >>> import gpubp
    >>> optimizer = gpubp.optimizers.SGD(0.1)
    >>> optimizer.learning_rate.assign(0.05)
    >>> optimizer.learning_rate
    0.05
    """

    optimizer: Any

    def __new__(cls, value: float, optimizer):
        rate = super().__new__(cls, value)
        rate.optimizer = optimizer
        return rate

    def assign(self, value: float):
        """Sets the optimizer's rate, as `optimizer.learning_rate = value` does; this number stays what it is."""
        self.optimizer.learning_rate = value

    def numpy(self) -> float:
        """The rate as a plain float."""
        return float(self)

    def __reduce__(self):
        return float, (float(self),)
