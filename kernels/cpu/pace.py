"""How long compiling takes: a guess by the length of the texts, held against what this process has measured so far."""

import time
from collections.abc import Iterable
from contextlib import contextmanager

STARTING = 2.5  # seconds that the first kernel of a process takes longer: Numba is imported, and all is new to it
A_KERNEL, A_CHARACTER = 0.2, 1.2e-4  # seconds, too, on an ordinary processor that others use as well
TRUST = 3.0  # seconds of measured compiling that count as much as the guess that this processor is an ordinary one


class Pace:
    """How fast this process compiles."""

    def __init__(self):
        self._guessed = self._taken = TRUST
        self._begun = False

    def seconds(self, texts: Iterable[str]) -> float:
        """How long it takes to compile kernels of these texts, roughly."""
        return self._guess(texts) * self._taken / self._guessed

    @contextmanager
    def measured(self, text: str):
        """Notes how long what is done inside takes, which is to compile this text."""
        guess, start = self._guess([text]), time.perf_counter()
        yield
        self._taken += time.perf_counter() - start
        self._guessed += guess
        self._begun = True

    def _guess(self, texts: Iterable[str]) -> float:
        each = [A_KERNEL + A_CHARACTER * len(text) for text in texts]
        return sum(each) + (STARTING if each and not self._begun else 0)
