"""The learning rate as callbacks read and change it."""


def learning_rate(callback) -> float:
    """The optimizer's learning rate. Raises ValueError if it is a schedule, which knows by itself what it is."""
    rate = callback.model.optimizer.learning_rate
    if callable(rate):
        raise ValueError(
            f"{type(callback).__name__} changes the learning rate, but that of the optimizer is a schedule; "
            "give the optimizer a number"
        )
    return float(rate)


def set_learning_rate(callback, epoch: int, rate: float):
    """Sets it; says so if the callback is verbose."""
    callback.model.optimizer.learning_rate = rate
    if callback.verbose:
        print(f"epoch {epoch + 1}: {type(callback).__name__} sets the learning rate to {rate:.6g}")
