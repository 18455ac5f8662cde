"""The learning rate as a function of the epoch."""

import inspect
from collections.abc import Callable

import numpy as np

from gpubp.callbacks.rates import learning_rate, set_learning_rate
from gpubp.training.callbacks import Callback


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch, and logs it at the end as "learning_rate".

    Arguments:
        schedule: function of (epoch, learning rate), or of the epoch alone, that gives the new rate.
        verbose: 1 says what is done. Default 0.

    Raises:
        ValueError: in training, if the optimizer's rate is a schedule, or if what `schedule` gives is no number of at
            least 0.

    Source: https://keras.io/api/callbacks/learning_rate_scheduler

    >>> import numpy as np
    >>> import gpubp
    >>> model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)])
    >>> model.compile(gpubp.optimizers.SGD(0.5), "mse")
    >>> halve = gpubp.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> model.fit(np.ones((4, 2)), np.ones(4), epochs=3, callbacks=[halve], verbose=0).history["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, schedule: Callable, verbose: int = 0):
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        if self.model.position.batch:
            return  # taken up in the middle: the epoch has its rate
        rate = learning_rate(self)
        new = self.schedule(epoch, rate) if _takes_two(self.schedule) else self.schedule(epoch)
        if isinstance(new, bool) or np.ndim(new) or np.asarray(new).dtype.kind not in "fiu" or not new >= 0:
            raise ValueError(f"the schedule gives a rate of at least 0; for epoch {epoch} it gives {new!r}")
        set_learning_rate(self, epoch, float(new))

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = learning_rate(self)


def _takes_two(function) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # functions that are not written in Python need not tell
        return True
    return True
