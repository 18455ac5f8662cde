"""What every model can do with data: compile, fit, evaluate, predict, and the same for a single batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gpubp import optimizers
from gpubp.callbacks.history import History
from gpubp.engine.executors.capacity import TooLargeError
from gpubp.optimizers.lbfgs import LBFGS
from gpubp.optimizers.loss_scale import LossScaleOptimizer
from gpubp.training import data, exact, feeds, loop, quick, streams
from gpubp.training.arguments import at_least, due_in, optional, positive, roomy, shuffling
from gpubp.training.callbacks import Callback
from gpubp.training.frozen import warn_if_frozen
from gpubp.training.intake import rows_for
from gpubp.training.loop import Position
from gpubp.training.minimisation import Minimisation
from gpubp.training.objective import Goal, Objective
from gpubp.training.overrides import refuse_all
from gpubp.training.programmed import Programmed
from gpubp.training.progress import progress
from gpubp.training.reading import shown
from gpubp.training.watchers import Watchers, listed

BATCH, READ_BATCH = 32, 256  # rows of a batch by default: of training, and of what only reads


class Trainer(Programmed):
    """The part of a model that trains it. Models tell it their inputs and outputs.

    Source of names, arguments and defaults: https://keras.io/api/models/model_training_apis
    """

    _apart = Programmed._apart | {"compiled_with", "objective", "history", "position"}

    # What models provide
    _input_arrays: Any
    input_dtypes: Any
    input_row_shapes: Any
    output_shapes: Any

    @property
    def output_names(self) -> list[str]:
        raise NotImplementedError

    def _begin(self):
        """Sets the attributes of a model that has not been compiled."""
        super()._begin()
        self.objective: Objective | None = None
        self.compiled_with: dict[str, Any] = {}
        self.check_numerics = self.stop_training = False
        self.history: History | None = None
        self.position: Position | None = None  # where the next call of fit goes on, if a callback has set it

    # Compiling

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile="auto",
        auto_scale_loss: bool = True,
        check_numerics: bool = False,
    ):
        """Chooses what training does.

        Arguments:
            optimizer: name or instance. Default "rmsprop".
            loss: name, instance, or function of (y_true, y_pred) over `gpubp.ops` that gives one value for each row.
                For several outputs a list of them, or a dict by the outputs' names.
            loss_weights: of the outputs' losses in their sum: list or dict of floats. Default 1 each.
            metrics: list of names, instances or functions like losses; for several outputs a dict by name, or a list of
                lists. Default none.
            weighted_metrics: the same, measured with the weights of the rows.
            run_eagerly: whether the reference executor runs the program: NumPy, op by op. Default False.
            steps_per_execution, jit_compile: taken for compatibility; as many steps as take some 50 ms run as one
                compiled call anyway.
            auto_scale_loss: whether `LossScaleOptimizer` is put around the optimizer if a layer's policy is
                "mixed_float16". Default True.
            check_numerics: whether every gradient is checked before the update. Default False: the loss alone is, so
                that a NaN that arises in backward is found one step later.

        Raises:
            ValueError: for unknown names.
        """
        chosen = self._with_loss_scale(optimizers.get(optimizer), auto_scale_loss)
        objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        refuse_all(self, chosen, objective)
        if self.built:
            objective.goals(self.output_names)
        given = {"loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        with self._gate.exclusive():
            self.optimizer, self.objective, self.compiled_with = chosen, objective, {"loss": loss, **given}
            self.run_eagerly, self.check_numerics = bool(run_eagerly), bool(check_numerics)
            self._store, self._runners, self._quick, self.iterations, self.updates = None, {}, {}, 0, 0

    def _with_loss_scale(self, optimizer, wanted: bool):
        """The optimizer, with a scale for the loss if gradients are kept in float16."""
        policies = {layer.dtype_policy.name for layer in self.flat_layers()}
        alone = isinstance(optimizer, LBFGS | LossScaleOptimizer)
        return LossScaleOptimizer(optimizer) if wanted and "mixed_float16" in policies and not alone else optimizer

    @property
    def loss(self):
        """What `compile` was given as the loss."""
        return self.objective and self.objective.loss

    @property
    def metrics(self) -> list:
        """The metrics of all outputs."""
        return [metric for goal in self.goals() for metric, _ in goal.measured] if self.objective else []

    @property
    def metrics_names(self) -> list[str]:
        """The names in the logs, as far as they follow from `compile`."""
        return ["loss", *(m.name for m in self.metrics)]

    @property
    def compiled(self) -> bool:
        return self.optimizer is not None

    def goals(self) -> list[Goal]:
        """What each output is measured by."""
        return (self.objective or Objective()).goals(self.output_names)

    @property
    def rate(self) -> float:
        """The learning rate of the next step; 0 where a schedule computes it in the program."""
        rate = self.optimizer._learning_rate  # as it is, since this is asked for at every step
        return 0.0 if callable(rate) else float(rate)

    # Training

    def fit(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose="auto",
        callbacks: list[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data=None,
        shuffle: bool | Callable[[int], np.ndarray] = True,
        class_weight: dict | None = None,
        sample_weight=None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
    ) -> History:
        """Trains, and returns the history of losses and metrics.

        The loss of a batch is the mean over its own rows; means of an epoch weigh batches by their rows. Batches are a
        function of the model's seed and of the steps done before the epoch.

        Arguments:
            x: array of rows; for several inputs a list, or a dict by their names. SciPy's sparse matrices, frames and
                arrays of other libraries will do. Also a Sequence (`len` and indexing) or an iterable of batches
                (x, y) or (x, y, sample_weight).
            y: targets of as many rows, in the same ways; none where `x` gives them.
            batch_size: rows of a batch; the last one of an epoch may be shorter. Default 32.
            epochs: the number of the last epoch. Default 1.
            verbose: 0 silent, 1 a live bar, 2 a line an epoch, "auto" a bar in a terminal. Default "auto".
            callbacks: list of Callback.
            validation_split: share of the rows, from the end, to validate on; none where `validation_data` is given.
                Default 0.
            validation_data: (x, y) or (x, y, sample_weight) to validate on after each epoch; or a Sequence or iterable.
            shuffle: whether each epoch has an order of its own; or, for arrays, a function that gives the next order of
                so many rows. Default True.
            class_weight: dict of labels to the weights of their rows. Default 1 each.
            sample_weight: weights of the rows; for several outputs a list or dict. Default 1 each.
            initial_epoch: the epoch to begin with. Default 0.
            steps_per_epoch: batches of an epoch at most, chosen from all where there is an order. Default all.
            validation_steps, validation_batch_size: the same for validation. Default all, and `batch_size`.
            validation_freq: epochs from one validation to the next, or a list of the epochs (from 1) that have one.
                Default 1.

        Raises:
            ValueError, TypeError: for input that does not fit; nothing has changed then.
            NonFiniteError: if the loss of a step is not finite; names the layer, and the weights are those of before
                that step. A validation loss that is not finite is reported as it is.
        """
        with self._gate.exclusive():
            self._require_compiled("fit")
            epochs, initial_epoch = at_least(0, "epochs", epochs), at_least(0, "initial_epoch", initial_epoch)
            batch_size = positive("batch_size", BATCH if batch_size is None else batch_size)
            limit = optional("steps_per_epoch", steps_per_epoch)
            held_size = optional("validation_batch_size", validation_batch_size) or batch_size
            held_steps = optional("validation_steps", validation_steps)
            due, shuffle = due_in(validation_freq), shuffling(shuffle)
            stream = data.as_stream(x, limit)
            held = validation_data
            if stream is not None:
                streams.refuse_targets(y, sample_weight, validation_split)
                rows, told = None, {"steps": stream.length, "batch_size": None, "rows": None}
            else:
                rows = rows_for(self, x, y, sample_weight, class_weight, fitting=True)
                if validation_split and held is None:
                    rows, held = rows.split(validation_split)
                length = min(-(-len(rows) // batch_size), limit or len(rows))
                told = {"steps": length, "batch_size": batch_size, "rows": len(rows)}
            told |= {"epochs": epochs, "verbose": verbose, "random_access": stream is None or stream.random_access}
            warn_if_frozen(self)
            bar, given = progress(verbose), listed(callbacks)
            histories = [c for c in given if isinstance(c, History)] or [History()]
            own = [c for c in (bar, histories[0]) if c is not None and c not in given]
            watchers = Watchers([*given, *own], self, told)
            self.stop_training, self.position, self.history = False, None, histories[0]
            training = self._training(rows or stream, batch_size, shuffle, watchers, limit, class_weight)
            validate = self._validation(held, held_size, held_steps, due)
            try:
                watchers("on_train_begin")
                logs = training.run(epochs, initial_epoch, validate)
                self.optimizer.finalize_variable_values(self.trainable_variables)
                watchers("on_train_end", logs=logs)
            finally:
                if bar:
                    bar.close()
            return histories[0]

    def _training(self, source, batch_size, shuffle, watchers, limit, class_weight):
        """Who trains on these data: by batches of arrays or of a stream, or by minimisation over all rows."""
        if isinstance(source, data.Stream):
            if isinstance(self.optimizer, LBFGS):
                raise ValueError("L-BFGS needs all rows at once: pass arrays, not an iterable of batches")
            return streams.StreamTraining(self, source, shuffle, watchers, class_weight)
        if isinstance(self.optimizer, LBFGS):
            runner = self._training_runner(source, min(batch_size, len(source)), "gradient")
            return Minimisation(self, runner, source, watchers)
        runner = self._training_runner(source, roomy(len(source), batch_size))
        try:
            return loop.ArrayTraining(self, runner, source, shuffle, watchers, limit)
        except TooLargeError:
            feeds.make_room(self._runners)
            raise

    def _validation(self, held, batch_size, steps, due):
        """A function of the epoch that gives the results on what was held back, which has been checked by then."""
        if held is None:
            return lambda epoch, watchers: {}
        source: Any = held
        if isinstance(held, data.Rows):
            pass
        elif isinstance(held, tuple | list) and data.as_stream(held, steps) is None:
            x, y, sample_weight = data.unpacked(tuple(held))
            source = rows_for(self, x, y, sample_weight, fitting=True)
        else:
            source = data.as_stream(held, steps)
            if source is None:
                raise ValueError("validation_data is (x, y), (x, y, sample_weight), a Sequence or an iterable")

        if isinstance(source, data.Rows):
            with self._borrowed("evaluate", source.sources(), min(batch_size, len(source))):
                pass  # what the program of evaluation refuses is refused before the first step

        def validate(epoch, watchers):
            if not due(epoch):
                return {}
            results = self._evaluated(source, batch_size, steps, watchers)
            return {f"val_{name}": value for name, value in results.items()}

        return validate

    # Evaluating and predicting

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        verbose="auto",
        sample_weight=None,
        steps: int | None = None,
        callbacks: list[Callback] | None = None,
        return_dict: bool = False,
    ):
        """The loss and the metrics over all rows: a number, a list, or a dict by name.

        Arguments and errors as of `fit`; batch_size: default 256; return_dict: whether a dict is wanted, default False;
        verbose: 0 silent, 1 a bar, 2 a line, "auto" a bar in a terminal. A loss that is not finite is given as it is.
        """
        size, steps = positive("batch_size", READ_BATCH if batch_size is None else batch_size), optional("steps", steps)
        self._require_compiled("evaluate")
        stream = data.as_stream(x, steps)
        source = rows_for(self, x, y, sample_weight) if stream is None else stream
        with shown(verbose, "evaluate", data.length(source, steps and steps * size)) as line:
            watchers = Watchers([*listed(callbacks), *line], self, {"steps": steps})
            return _answer(self._evaluated(source, size, steps, watchers), return_dict)

    def _evaluated(self, source, batch_size: int, steps, watchers: Watchers) -> dict[str, float]:
        watchers("on_test_begin")
        if isinstance(source, data.Rows):
            if steps is not None:
                source = source[: steps * batch_size]
            logs = self._read("evaluate", source, batch_size, lambda runner: loop.evaluate(runner, source, watchers))
            logs |= exact.measured(self, [source], batch_size)
        else:
            logs = streams.evaluate(self, source, watchers)
        watchers("on_test_end", logs=logs)
        return logs

    def predict(
        self, x, batch_size: int | None = None, verbose="auto", steps: int | None = None, callbacks=None
    ) -> np.ndarray:
        """The outputs for all rows: an array, or a list or dict of them as the model's outputs are.

        Arguments and errors as of `fit`; batch_size: default 256; verbose: as of `evaluate`.
        """
        size, steps = positive("batch_size", READ_BATCH if batch_size is None else batch_size), optional("steps", steps)
        plain = callbacks is None and steps is None and (verbose == 0 or verbose == "auto")
        if plain and type(x) is np.ndarray and len(x) <= size:
            return self.predict_on_batch(x)
        source: Any = data.as_stream(x, steps) or rows_for(self, x)
        with shown(verbose, "predict", data.length(source, steps and steps * size)) as line:
            watchers = Watchers([*listed(callbacks), *line], self, {"steps": steps})
            watchers("on_predict_begin")
            if isinstance(source, data.Stream):
                outputs = streams.predict(self, source, watchers)
            else:
                outputs = self._predicted(source if steps is None else source[: steps * size], size, watchers)
            watchers("on_predict_end", logs={"outputs": outputs})
        return outputs

    def _predicted(self, rows, batch_size=None, watchers: Watchers | None = None):
        rows, watchers = data.Rows(rows.inputs), watchers or self._unwatched()
        return self._read("predict", rows, batch_size, lambda runner: loop.predict(runner, rows, watchers))

    def _read(self, mode, rows, batch_size, work):
        """What `work` makes of a runner that reads rows; in smaller batches where those it is to read do not fit."""
        while True:
            try:
                with self._borrowed(mode, rows.sources(), roomy(len(rows), batch_size)) as runner:
                    return work(runner)
            except TooLargeError as error:
                if not error.fitting:
                    raise
                batch_size = error.fitting
                feeds.make_room(self._runners)

    # Single batches

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict: bool = False):
        """One step on all rows of x; the loss and the metrics of this batch. Arguments and errors as of `fit`."""
        key = ("train", quick.key_of(x, y)) if sample_weight is None and class_weight is None else None
        with self._gate.exclusive():
            known = self._quick.get(key)
            logs = known(x, y) if known else None
            if logs is None:
                self._require_compiled("train_on_batch")
                rows = rows_for(self, x, y, sample_weight, class_weight, fitting=True)
                runner = self._training_runner(rows, len(rows))
                training = loop.ArrayTraining(self, runner, rows, False, self._unwatched())
                logs = training.epoch(Position(0, 0, self.iterations))
                if key and runner.accumulate == 1 and (known is None or known.stale):
                    self._prepare("train", key, rows, partial(quick.Step, model=self))
        return _answer(logs, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict: bool = False):
        """The loss and the metrics of one batch. Arguments and errors as of `evaluate`."""
        self._require_compiled("test_on_batch")
        rows = rows_for(self, x, y, sample_weight)
        return _answer(self._evaluated(rows, len(rows), None, self._unwatched()), return_dict)

    def predict_on_batch(self, x):
        """The outputs for one batch. Arguments and errors as of `predict`."""
        key = ("predict", quick.key_of(x))
        known = self._quick.get(key)
        outputs = known(x) if known else None
        if outputs is not None:
            return outputs
        rows = rows_for(self, x)
        outputs = self._predicted(rows)
        if known is None or known.stale:
            self._prepare("predict", key, rows, partial(quick.Prediction, gate=self._gate))
        return outputs

    def _prepare(self, mode, key, rows: data.Rows, bind):
        """Is ready for batches of a kind from the second one on, by a runner that serves nothing else."""
        with self._lock:
            if not quick.suits(key[1], rows) or len(self._quick) >= quick.KEPT:
                return
            met, self._quick[key] = key in self._quick, None
            store = self._ready(training=mode == "train")
            size = len(rows) if mode == "train" else roomy(len(rows))
            idle = self._idle(mode, store, rows.sources(), size)
            if met and idle and hasattr(idle[-1].executor, "repeat") and not idle[-1].draws:
                self._quick[key] = bind(idle.pop(), self.variables, rows)

    def _unwatched(self) -> Watchers:
        return Watchers((), self, {})

    def __getstate__(self):
        return super().__getstate__() | {"history": None}


def _answer(logs: dict, return_dict: bool):
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
