"""Ending training, without an error, at a loss that is not finite."""

from gpubp.training.callbacks import Callback


class TerminateOnNaN(Callback):
    """Ends training at a loss that is NaN or infinite; the weights are those of before that step.

    The loss of the epoch is NaN in the logs; its metrics are the means up to that step.

    Arguments:
        raise_error: whether RuntimeError is raised instead, so that `on_train_end` is not called. Default False.

    Source: https://keras.io/api/callbacks/terminate_on_nan
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_nonfinite(self, error):
        if self.raise_error:
            raise RuntimeError(f"the loss is not finite: {error}") from error
        print(f"training ends: {error}", flush=True)
        return True
