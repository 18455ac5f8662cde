"""Metrics that need every prediction at once, such as an exact AUC: measured on the host, in evaluation only."""

import copy

from gpubp.engine import trees
from gpubp.training import data


def metrics_of(model) -> list:
    """Such metrics: (name in the logs, number of the output, metric, whether it takes weights)."""
    goals = model.goals()
    return [
        (f"{goal.output}_{metric.name}" if len(goals) > 1 else metric.name, k, metric, weighted)
        for k, goal in enumerate(goals)
        for metric, weighted in goal.measured
        if metric.collect
    ]


def measured(model, batches: list, batch_size: int | None = None) -> dict[str, float]:
    """Their values over all batches of rows."""
    wanted = [(name, k, copy.deepcopy(metric), weighted) for name, k, metric, weighted in metrics_of(model)]
    for _, _, metric, _ in wanted:
        metric.reset_state()
    for rows in batches if wanted else ():
        outputs = trees.flatten(model._predicted(rows, batch_size or len(rows)))
        for _, k, metric, weighted in wanted:
            weight = rows.weights[k] if weighted and rows.weights else None
            metric.update_state(data.on_host(rows.targets[k]), outputs[k], weight)
    return {name: metric.result() for name, _, metric, _ in wanted}
