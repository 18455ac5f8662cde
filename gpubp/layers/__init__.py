"""Layers: functions of arrays with variables, written in ops."""

from gpubp.layers.base import Layer
from gpubp.layers.core import Activation, Dense, Dropout, Input, InputLayer

CLASSES = {c.__name__: c for c in (Activation, Dense, Dropout, InputLayer)} | {"Input": InputLayer}

__all__ = ["CLASSES", "Activation", "Dense", "Dropout", "Input", "InputLayer", "Layer"]
