"""AdamW."""

from gpubp.optimizers.adam import Adam


class AdamW(Adam):
    """Adam with weight decay: w <- w - r weight_decay w before each step of Adam.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        weight_decay: float of at least 0. Default 0.004.
        beta_1, beta_2, epsilon, amsgrad: as of `Adam`.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range, and for a weight decay of None.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019;
    https://keras.io/api/optimizers/adamw
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **common,
    ):
        if weight_decay is None:
            raise ValueError("weight_decay must be a number; it is None, which Adam takes")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)
