"""Drawings as lists that JSON knows, and back: the layers by name, and the calls and ops that connect them."""

from typing import Any

import numpy as np

from gpubp import layers
from gpubp.engine import trees
from gpubp.engine.trace import Symbol, needed
from gpubp.layers import Layer, sketch
from gpubp.names import lookup
from gpubp.ops.registry import REGISTRY
from gpubp.ops.shapes import Dim


def described(layer: Layer) -> dict:
    """A layer's class and configuration."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def layer_classes() -> dict[str, type[Layer]]:
    """The layers and models that files know by name."""
    from gpubp.models import Model, Sequential

    return layers.CLASSES | {"Model": Model, "Sequential": Sequential}


def made(entry: dict, custom_objects) -> Layer:
    """The layer of a class's name and a configuration. Raises ValueError for unknown classes."""
    from gpubp.models import Model

    name = entry["class_name"]
    try:
        kind: Any = lookup("layer class", name, {**layer_classes(), **custom_objects})
    except ValueError as error:
        raise ValueError(f"{error}. What is one's own is passed as custom_objects={{{name!r}: ...}}") from None
    if not (isinstance(kind, type) and issubclass(kind, Layer)):
        raise ValueError(f"the layer class {name!r} is {kind!r}, which is not a subclass of Layer")
    try:
        if issubclass(kind, Model):
            return kind.from_config(entry["config"], custom_objects=custom_objects)
        return kind.from_config(entry["config"])
    except Exception as error:
        raise ValueError(f"layer {name!r} can't be made from its configuration: {error}") from error


def describe(model) -> dict:
    """The layers of a drawn model and the lines between them."""
    return {"layers": [described(layer) for layer in model._layers], **describe_lines(model)}


def describe_lines(model) -> dict:
    """The lines alone: each input, call of a layer and op by number, each after those that it takes from."""
    symbols = list(dict.fromkeys([*model.inputs, *needed(model.outputs)]))
    number = {s: k for k, s in enumerate(symbols)}
    calls: dict = {}
    lines = [_line(s, number, calls) for s in symbols]
    ends = (("inputs", model.input), ("outputs", model.output))
    return {"drawing": lines, **{end: trees.tree_map(number.__getitem__, tree) for end, tree in ends}}


def _line(s: Symbol, number, calls) -> dict:
    if "layer" in s.attrs:
        return {"input": s.attrs["layer"].name}
    if isinstance(s.op, sketch.Call):
        call = calls.setdefault(s.op, len(calls))
        arguments = _referred(s.op.arguments, number)
        return {"layer": s.op.layer.name, "call": call, "output": s.attrs["output"], "arguments": arguments}
    if s.op is not None:
        attrs = {name: _plain(x) for name, x in s.attrs.items()}
        return {"op": s.op.name, "inputs": [number[x] for x in s.inputs], "attrs": attrs}
    if s.constant is not None:
        return {"constant": np.asarray(s.constant).item(), "dtype": s.dtype.name}
    if s.place in sketch.PLACES.values():
        return {"scalar": next(name for name, place in sketch.PLACES.items() if place is s.place)}
    raise ValueError("the drawing uses an array that no layer holds, which a file can't keep: make a layer for it")


def _referred(tree, number):
    """Arguments with the numbers of the symbols in their places."""
    if isinstance(tree, dict):
        return {"dict": {key: _referred(x, number) for key, x in tree.items()}}
    if isinstance(tree, list | tuple):
        return {"tuple" if isinstance(tree, tuple) else "list": [_referred(x, number) for x in tree]}
    return {"symbol": number[tree]} if isinstance(tree, Symbol) else {"value": tree}


def _resolved(tree, symbols):
    (kind, x), *_ = tree.items()
    if kind == "dict":
        return {key: _resolved(y, symbols) for key, y in x.items()}
    if kind in ("list", "tuple"):
        return (tuple if kind == "tuple" else list)(_resolved(y, symbols) for y in x)
    return symbols[x] if kind == "symbol" else x


def _plain(x):
    if isinstance(x, Dim):
        return {"k": x.k, "c": x.c}
    return [_plain(y) for y in x] if isinstance(x, tuple | list) else x


def _unplain(x):
    if isinstance(x, dict):
        return Dim(x["k"], x["c"])
    return tuple(_unplain(y) for y in x) if isinstance(x, list) else x


def redraw(cls, config: dict, custom_objects):
    """The model of a configuration that `describe` gave."""
    found = {entry["config"]["name"]: made(entry, custom_objects) for entry in config["layers"]}
    inputs, outputs = _drawn(config, found)
    return cls(inputs, outputs, name=config.get("name"))


def _drawn(config, found: dict[str, Layer]):
    """Inputs and outputs, drawn anew with these layers."""
    symbols: list = []
    calls: dict = {}
    for line in config["drawing"]:
        symbols.append(_symbol(line, symbols, found, calls))
    pick = symbols.__getitem__
    return trees.tree_map(pick, config["inputs"]), trees.tree_map(pick, config["outputs"])


def _symbol(line: dict, symbols, found: dict[str, Any], calls):
    if "input" in line:
        return found[line["input"]].symbol
    if "layer" in line:
        if line["call"] not in calls:
            args, options = _resolved(line["arguments"], symbols)
            calls[line["call"]] = trees.flatten(found[line["layer"]](*args, **options))
        return calls[line["call"]][line["output"]]
    if "op" in line:
        op = lookup("op", line["op"], REGISTRY)
        attrs = {name: _unplain(x) for name, x in line["attrs"].items()}
        return sketch.SKETCH.record(op, [symbols[k] for k in line["inputs"]], attrs)
    if "constant" in line:
        return sketch.SKETCH.constant(line["constant"], np.dtype(line["dtype"]))
    return sketch.SKETCH.scalar(line["scalar"])


def portable(model) -> dict:
    """What stands for a model's symbols in a copy: the drawing, without the layers, which are copied themselves."""
    if model.output_tree is None:
        return {}
    kept: dict = {"input_tree": None, "output_tree": None, "_chain": []}
    if hasattr(model, "_chain"):
        first = model._chain[0]
        return kept | {"_drawing": {"shape": first.shape[1:], "dtype": first.dtype.name}}
    if model.input_tree is None:
        return kept | {"_drawing": {}}
    return kept | {"_drawing": describe_lines(model)}


def drawn_again(model, drawing: dict):
    """Gives a copied model symbols again."""
    for layer in model._layers:
        if isinstance(layer, layers.InputLayer):
            layer.draw()
    if "shape" in drawing:
        first = next((x for x in model._layers if isinstance(x, layers.InputLayer)), None)
        model._start(first.symbol if first else model._source(drawing["shape"]))
        model._extend()
    elif drawing:
        model.input_tree, model.output_tree = _drawn(drawing, {layer.name: layer for layer in model._layers})
    else:
        shapes = [sketch.source(shape, "float32") for shape in model._row_shapes]
        model.output_tree = sketch.recorded(lambda *xs: model.compute(list(xs), False), tuple(shapes))
