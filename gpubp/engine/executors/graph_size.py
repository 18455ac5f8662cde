"""How many steps a graph holds: as many as make its launch cost little beside what it runs."""

from math import ceil
from time import perf_counter

SHARE = 0.02  # of a graph's time, what its launch may take
MOST = 64  # steps: a chunk is not cut into fewer than a few graphs
NODES = 4096  # of a graph, at most
TRIALS = 3  # launches that are measured, of which the shortest counts


def graph_size(launch: float, step: float, calls: int) -> int:
    """Steps of a graph: a power of two, so that few sizes are met.

    Arguments:
        launch: seconds that the host takes to launch a graph.
        step: seconds from the launch of a graph of one step until it is done.
        calls: that a step consists of.

    >>> graph_size(5e-6, 20e-6, 20), graph_size(5e-6, 1e-3, 20), graph_size(5e-6, 20e-6, 1000)
    (16, 1, 4)
    """
    wanted = ceil(launch / (SHARE * step)) if step > 0 else MOST
    largest = max(1, min(MOST, NODES // calls))
    return 2 ** min((max(1, wanted) - 1).bit_length(), largest.bit_length() - 1)


def measured(device, graph) -> tuple[float, float]:
    """Seconds of the launch of a graph of one step, and until it is done; runs it TRIALS times."""
    launches, steps = [], []
    for _ in range(TRIALS):
        device.synchronise()
        start = perf_counter()
        device.replay(graph)
        launches.append(perf_counter() - start)
        device.synchronise()
        steps.append(perf_counter() - start)
    return min(launches), min(steps)
