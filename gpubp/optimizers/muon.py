"""Muon."""

import re
from dataclasses import replace

from gpubp import ops
from gpubp.ops.linalg import gemm
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import adam_step


class Muon(Optimizer):
    """Muon: steps of matrices with all singular values brought close to 1; AdamW for everything else.

    Matrices: m <- momentum m + g; u = g + momentum m (Nesterov) or m; x = u / (||u|| + 1e-7);
    ns_steps times x <- a x + (b x x' + c (x x')^2) x; w <- w - r x rms_rate sqrt(max(rows, columns)).
    Variables that are not matrices, embeddings and excluded layers take steps of `Adam`.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        adam_beta_1, adam_beta_2, epsilon: as of `Adam`. Defaults 0.9, 0.999, 1e-7.
        adam_weight_decay: weight decay of variables that Adam updates. Default 0.004.
        weight_decay: weight decay of the others. Default 0.004.
        exclude_layers: list of regular expressions; Adam updates variables in whose names one is found. Default none.
        exclude_embeddings: whether Adam updates variables with "embedding" in their names. Default True.
        muon_a, muon_b, muon_c: of the Newton-Schulz iteration. Defaults 3.4445, -4.775, 2.0315.
        adam_lr_ratio: what Adam's learning rate is multiplied by. Default 1.
        momentum: float in [0, 1]. Default 0.95.
        ns_steps: how many iterations. Default 5.
        nesterov: whether to look ahead. Default True.
        rms_rate: float, which makes steps of matrices as long as Adam's; None takes them as they are. Default 0.2.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024; J. Liu et al., Muon is
    scalable for LLM training, 2025 (rms_rate); https://keras.io/api/optimizers/muon
    """

    slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        exclude_layers: list[str] | None = None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.7750,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **common,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **common)
        check("adam_beta_1", adam_beta_1, "at least 0 and less than 1")
        check("adam_beta_2", adam_beta_2, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        check("momentum", momentum, "from 0 to 1")
        check("ns_steps", ns_steps, "at least 1", int)
        check("adam_lr_ratio", adam_lr_ratio, "at least 0")
        if adam_weight_decay is not None:
            check("adam_weight_decay", adam_weight_decay, "at least 0")
        if rms_rate is not None:
            check("rms_rate", rms_rate, "greater than 0")
        self.adam_beta_1, self.adam_beta_2, self.adam_weight_decay = adam_beta_1, adam_beta_2, adam_weight_decay
        self.epsilon, self.adam_lr_ratio = epsilon, adam_lr_ratio
        self.exclude_layers, self.exclude_embeddings = list(exclude_layers or []), exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov, self.rms_rate = momentum, ns_steps, nesterov, rms_rate

    def treatment(self, variable):
        usual = super().treatment(variable)
        if self._takes_adam(variable):
            return replace(usual, decay=self.decay_of(variable, self.adam_weight_decay))
        return replace(usual, rule=self.update_matrix, flat=False)

    def _takes_adam(self, variable) -> bool:
        embedding = self.exclude_embeddings and "embedding" in variable.name.lower()
        return len(variable.shape) != 2 or embedding or any(re.search(x, variable.name) for x in self.exclude_layers)

    def update_variable(self, parameter, gradient, rate, step, slots):
        t, rate = ops.cast(step + 1, parameter.dtype), rate * self.adam_lr_ratio
        betas = self.adam_beta_1, self.adam_beta_2
        m, v, scale = adam_step(gradient, slots["momentum"], slots["velocity"], rate, t, *betas)
        return parameter - scale * m / (ops.sqrt(v) + self.epsilon), {"momentum": m, "velocity": v}

    def update_matrix(self, parameter, gradient, rate, step, slots):
        """The rule for matrices; it leaves "velocity" alone."""
        m = self.momentum * slots["momentum"] + gradient
        direction = self.orthogonalized(gradient + self.momentum * m if self.nesterov else m)
        length = 1.0 if self.rms_rate is None else self.rms_rate * max(parameter.shape) ** 0.5
        return parameter - rate * length * direction, {"momentum": m}

    def orthogonalized(self, x):
        """A matrix with the singular vectors of x and singular values close to 1, by Newton-Schulz iteration."""
        tall = x.shape[0] > x.shape[1]
        x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
        for _ in range(self.ns_steps):
            square = gemm(x, x, ta=tall, tb=not tall)  # the smaller one of x'x and xx'
            mixed = self.muon_b * square + self.muon_c * gemm(square, square, ta=False, tb=False)
            x = self.muon_a * x + (gemm(x, mixed, ta=False, tb=False) if tall else gemm(mixed, x, ta=False, tb=False))
        return x
