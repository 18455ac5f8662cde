"""The history of a training."""

from gpubp.training.callbacks import Callback


class History(Callback):
    """Collects the logs of epochs: `history` maps names to lists, `epoch` lists the numbers. `fit` returns one.

    Source: https://keras.io/api/callbacks
    """

    def __init__(self):
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def state(self):
        return {"epoch": list(self.epoch), "history": {name: list(values) for name, values in self.history.items()}}

    def set_state(self, state):
        self.epoch, self.history = state["epoch"], state["history"]

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def plot(self, path):
        """Draws the learning curves into a picture file, one panel for the loss and one for each metric.

        Raises ImportError without matplotlib: pip install gpubp[plot].
        """
        from matplotlib.figure import Figure

        names = [n for n in self.history if not n.startswith("val_")]
        figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for label, key in (("training", name), ("validation", f"val_{name}")):
                if key in self.history:
                    axes.plot([e + 1 for e in self.epoch], self.history[key], marker="o", markersize=3, label=label)
            axes.set(xlabel="epoch", ylabel=name)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(path, dpi=150)
