"""FTRL."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer


class Ftrl(Optimizer):
    """Follow the regularized leader: weights that stay exactly 0 while their gradients do not ask for more.

    With p the negative power: n' = n + g^2; z <- z + g + 2 s w - (n'^p - n^p) / r w; n <- n';
    w <- (clip(z, -l1, l1) - z) / (n^p / r + 2 l2 + beta / r).

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        learning_rate_power: float of at most 0; p is its negative. Default -0.5.
        initial_accumulator_value: what n begins from, a float of at least 0. Default 0.1.
        l1_regularization_strength: l1, a float of at least 0. Default 0.
        l2_regularization_strength: l2, a float of at least 0. Default 0.
        l2_shrinkage_regularization_strength: s, a float of at least 0. Default 0.
        beta: float of at least 0. Default 0.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: H. McMahan et al., Ad click prediction: a view from the trenches, KDD 2013;
    https://keras.io/api/optimizers/ftrl
    """

    slots = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **common,
    ):
        super().__init__(learning_rate, **common)
        check("learning_rate_power", learning_rate_power, "at most 0")
        check("initial_accumulator_value", initial_accumulator_value, "at least 0")
        check("l1_regularization_strength", l1_regularization_strength, "at least 0")
        check("l2_regularization_strength", l2_regularization_strength, "at least 0")
        check("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, "at least 0")
        check("beta", beta, "at least 0")
        self.learning_rate_power, self.initial_accumulator_value = learning_rate_power, initial_accumulator_value
        self.l1_regularization_strength, self.beta = l1_regularization_strength, beta
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength

    def initial(self, slot, parameter):
        return self.initial_accumulator_value if slot == "accumulator" else super().initial(slot, parameter)

    def update_variable(self, parameter, gradient, rate, step, slots):
        l1, old = self.l1_regularization_strength, slots["accumulator"]
        new = old + ops.square(gradient)
        power_old, power_new = self._power(old), self._power(new)
        shrunk = gradient + 2.0 * self.l2_shrinkage_regularization_strength * parameter
        linear = slots["linear"] + shrunk - (power_new - power_old) / rate * parameter
        quadratic = (power_new + self.beta) / rate + 2.0 * self.l2_regularization_strength
        return (ops.clip(linear, -l1, l1) - linear) / quadratic, {"accumulator": new, "linear": linear}

    def _power(self, accumulator):
        p = -self.learning_rate_power
        return ops.sqrt(accumulator) if p == 0.5 else ops.power(accumulator, p)
