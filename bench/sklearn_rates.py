"""gpubp's estimators beside scikit-learn's: the time of a fit and the test score, at equal settings, over some seeds.

    python bench/sklearn_rates.py
    python bench/sklearn_rates.py --data digits adult --seeds 3 --json rates.json

Everything but the number of epochs is scikit-learn's default. Both train in one process on one thread, in turns, seed
by seed. What the environment says of BLAS is dropped, as `gpubp bench` does: each library chooses its own kernels.
README.md beside this file says what the figures mean.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import mean, median, stdev

import numpy as np
from sklearn import datasets, neural_network
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import gpubp.sklearn
from gpubp.bench.process import environment
from gpubp.datasets import adult, diamonds, mnist

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x and y of training, x and y of the test


def shipped(load: Callable, numbers: bool = False) -> Callable[[], Parts]:
    """A set that scikit-learn ships, a quarter of it for the test."""

    def read():
        x, y = load(return_X_y=True)
        return split(scale(x), scale(y) if numbers else y)

    return read


def split(x, y) -> Parts:
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
    return x_train, y_train, x_test, y_test


def one_hot(table) -> np.ndarray:
    """Numbers scaled, categories as a column for each level."""
    codes = zip(table.categories.T, table.levels.values(), strict=True)
    return np.concatenate(
        [scale(table.numbers.astype(float)), *(np.eye(len(levels))[c] for c, levels in codes)], axis=1
    )


def read_adult() -> Parts:
    (x_train, y_train), (x_test, y_test) = adult.load_data()
    return one_hot(x_train), y_train, one_hot(x_test), y_test


def read_diamonds() -> Parts:
    (x_train, y_train), (x_test, y_test) = diamonds.load_data()
    return one_hot(x_train), np.log(y_train) - 8, one_hot(x_test), np.log(y_test) - 8


def read_mnist() -> Parts:
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    return x_train.reshape(-1, 784) / 255, y_train, x_test.reshape(-1, 784) / 255, y_test


@dataclass
class Set:
    """A data set, the estimator for it and for how many epochs it trains."""

    read: Callable[[], Parts]
    estimator: str
    epochs: int


SETS = {
    "cancer": Set(shipped(datasets.load_breast_cancer), "MLPClassifier", 200),
    "diabetes": Set(shipped(datasets.load_diabetes, numbers=True), "MLPRegressor", 200),
    "digits": Set(shipped(datasets.load_digits), "MLPClassifier", 200),
    "adult": Set(read_adult, "MLPClassifier", 20),
    "diamonds": Set(read_diamonds, "MLPRegressor", 20),
    "mnist": Set(read_mnist, "MLPClassifier", 10),
}


@dataclass
class Fit:
    """What one fit showed."""

    seconds: float
    processor: float
    epochs: int
    score: float


def fitted(library, chosen: Set, data: Parts, seed: int) -> Fit:
    x_train, y_train, x_test, y_test = data
    estimator = getattr(library, chosen.estimator)(max_iter=chosen.epochs, random_state=seed)
    wall, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that epochs did not suffice
        estimator.fit(x_train, y_train)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Fit(wall, processor, estimator.n_iter_, estimator.score(x_test, y_test))


def measure(name: str, dtype: str, seeds: int) -> dict[str, list[Fit]]:
    """Fits of both libraries, by their names. Kernels are compiled before."""
    chosen = SETS[name]
    x_train, y_train, x_test, y_test = chosen.read()
    data = x_train.astype(dtype), y_train, x_test.astype(dtype), y_test
    libraries = {"scikit-learn": neural_network, "gpubp": gpubp.sklearn}
    fitted(gpubp.sklearn, Set(chosen.read, chosen.estimator, 1), data, 0)
    rounds = [{n: fitted(library, chosen, data, seed) for n, library in libraries.items()} for seed in range(seeds)]
    return {n: [r[n] for r in rounds] for n in libraries}


def row(name: str, dtype: str, fits: dict[str, list[Fit]]) -> str:
    """A line of the table: processor time of an epoch, their ratio, test scores."""
    epoch = {n: [f.processor / f.epochs for f in found] for n, found in fits.items()}
    ratios = [a / b for a, b in zip(epoch["scikit-learn"], epoch["gpubp"], strict=True)]
    times = [f"{1e3 * median(epoch[n]):.2f}" for n in fits]
    scores = [f"{mean(f.score for f in found):.4f} ± {stdev(f.score for f in found):.4f}" for found in fits.values()]
    return f"| {name} | {dtype} | {' | '.join(times)} | {median(ratios):.1f} | {' | '.join(scores)} |"


def begin_anew_where_blas_is_tuned():
    """In the same process, without what its environment says of BLAS, and with one thread."""
    own = environment(threads=1)
    if own != dict(os.environ):
        os.execve(sys.executable, sys.orig_argv, own)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--dtypes", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--json", help="where to write all fits")
    given = parser.parse_args()
    print("| data | dtype | scikit-learn: ms an epoch | gpubp | ratio | scikit-learn: test score | gpubp |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    results = {}
    for name in given.data:
        for dtype in given.dtypes:
            fits = measure(name, dtype, given.seeds)
            print(row(name, dtype, fits), flush=True)
            results[f"{name} {dtype}"] = {n: [asdict(f) for f in found] for n, found in fits.items()}
    if given.json:
        with open(given.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    begin_anew_where_blas_is_tuned()
    main()
