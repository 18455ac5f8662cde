"""Updates written out in NumPy from the papers and from Keras's documentation: the oracle of the optimizers' tests."""

import re

import numpy as np

from gpubp import optimizers


def sgd(momentum=0.0, nesterov=False):
    def rule(w, g, s, r, t):
        s["v"] = momentum * s.get("v", 0) - r * g
        return w + (momentum * s["v"] - r * g if nesterov else s["v"])

    return rule


def adam(b1=0.9, b2=0.999, epsilon=1e-7, amsgrad=False):
    def rule(w, g, s, r, t):
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0) + (1 - b2) * g * g
        s["top"] = np.maximum(s.get("top", 0), s["v"])
        scale = r * np.sqrt(1 - b2**t) / (1 - b1**t)
        return w - scale * s["m"] / (np.sqrt(s["top"] if amsgrad else s["v"]) + epsilon)

    return rule


def rmsprop(rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    def rule(w, g, s, r, t):
        s["v"] = rho * s.get("v", 0) + (1 - rho) * g**2
        s["a"] = rho * s.get("a", 0) + (1 - rho) * g
        s["u"] = momentum * s.get("u", 0) + r * g / np.sqrt(s["v"] - centered * s["a"] ** 2 + epsilon)
        return w - s["u"]

    return rule


def adagrad(initial=0.1, epsilon=1e-7):
    def rule(w, g, s, r, t):
        s["a"] = s.get("a", initial) + g**2
        return w - r * g / np.sqrt(s["a"] + epsilon)

    return rule


def adadelta(rho=0.95, epsilon=1e-7):
    def rule(w, g, s, r, t):
        s["g"] = rho * s.get("g", 0) + (1 - rho) * g**2
        step = np.sqrt(s.get("d", 0) + epsilon) / np.sqrt(s["g"] + epsilon) * g
        s["d"] = rho * s.get("d", 0) + (1 - rho) * step**2
        return w - r * step

    return rule


def adamax(b1=0.9, b2=0.999, epsilon=1e-7):
    def rule(w, g, s, r, t):
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["u"] = np.maximum(b2 * s.get("u", 0), np.abs(g))
        return w - r / (1 - b1**t) * s["m"] / (s["u"] + epsilon)

    return rule


def nadam(b1=0.9, b2=0.999, epsilon=1e-7):
    def rule(w, g, s, r, t):
        mu = [b1 * (1 - 0.96**k / 2) for k in range(1, t + 2)]
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
        m = mu[-1] * s["m"] / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
        return w - r * m / (np.sqrt(s["v"] / (1 - b2**t)) + epsilon)

    return rule


def ftrl(power=0.5, initial=0.1, l1=0.0, l2=0.0, shrinkage=0.0, beta=0.0):
    def rule(w, g, s, r, t):
        old = s.get("n", initial)
        s["n"] = old + g**2
        s["z"] = s.get("z", 0) + g + 2 * shrinkage * w - (s["n"] ** power - old**power) / r * w
        z = np.sign(s["z"]) * np.maximum(np.abs(s["z"]) - l1, 0)
        return -z / (s["n"] ** power / r + 2 * (l2 + beta / (2 * r)))

    return rule


def lion(b1=0.9, b2=0.99):
    def rule(w, g, s, r, t):
        m = s.get("m", 0)
        s["m"] = b2 * m + (1 - b2) * g
        return w - r * np.sign(b1 * m + (1 - b1) * g)

    return rule


def lamb(b1=0.9, b2=0.999, epsilon=1e-7):
    def rule(w, g, s, r, t):
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
        u = s["m"] / (1 - b1**t) / (np.sqrt(s["v"] / (1 - b2**t)) + epsilon)
        length, reach = np.linalg.norm(w), np.linalg.norm(u)
        return w - (length / reach if length > 0 and reach > 0 else 1.0) * r * u

    return rule


def muon(momentum=0.95, steps=5, nesterov=True, rms_rate=0.2, ratio=1.0):
    def rule(w, g, s, r, t):
        if w.ndim != 2:
            return adam()(w, g, s, r * ratio, t)
        s["m"] = momentum * s.get("m", 0) + g
        x = g + momentum * s["m"] if nesterov else s["m"]
        x = x.T if w.shape[0] > w.shape[1] else x
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        x = x.T if w.shape[0] > w.shape[1] else x
        return w - r * x * (np.sqrt(max(w.shape)) * rms_rate if rms_rate else 1.0)

    return rule


# Each way to make an optimizer: its class, the arguments of its rule, and the same rule in NumPy.
RULES = {
    "sgd": ("SGD", {}, sgd()),
    "momentum": ("SGD", {"momentum": 0.9}, sgd(0.9)),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, sgd(0.9, True)),
    "rmsprop": ("RMSprop", {}, rmsprop()),
    "rmsprop, centered": ("RMSprop", {"rho": 0.8, "momentum": 0.7, "centered": True}, rmsprop(0.8, 0.7, centered=True)),
    "adagrad": ("Adagrad", {}, adagrad()),
    "adagrad from 0": ("Adagrad", {"initial_accumulator_value": 0, "epsilon": 1e-3}, adagrad(0, 1e-3)),
    "adam": ("Adam", {}, adam()),
    "adam, other betas": ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}, adam(0.8, 0.95, 1e-3)),
    "adam without memory": ("Adam", {"beta_1": 0, "beta_2": 0, "epsilon": 0.1}, adam(0, 0, 0.1)),
    "amsgrad": ("Adam", {"beta_2": 0.5, "amsgrad": True}, adam(b2=0.5, amsgrad=True)),
    "adamw": ("AdamW", {}, adam()),
    "lion": ("Lion", {"beta_2": 0.95}, lion(b2=0.95)),
    "muon": ("Muon", {}, muon()),
    "muon, heavy ball": (
        "Muon",
        {"momentum": 0.8, "nesterov": False, "rms_rate": None, "ns_steps": 3, "adam_lr_ratio": 0.5},
        muon(0.8, 3, False, None, 0.5),
    ),
    "lamb": ("Lamb", {}, lamb()),
    "adadelta": ("Adadelta", {}, adadelta()),
    "adamax": ("Adamax", {"beta_2": 0.9}, adamax(b2=0.9)),
    "nadam": ("Nadam", {}, nadam()),
    "ftrl": ("Ftrl", {}, ftrl()),
    "ftrl, regularized": (
        "Ftrl",
        {
            "learning_rate_power": -0.7,
            "initial_accumulator_value": 0.2,
            "l1_regularization_strength": 0.3,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.05,
            "beta": 0.2,
        },
        ftrl(0.7, 0.2, 0.3, 0.1, 0.05, 0.2),
    ),
}
BY_VARIABLE = {"Lamb", "Muon"}  # whose rules need to know where a variable begins and ends

