"""What a model runs on: the store of its variables, its programs with their executors, and who may use them."""

import threading
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpubp.backend import current_device
from gpubp.engine.executors import executor_class
from gpubp.engine.executors.capacity import TooLargeError
from gpubp.engine.explain import Explanation, explain
from gpubp.engine.store import Store
from gpubp.layers import Layer
from gpubp.training import feeds, precision, programs
from gpubp.training.arguments import positive
from gpubp.training.data import Rows
from gpubp.training.expected import expected_sources
from gpubp.training.gate import Gate, unlocked_in_children
from gpubp.training.loop import Runner

BATCHES = 1 << 24  # that are read in a call, at most
EVERYTHING = 1 << 62  # batches whose gradients are added up where a minimiser asks for those of all rows


class Programmed(Layer):
    """The part of a model that has its programs made when they are asked for, and keeps them for the next call."""

    _apart = Layer._apart | {"_runners", "_quick", "optimizer"}

    # What models provide
    _require_built: Any
    paths: Any

    def _begin(self):
        """Sets the attributes of a model of which nothing has been compiled."""
        self.optimizer: Any = None
        self.run_eagerly = False
        self.iterations = self.updates = 0  # batches trained on, and updates of the weights
        self.seed = 0
        self._reading = -1, 0  # the steps when somebody read last and drew, and how often since then
        self._store: Store | None = None
        self._unlock()

    def _unlock(self):
        """Nobody uses the model, and nothing is compiled: at its beginning, and in a child that has been forked."""
        self._gate, self._lock = Gate(), threading.RLock()
        self._runners: dict = {}
        self._quick: dict = {}
        unlocked_in_children(self)

    def compute(self, inputs, training: bool):
        """The outputs for the symbols of a batch, in the order of the inputs."""
        raise NotImplementedError

    @property
    def updates(self) -> int:
        """Updates of the weights so far, which the optimizer knows as its iterations."""
        return self._updates

    @updates.setter
    def updates(self, n: int):
        self._updates = n
        if self.optimizer is not None:
            self.optimizer.iterations = n

    # The store, and the programs bound to it

    def _ready(self, training: bool = True) -> Store:
        """The store that holds this model's variables, made anew where they have moved or `trainable` has changed.

        What only reads may use the store of another model that all variables live in.
        """
        store = self._store
        here = current_device()
        if store is None or not store.holds(self.variables, here):
            homes = {id(v.store): v.store for v in self.variables}
            shared = next(iter(homes.values())) if len(homes) == 1 else None
            if not training and shared is not None and shared.holds(self.variables, here):
                return shared
            chosen = self.optimizer
            slots = (chosen.all_slots, chosen.initial, chosen.numbers) if chosen else ()
            self._store = Store(self.variables, here, *slots)
            self._runners, self._quick = {}, {}
            if store:
                self._store.take_slots(store)
        return self._store  # type: ignore[return-value]

    def _training_runner(self, rows: Rows, batch_size: int, mode: str = "train") -> Runner:
        """The program of "train" or "gradient" for rows like these, made before or now, with its executor."""
        with self._lock:
            store, sources = self._ready(), rows.sources()
            idle = self._idle(mode, store, sources, batch_size)
            if not idle:
                idle.append(self._made(mode, store, sources, batch_size))
            return idle[-1]

    @contextmanager
    def _borrowed(self, mode: str, sources: programs.Sources, batch_size: int):
        """A runner for this thread alone: each has its own `work`, so several threads may read at once."""
        with self._gate.shared():
            with self._lock:
                store = self._ready(training=False)
                idle = self._idle(mode, store, sources, batch_size)
                runner = idle.pop() if idle else self._made(mode, store, sources, batch_size)
                if runner.draws:
                    self._draw_anew(runner)
            try:
                yield runner
            finally:
                with self._lock:
                    idle.append(runner)

    def _draw_anew(self, runner: Runner):
        """Has what reads draw other numbers than before, and than training does: by the steps so far and its own turn.

        Both are the same in a training that was resumed, so that validation says the same, too.
        """
        trained, turn = self._reading
        self._reading = self.iterations, turn + 1 if trained == self.iterations else 0
        runner.set(seed=~self.seed ^ self.iterations, step=self._reading[1] * BATCHES)

    def _idle(self, mode, store, sources, batch_size) -> list[Runner]:
        """The runners of a mode for arrays like these that nobody uses just now, to be taken from and added to."""
        layers = self.flat_layers()
        trained = (self.optimizer.revision, *(x.trainable for x in layers)) if mode == "train" else None
        key = mode, store, sources, batch_size, trained, tuple(x.dtype_policy for x in layers)
        return self._runners.setdefault(key, [])

    def _made(self, mode, store, sources, batch_size) -> Runner:
        precision.tell_once(self.flat_layers(), store.device)
        made = programs.PROGRAMS[mode](self, store, sources, batch_size)
        kind = executor_class("reference" if self.run_eagerly else "auto", store.device)
        try:
            executor = kind(made.program, store.device, store)
        except TooLargeError as error:
            if feeds.make_room(self._runners):
                return self._made(mode, store, sources, batch_size)
            if mode in ("train", "gradient") or not error.fitting:
                raise
            smaller = max(1, error.fitting // 4)  # the caller's arrays must fit beside it
            return self._made(mode, store, sources, smaller)
        accumulate = 1
        if mode == "train":
            accumulate = self.optimizer.gradient_accumulation_steps or 1
        elif mode == "gradient":
            accumulate = EVERYTHING
        return Runner(made, executor, batch_size, accumulate)

    # What is run, shown

    def explain(self, batch_size: int = 32, mode: str = "train", analyze: bool = False) -> Explanation:
        """The program of a step: what its instructions cost, the least they could cost here, and its memory.

        `str()` of what it returns is a table, `rows` and `memory` are its data, `to_dict()` is JSON.

        Arguments:
            batch_size: rows of the batch. Default 32.
            mode: "train" (of a compiled model) or "predict". Default "train".
            analyze: whether to time each instruction, on random data; the weights stay. Default False.

        Raises:
            ValueError: if the model is not built, or not compiled for training.
        """
        self._require_built()
        if mode not in ("train", "predict"):
            raise ValueError(f"mode is 'train' or 'predict'; it is {mode!r}")
        if mode == "train":
            self._require_compiled("explain")
        with self._lock:
            made = self._program(batch_size, mode)
            return explain(made.program, batch_size, self._ready(), made.names, analyze)

    def program(self, batch_size: int = 32, mode: str = "train"):
        """The program of "train", "evaluate" or "predict" for batches of at most so many rows, made anew."""
        return self._program(batch_size, mode).program

    def _program(self, batch_size: int, mode: str) -> programs.ModelProgram:
        sources = expected_sources(self, mode != "predict")
        return programs.PROGRAMS[mode](self, self._ready(), sources, positive("batch_size", batch_size))

    def _require_compiled(self, what):
        if self.optimizer is None:
            raise ValueError(f"{what} needs compile(optimizer=..., loss=...) first")

    # Copies and files

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """Copies of the optimizer's arrays, by "slot/variable", or by name what it keeps once.

        Empty before the first step.
        """
        store = self._store
        if store is None:
            return {}
        read, places = store.device.download, self._optimizer_places(store)
        return {name: read(store.view(place)).copy() for name, place in places.items()}

    def _optimizer_places(self, store: Store) -> dict[str, Any]:
        """The places of the optimizer's arrays, by the names that `optimizer_state` gives them."""
        paths = {v: path for path, v in self.paths().items()}
        pairs = ((s, v) for s in store.slots for v in store.trainable)
        return {f"{s}/{paths[v]}": store.slot_of(s, v) for s, v in pairs} | store.numbers

    def set_optimizer_state(self, arrays: dict[str, np.ndarray]):
        """Sets the optimizer's arrays, as `optimizer_state` gives them."""
        if not arrays:
            return
        store = self._ready()
        for name, place in self._optimizer_places(store).items():
            store.device.copy(store.view(place), arrays[name])

    def reset_optimizer(self):
        """Has the optimizer begin anew: its arrays are what they are before the first update, and so are the counts."""
        self.iterations = self.updates = 0
        self._ready().begin_slots()

    def __getstate__(self):
        """Without what was compiled, so that models can be copied and sent to other processes."""
        state = dict(self.__dict__)
        dropped: dict[str, Any] = {"_runners": {}, "_quick": {}, "_lock": None, "_gate": None, "_store": None}
        return state | dropped | {"_slots": self.optimizer_state()}

    def __setstate__(self, state):
        slots = state.pop("_slots")
        self.__dict__ |= state
        self._unlock()
        self.set_optimizer_state(slots)
