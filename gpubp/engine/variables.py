"""Variables: named arrays that programs read and change, and the store that holds those of a model."""

from typing import Any

import numpy as np

from gpubp.backend import asnumpy
from gpubp.engine.operators import Operators, is_operand, users_line
from gpubp.ops.registry import RECORDING, dims, graph_of


class Variable(Operators):
    """A named array that a model owns: a weight or a statistic.

    Arguments:
        value: array; its shape and dtype stay.
        name: what `summary`, files and errors call it.
        trainable: whether optimizers change it. Default True.
        regularizer: function of the variable, whose value is added to the loss. Default none.
        constraint: function of the new value, applied after each update. Default none.
    """

    def __init__(self, value, name: str = "variable", trainable: bool = True, regularizer=None, constraint=None):
        self.array = np.array(value, order="C")
        self.name, self.trainable = name, trainable
        self.regularizer, self.constraint = regularizer, constraint
        self.fixed = not trainable  # a statistic, say, which unfreezing does not make trainable
        self.place: Any = None  # where it lies in the store's segments
        self.store: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    dims = shape

    @property
    def graph(self):
        """The graph that is being recorded, which the variable is then part of."""
        return RECORDING.get()

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def path(self) -> str:
        """The layer's name and the variable's: "dense/kernel"."""
        return self.name

    @property
    def value(self) -> np.ndarray:
        """A copy of the value."""
        return self.numpy()

    def numpy(self) -> np.ndarray:
        """A copy of the value."""
        return self._host().copy()

    def _host(self) -> np.ndarray:
        """The array, or what the host gets of it from the device that it lives on."""
        return self.array if self.store is None else self.store.device.download(self.array)

    def assign(self, value):
        """Sets the value, whose shape must be the variable's; while recording, at the end of the step.

        Raises ValueError for another shape; nothing changes then.
        """
        graph = graph_of(value)
        value = value if graph else asnumpy(value)
        if dims(value) != self.shape:
            raise ValueError(f"variable {self.name!r} has shape {self.shape}; it can't be assigned shape {value.shape}")
        if graph:
            graph.assignments[self] = value
            return value
        if self.store is None:
            self.array[...] = value
        else:
            self.store.device.copy(self.array, value)
        return self

    def assign_add(self, value):
        """Adds to the value; while recording, at the end of the step."""
        return self.assign(self + value)

    def assign_sub(self, value):
        """Subtracts from the value; while recording, at the end of the step."""
        return self.assign(self - value)

    def __float__(self):
        return float(self.numpy())

    def __int__(self):
        return int(self.numpy())

    def __len__(self):
        return len(self.array)

    __hash__ = object.__hash__

    def __eq__(self, other):
        """Two variables are equal if they are the same; elements are compared with anything else."""
        return NotImplemented if isinstance(other, Variable) or not is_operand(other) else super().__eq__(other)

    def _refuse_ufunc(self, ufunc, method, *inputs, **kwargs):
        return getattr(ufunc, method)(*(np.asarray(x) if isinstance(x, Variable) else x for x in inputs), **kwargs)

    def __array__(self, dtype=None, copy=None):
        if self.graph is not None:
            raise TypeError(
                f"{users_line()}: NumPy's functions can't use the variable {self.name!r} while a function is recorded: "
                "gpubp.ops compute with it, and numpy() gives the value that it has now"
            )
        return np.array(self._host(), dtype=dtype, copy=True if copy is None else copy)

    def __getstate__(self):
        """Copies and files hold the value alone, not the memory that it shares."""
        return self.__dict__ | {"array": self.numpy(), "place": None, "store": None}

    def __repr__(self):
        return f"<variable {self.name} shape={self.shape} dtype={self.dtype}>"