# What every optimizer takes.
OPTIONS: dict[str, dict] = {
    "plain": {},
    "weight_decay": {"weight_decay": 0.1},
    "exclusions": {"weight_decay": 0.1, "weight_decay_exclusions": ["bias"]},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.3},
    "global_clipnorm": {"global_clipnorm": 0.5},
    "ema": {"use_ema": True, "ema_momentum": 0.8},
    "ema overwrites": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    "schedule": {"learning_rate": optimizers.schedules.ExponentialDecay(0.05, 7, 0.8)},
    "all": {
        "learning_rate": optimizers.schedules.InverseTimeDecay(0.05, 5, 0.5, staircase=True),
        "weight_decay": 0.1,
        "weight_decay_exclusions": ["bias"],
        "global_clipnorm": 0.5,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 4,
    },
}
RATE = 0.05


def make(rule: str, option: str, **more):
    """The optimizer of a case, and its equations."""
    name, arguments, equation = RULES[rule]
    common = {"learning_rate": RATE, **OPTIONS[option], **more}
    made = getattr(optimizers, name)(**arguments, **common)
    matrix = common.get("weight_decay", 0.004 if name in ("AdamW", "Muon") else 0.0)
    decays = matrix, 0.004 if name == "Muon" else matrix
    return made, Equations(equation, decays, **common)


class Equations:
    """All that an update consists of, for float64 arrays by name.

    Arguments:
        rule: (w, g, s, r, t) -> w, where s is a dict that it keeps things in and t counts from 1.
        decays: weight decay of matrices and, for Muon, of all else.
    """

    def __init__(self, rule, decays, learning_rate, **options):
        self.rule, self.decays, self.options = rule, decays, options
        self.rate = learning_rate if callable(learning_rate) else lambda step: learning_rate
        self.slots, self.averages, self.sums = {}, {}, {}
        self.step = self.updates = 0

    def __call__(self, weights: dict, grads: dict) -> dict:
        """The weights after a batch."""
        every, scale = self.options.get("gradient_accumulation_steps", 1), self.options.get("loss_scale_factor", 1)
        self.sums = {name: self.sums.get(name, 0) + g for name, g in grads.items()}
        rate, self.step = float(self.rate(self.step)), self.step + 1
        if self.step % every:
            return weights
        grads, self.sums = self.clipped({name: g / every / scale for name, g in self.sums.items()}), {}
        self.updates += 1
        return {name: self.updated(name, w, grads[name], rate) for name, w in weights.items()}

    def clipped(self, grads):
        o = self.options
        if "clipvalue" in o:
            return {name: np.clip(g, -o["clipvalue"], o["clipvalue"]) for name, g in grads.items()}
        if "clipnorm" in o:
            return {name: g * min(1, o["clipnorm"] / np.linalg.norm(g)) for name, g in grads.items()}
        if "global_clipnorm" in o:
            length = np.sqrt(sum((g**2).sum() for g in grads.values()))
            return {name: g * min(1, o["global_clipnorm"] / length) for name, g in grads.items()}
        return grads

    def updated(self, name, w, g, rate):
        o, decay = self.options, self.decays[0 if w.ndim == 2 else 1]
        if decay and not any(re.search(x, name) for x in o.get("weight_decay_exclusions", [])):
            w = w - rate * decay * w
        w = self.rule(w, g, self.slots.setdefault(name, {}), rate, self.updates)
        if o.get("use_ema"):
            momentum = o["ema_momentum"] if name in self.averages else 0
            self.averages[name] = momentum * self.averages.get(name, 0) + (1 - momentum) * w
            if self.updates % o.get("ema_overwrite_frequency", 1 << 30) == 0:
                return self.averages[name]
        return w
