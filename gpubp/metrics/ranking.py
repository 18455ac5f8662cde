"""Exact areas under curves, in NumPy, from the scores of all rows."""

import numpy as np


def roc_area(y_true, scores, weights) -> float:
    """The probability that a one scores above a zero, ties half; 0 if there are no ones or no zeros.

    Arguments:
        y_true, scores, weights: arrays (rows,).

    Source: H. Mann, D. Whitney, On a test of whether one of two random variables is stochastically larger than the
    other, Annals of Mathematical Statistics 18, 1947
    """
    hit, wrong = _above(y_true, scores, weights)
    pairs = hit[-1] * wrong[-1]
    return float(np.trapezoid(hit, wrong) / pairs) if pairs else 0.0


def average_precision(y_true, scores, weights) -> float:
    """The mean of the precisions at the ones, in the order of the scores; 0 if there are none. Arguments as above."""
    hit, wrong = _above(y_true, scores, weights)
    positive = (hit + wrong)[1:]
    precision = np.divide(hit[1:], positive, out=np.zeros_like(positive), where=positive != 0)
    return float(np.sum(np.diff(hit) * precision) / hit[-1]) if hit[-1] else 0.0


def _above(y_true, scores, weights):
    """The weights of ones and of zeros among the rows of the highest scores: for none, then for each distinct score."""
    order = np.argsort(-scores, kind="stable")
    ones, weights, scores = y_true[order] != 0, weights[order].astype(np.float64), scores[order]
    last = np.append(np.diff(scores) != 0, True)[: len(scores)]
    return tuple(np.append(0.0, np.cumsum(np.where(chosen, weights, 0.0))[last]) for chosen in (ones, ~ones))
