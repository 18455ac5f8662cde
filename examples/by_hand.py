"""Backpropagation by hand, in plain NumPy, next to what gpubp differentiates by itself; and how mistakes look.

First a 2-3-1 sigmoid net with squared error, every equation written out; then a chain of any number of such layers in
one loop. Both equal `gpubp.value_and_grad` to 1e-12. Then the mistakes that tutorials make, one at a time: how far each
gradient is off, and the loss after 5,000 steps with it. With the mean taken twice XOR is still learned, only later: a
falling loss proves nothing, comparing gradients does. docs/backprop-by-hand.md derives the equations.
"""

from itertools import pairwise

import numpy as np

import gpubp
from gpubp import ops

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def initial_weights(widths, seed=0):
    """A list of [kernel, bias], one pair a layer, in float64."""
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=(m, n)), rng.normal(size=n)] for m, n in pairwise(widths)]


def two_layers(weights, x, y, hidden_slope=lambda z, a: a * (1 - a), means=1, sign=1):
    """Loss and gradients of two layers. The last three arguments exist to be got wrong below."""
    (w1, b1), (w2, b2) = weights
    n = len(x)
    z1 = x @ w1 + b1  # (n, 3)
    a1 = sigmoid(z1)
    z2 = a1 @ w2 + b2  # (n, 1)
    a2 = sigmoid(z2)
    loss = np.sum((a2 - y) ** 2) / n  # L = 1/n Σ (a2 - y)²

    da2 = 2 * (a2 - y) / n**means  # dL/da2; the 1/n of L is here, once, and nowhere else
    dz2 = da2 * a2 * (1 - a2)  # times sigmoid'(z2) = a2 (1 - a2)
    dw2 = a1.T @ dz2  # as z2 = a1 w2 + b2
    db2 = dz2.sum(axis=0)  # b2 acts on every row: its gradient is the sum over them
    da1 = dz2 @ w2.T
    dz1 = da1 * hidden_slope(z1, a1)  # times sigmoid'(z1) = a1 (1 - a1)
    dw1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    return loss, [[sign * dw1, sign * db1], [sign * dw2, sign * db2]]


def chain(weights, x, y):
    """Loss and gradients of any number of layers: the same equations, from the last layer to the first."""
    activations = [x]
    for w, b in weights:
        activations.append(sigmoid(activations[-1] @ w + b))
    error, gradients = activations[-1] - y, []
    da = 2 * error / len(x)
    for (w, _), before, a in zip(weights[::-1], activations[-2::-1], activations[:0:-1], strict=True):
        dz = da * a * (1 - a)
        gradients.insert(0, [before.T @ dz, dz.sum(axis=0)])
        da = dz @ w.T
    return np.sum(error**2) / len(x), gradients


def engine(weights, x, y):
    """Loss and gradients as gpubp finds them from the forward pass alone."""

    def loss(weights):
        a = x
        for w, b in weights:
            a = ops.sigmoid(a @ w + b)
        return ops.sum(ops.square(a - y)) / len(x)

    return gpubp.value_and_grad(loss)(weights)


MISTAKES = {
    "none": {},
    "sigmoid'(z) taken as z (1 - z)": {"hidden_slope": lambda z, a: z * (1 - z)},
    "sigmoid'(a) instead of sigmoid'(z)": {"hidden_slope": lambda z, a: sigmoid(a) * (1 - sigmoid(a))},
    "no sigmoid' in the hidden layer": {"hidden_slope": lambda z, a: 1},
    "the mean taken twice": {"means": 2},
    "a step uphill": {"sign": -1},
}


def difference(found, expected) -> float:
    """|found - expected| / |expected| of all gradients as one vector."""
    f, e = (np.concatenate([g.ravel() for pair in gradients for g in pair]) for gradients in (found, expected))
    return float(np.linalg.norm(f - e) / np.linalg.norm(e))


@np.errstate(all="ignore")  # one of the mistakes overflows
def descend(steps=5000, rate=1.0, **mistake) -> float:
    """The loss on XOR after gradient descent with a mistake."""
    weights = initial_weights([2, 3, 1])
    for _ in range(steps):
        (w1, b1), (w2, b2) = weights
        _, ((dw1, db1), (dw2, db2)) = two_layers(weights, X, Y, **mistake)
        weights = [[w1 - rate * dw1, b1 - rate * db1], [w2 - rate * dw2, b2 - rate * db2]]
    return float(two_layers(weights, X, Y)[0])


def main() -> dict:
    expected = engine(initial_weights([2, 3, 1]), X, Y)[1]
    agreement = {"2-3-1 written out": difference(two_layers(initial_weights([2, 3, 1]), X, Y)[1], expected)}
    for widths in ([2, 3, 1], [2, 5, 4, 3, 1], [2, *[3] * 8, 1]):
        weights = initial_weights(widths)
        found = difference(chain(weights, X, Y)[1], engine(weights, X, Y)[1])
        agreement[f"{'-'.join(map(str, widths))} in a loop"] = found
    for name, off in agreement.items():
        print(f"{name:32} differs from the engine by {off:.1e}")

    mistakes = {}
    print(f"\n{'mistake':36}{'gradient off by':>16}{'loss after 5,000 steps':>24}")
    for name, mistake in MISTAKES.items():
        off = difference(two_layers(initial_weights([2, 3, 1]), X, Y, **mistake)[1], expected)
        mistakes[name] = off, descend(**mistake)
        print(f"{name:36}{off:16.1e}{mistakes[name][1]:24.4f}")
    return {"agreement": agreement, "mistakes": mistakes}


if __name__ == "__main__":
    main()
