"""A line from three points: one `Dense(1)` learns y = 2x by gradient descent, and predicts 8 for 4.

A batch of all three rows makes every step a step of plain gradient descent. On the mean squared error of a line that
converges as long as the rate is below 2 / (the largest eigenvalue of the Hessian). With a = (x, 1) for each row the
Hessian is 2 mean(a aᵀ), whatever the weights are: for x = 1, 2, 3 the limit is 0.18, and 0.1 is fine. The same 0.1
diverges for x = 1 ... 10, where the limit is 0.025; there one scales x or lowers the rate.
"""

import numpy as np

import gpubp


def rate_limit(x: np.ndarray) -> float:
    """The learning rate from which on gradient descent on mean((w x + b - y)²) diverges."""
    a = np.column_stack([x, np.ones(len(x))])
    return 2 / np.linalg.eigvalsh(2 * a.T @ a / len(x)).max()


def fitted(x: np.ndarray, epochs: int = 100) -> gpubp.Sequential:
    gpubp.set_random_seed(0)
    model = gpubp.Sequential([gpubp.Input((1,)), gpubp.layers.Dense(1)])
    model.compile(optimizer=gpubp.optimizers.SGD(0.1), loss="mse")
    model.fit(x, 2 * x, batch_size=len(x), epochs=epochs, verbose=0)
    return model


def main() -> dict:
    x = np.array([[1.0], [2.0], [3.0]])
    model = fitted(x)
    prediction = model.predict(np.array([[4.0]]), verbose=0).item()
    weight, bias = (w.item() for w in model.get_weights())
    print(f"learned y = {weight:.3f} x + {bias:.3f}; for x = 4 it predicts {prediction:.3f}")

    wide = np.arange(1.0, 11.0)[:, None]
    limits = rate_limit(x), rate_limit(wide)
    print(f"the rate must stay below {limits[0]:.3f} for x = 1, 2, 3, and below {limits[1]:.3f} for x = 1 ... 10")
    try:
        fitted(wide)
        error = ""
    except gpubp.NonFiniteError as stopped:
        error = str(stopped)
    print(f"with 0.1 on x = 1 ... 10: {error}")
    return {"prediction": prediction, "weight": weight, "bias": bias, "limits": limits, "error": error}


if __name__ == "__main__":
    main()
