"""What a contender can do."""

import numpy as np

from ..case import Case, Problem


class UnableError(Exception):
    """A library has no way to do what the case asks for."""


class Contender:
    """Trains the net of a case and predicts with it.

    Arguments:
        case: what is trained.
        problem: its arrays.

    Raises:
        UnableError: if the library can't.
    """

    packages: tuple[str, ...] = ()  # whose versions are recorded, the library's own first
    note = ""  # how it goes about it

    def __init__(self, case: Case, problem: Problem):
        self.case, self.problem, self.order = case, problem, problem.order

    def tune(self):
        """Settles choices by trying them, before anything is measured."""

    def reset(self):
        """Back to the initial weights and the state of an optimizer that has done nothing."""
        raise NotImplementedError

    def shuffle(self, epoch: int):
        """Chooses another order of the rows."""
        self.order = np.random.default_rng(epoch).permutation(len(self.problem.x))

    def epoch(self) -> float | None:
        """Trains on all batches; the mean loss, or None if it can't be compared."""
        raise NotImplementedError

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The probabilities of the classes, (rows, classes), or what is predicted, (rows, 1)."""
        raise NotImplementedError

    def explain(self) -> dict:
        """The costs of each instruction of a step."""
        raise UnableError(f"{type(self).__name__} does not tell what a step consists of")

    def batches(self) -> list[np.ndarray]:
        """The rows of each batch, the last one as short as it comes out."""
        return np.split(self.order, range(self.case.batch, len(self.order), self.case.batch))

    def only_plain(self, library: str):
        """Refuses what a library without dropout and batch normalisation can't do."""
        for what, asked in {"dropout": self.case.dropout, "batch normalisation": self.case.batch_norm}.items():
            if asked:
                raise UnableError(f"{library} has no {what}")
