"""What is trained: a net, its optimizer and an epoch of batches; and the arrays that all contenders are given."""

from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

RATES = {"adam": 0.001, "sgd": 0.01}
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
NORM_MOMENTUM, NORM_EPSILON = 0.99, 0.001
SEED = 1


@dataclass(frozen=True)
class Case:
    """A net with ReLU hidden layers, and an epoch of `steps` batches to train it on.

    Arguments:
        widths: of the input, the hidden layers and the output. One output is regressed on with the mean squared error,
            more are classes with softmax and cross-entropy.
        batch: rows of a batch.
        steps: batches of an epoch.
        optimizer: "adam", of rate 0.001, or "sgd", of rate 0.01 without momentum. Default "adam".
        dropout: its rate after each hidden layer. Default 0.
        batch_norm: whether each hidden layer is normalised before its ReLU. Default False.
        dtype: "float32" or "float64". Default "float32".
        mse: whether several outputs are regressed on as well, instead of classes. Default False.

    >>> Case((784, 512, 512, 10), 128, 8).name, Case((1024, 2048, 2048, 2048, 1000), 512, 1, dropout=0.3).name
    ('784-512-512-10, 128', '1024-2048x3-1000, 512, dropout')
    """

    widths: tuple[int, ...]
    batch: int
    steps: int
    optimizer: str = "adam"
    dropout: float = 0.0
    batch_norm: bool = False
    dtype: str = "float32"
    mse: bool = False

    @property
    def name(self) -> str:
        """Its widths, the rows of a batch, and what is not as usual."""
        runs = [(w, len(list(same))) for w, same in groupby(self.widths)]
        net = "-".join(f"{w}x{n}" if n > 2 else "-".join([str(w)] * n) for w, n in runs)
        unusual = {
            self.optimizer: self.optimizer != "adam",
            "dropout": self.dropout,
            "batch norm": self.batch_norm,
            self.dtype: self.dtype != "float32",
            "MSE": self.mse,
        }
        return ", ".join([net, f"{self.batch:,}", *(what for what, so in unusual.items() if so)])

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        return list(pairwise(self.widths))

    @property
    def rows(self) -> int:
        return self.batch * self.steps

    @property
    def regression(self) -> bool:
        return self.mse or self.widths[-1] == 1

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATES[self.optimizer]


@dataclass
class Problem:
    """The arrays of a case, the same for every contender.

    Arguments:
        x: rows, (rows, features).
        y: labels, int64 (rows,), or targets, (rows, 1).
        order: in which the first epoch visits the rows, int64 (rows,).
        weights: kernel and bias of each layer at the start.
        x_test, y_test: rows that are not trained on. Default none.
    """

    x: np.ndarray
    y: np.ndarray
    order: np.ndarray
    weights: list[np.ndarray]
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None

    def save(self, path: Path):
        kernels = {f"weights_{k:02}": w for k, w in enumerate(self.weights)}
        arrays = {k: v for k, v in vars(self).items() if k != "weights" and v is not None}
        np.savez(path, **{**arrays, **kernels})

    @classmethod
    def load(cls, path: Path) -> "Problem":
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        weights = [arrays.pop(name) for name in sorted(arrays) if name.startswith("weights_")]
        return cls(**arrays, weights=weights)
