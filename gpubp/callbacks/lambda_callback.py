"""Callbacks made of functions."""

from collections.abc import Callable

from gpubp.names import lookup
from gpubp.training.callbacks import Callback


class LambdaCallback(Callback):
    """Calls functions in place of hooks.

    Arguments:
        functions: by the names of the hooks of `Callback`; each takes what its hook takes.

    Raises:
        ValueError: for other names.

    Source: https://keras.io/api/callbacks/lambda_callback

    >>> import numpy as np
    >>> import gpubp
    >>> model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> tell = gpubp.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=2, callbacks=[tell], verbose=0)
    0 ['loss']
    1 ['loss']
    """

    def __init__(self, **functions: Callable | None):
        super().__init__()
        hooks = {name: name for name in dir(Callback) if name.startswith("on_")}
        for name, function in functions.items():
            lookup("hook", name, hooks)
            if function is not None:
                setattr(self, name, function)
