"""How long instructions take: each alone, many times over, on a program's memory; the shortest of several tries."""

from time import perf_counter

TRY_SECONDS = 1e-4  # of runs in one try: long against a call, short enough to fall between interruptions
FEWEST_TRIES = 3
MOST_RUNS = 10_000
NOTHING = range(0)


def shortest(executor, rows: int, stretch: range, runs: int = MOST_RUNS, budget: float = 0.01) -> float:
    """The seconds that a stretch of an executor's instructions takes at best, on one batch.

    The instructions before it run before each try, so that it finds what it finds in a step.

    Arguments:
        executor: has `seconds(rows, stretch, times)`. What the instructions change is changed.
        rows: of the batch.
        stretch: the numbers of the instructions, in the program's order.
        runs: how often at most they run in a try. Default 10,000.
        budget: seconds to spend; there are at least three tries. Default 0.01.
    """
    executor.seconds(rows, range(stretch.stop), 1)  # compiles kernels, touches pages
    times = _enough(executor, rows, stretch, runs)
    taken: list[float] = []
    empty: list[float] = []
    end = perf_counter() + budget
    while len(taken) < FEWEST_TRIES or perf_counter() < end:
        executor.seconds(rows, range(stretch.stop), 1)
        taken.append(executor.seconds(rows, stretch, times))
        empty.append(executor.seconds(rows, NOTHING, times))
    return max(min(taken) - min(empty), 0.0)


def _enough(executor, rows, stretch, runs) -> int:
    """How often the stretch has to run to take TRY_SECONDS, but for the limit."""
    times = 1
    while times < runs and times * executor.seconds(rows, stretch, times) < TRY_SECONDS:
        times = min(8 * times, runs)
    return times
