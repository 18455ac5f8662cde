"""Methods by which Keras lets a class change what training does, and which would do nothing here: refused by name."""

from gpubp import losses, metrics, optimizers

MODEL = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "make_train_function")
INSTEAD = {
    "model": "write a loss over gpubp.ops, add_loss in a layer, or a loop of one's own with gpubp.value_and_grad",
    "optimizer": "define update_variable, in ops over one variable",
    "metric": "define sums, in ops over the rows, and compute",
    "loss": "define call, in ops with one value for each row",
}


def refuse(kind: str, part, names, base: type | None = None):
    """Raises ValueError if the class of `part` defines one of the methods, or one other than that of its base."""
    for name in names:
        found = getattr(type(part), name, None)
        if found is not None and found is not getattr(base, name, None):
            raise ValueError(
                f"{type(part).__name__} defines {name}, which training does not call: for a {kind} {INSTEAD[kind]}"
            )


def refuse_all(model, optimizer, objective):
    """Looks at a model and at what it is compiled with."""
    refuse("model", model, MODEL)
    refuse("optimizer", optimizer, ("update_step", "apply", "apply_gradients"), optimizers.Optimizer)
    for loss in objective.losses:
        refuse("loss", loss, ("__call__",), losses.Loss)
    for metric in objective.all_metrics:
        refuse("metric", metric, ("update_state", "result"), metrics.Metric)
