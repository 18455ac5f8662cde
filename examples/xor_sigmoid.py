"""A 2-4-1 sigmoid net learns XOR by binary cross-entropy, from almost any initial weights.

One lucky seed proves nothing, so a hundred are tried. What decides is the learning rate: at 1.0 nearly all seeds have
learned XOR after 1,000 steps of plain gradient descent; at 0.1 the same 1,000 steps end where they began, at a loss of
ln 2 = 0.693, as if the net could not learn it. Four rows are the whole data, so each epoch is one step.
"""

import sys

import numpy as np

import gpubp

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([[0], [1], [1], [0]])


def train(seed: int, rate: float = 1.0, epochs: int = 1000) -> tuple[bool, float]:
    """Whether all four rows come out right, and the last loss."""
    gpubp.set_random_seed(seed)
    layers = [gpubp.Input((2,)), gpubp.layers.Dense(4, "sigmoid"), gpubp.layers.Dense(1, "sigmoid")]
    model = gpubp.Sequential(layers)
    model.compile(gpubp.optimizers.SGD(rate), "binary_crossentropy")
    history = model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0)
    right = (model.predict(X, verbose=0) > 0.5) == Y
    return bool(right.all()), history.history["loss"][-1]


def main(seeds: int = 100) -> dict:
    results = [train(seed) for seed in range(seeds)]
    learned = sum(right for right, _ in results)
    losses = sorted(loss for _, loss in results)
    print(f"{learned} of {seeds} seeds learn XOR at the rate 1.0; the median of the losses is {np.median(losses):.4f}")

    slow = [train(seed, rate=0.1) for seed in range(min(seeds, 10))]
    slow_learned, slow_loss = sum(right for right, _ in slow), float(np.median([loss for _, loss in slow]))
    print(f"{slow_learned} of {len(slow)} learn it at the rate 0.1; the median of their losses is {slow_loss:.4f}")
    return {"seeds": seeds, "learned": learned, "losses": losses, "slow_learned": slow_learned, "slow_loss": slow_loss}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
