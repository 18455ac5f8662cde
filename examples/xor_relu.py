"""A 2-3-1 ReLU net learns XOR by squared error from about half of all initial weights. Why not from the others?

Two ReLU units suffice for XOR: y = relu(x1 + x2) - 2 relu(x1 + x2 - 1). But a unit whose input is at most 0 on all four
rows puts out 0 and gets the gradient 0: it is dead, for good. With biases of 0 a unit is born dead if both its weights
are negative, one in four; gradient descent pushes some more below 0, at any learning rate. With one unit alive XOR is
out of reach. With two or three it is not, but the loss has plateaus, at which its gradient is 0:

    1/4   every output is 1/2, the mean of all targets
    1/6   one row is right, the other three put out their mean, 1/3 or 2/3
    1/8   two rows are right, the other two put out their mean, 1/2

Tutorials show a seed that works. The remedy is more hidden units than XOR needs.
"""

import sys
from collections import Counter

import numpy as np

import gpubp

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([[0], [1], [1], [0]])
PLATEAUS = {"1/4": 1 / 4, "1/6": 1 / 6, "1/8": 1 / 8}


def dead_units(model) -> int:
    """The hidden units that put out 0 for all rows."""
    kernel, bias = model.get_weights()[:2]
    return int((X @ kernel + bias <= 0).all(axis=0).sum())


def train(seed: int, hidden: int = 3, epochs: int = 500) -> dict:
    gpubp.set_random_seed(seed)
    model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(hidden, "relu"), gpubp.layers.Dense(1)])
    model.compile(gpubp.optimizers.SGD(0.1), "mse")
    born_dead = dead_units(model)
    loss = model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0).history["loss"][-1]
    right = ((model.predict(X, verbose=0) > 0.5) == Y).all()
    return {"right": bool(right), "loss": loss, "born_dead": born_dead, "dead": dead_units(model)}


def plateau_of(loss: float) -> str:
    return next((name for name, level in PLATEAUS.items() if abs(loss - level) < 0.002), "elsewhere")


def main(seeds: int = 200) -> dict:
    runs = [train(seed) for seed in range(seeds)]
    right = sum(run["right"] for run in runs)
    stuck = Counter((run["dead"], plateau_of(run["loss"])) for run in runs if not run["right"])
    by_dead = {dead: [run["right"] for run in runs if run["dead"] == dead] for dead in range(4)}
    born, ended = (sum(run[when] for run in runs) for when in ("born_dead", "dead"))
    print(f"{right} of {seeds} seeds learn XOR ({right / seeds:.0%})")
    print(f"of {3 * seeds} hidden units {born} are born dead ({born / 3 / seeds:.0%}), {ended} are dead at the end")
    print(f"{'dead units':>10}{'seeds':>8}{'learn':>8}" + "".join(f"{f'at {name}':>10}" for name in PLATEAUS))
    for dead, results in by_dead.items():
        counts = "".join(f"{stuck[dead, name]:10}" for name in PLATEAUS)
        print(f"{dead:10}{len(results):8}{sum(results):8}{counts}")
    wide = sum(train(seed, hidden=8)["right"] for seed in range(seeds // 5))
    print(f"with 8 hidden units {wide} of {seeds // 5} seeds learn XOR")
    return {"seeds": seeds, "right": right, "born_dead": born, "by_dead": by_dead, "stuck": stuck, "wide": wide}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
