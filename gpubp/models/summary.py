"""A model as a table of its layers."""

from gpubp.engine import trees


def summary(model, width: int | None = None, nested: bool = False, trainable: bool = False) -> str:
    """The layers with their classes, the shapes of their outputs and the numbers of their weights.

    Arguments as of `Model.summary`.
    """
    rows = list(_rows(model.layers, nested, ""))
    head = ("layer (class)", "output", "weights", "trainable")
    shown = len(head) if trainable else len(head) - 1
    wide = [max(len(row[k]) for row in (head, *rows)) + 2 for k in range(shown)]
    if width is not None:
        wide[0] = max(wide[0], width - sum(wide[1:]))
    lines = [
        "".join(f"{text:{side}{n}}" for text, side, n in zip(row, "<<>>", wide, strict=False)) for row in (head, *rows)
    ]
    total = model.count_params()
    trained = sum(v.array.size for v in model.trainable_variables)
    size = sum(v.array.nbytes for v in model.variables)
    foot = f"{total:,} weights in all ({_bytes(size)}), {trained:,} of them trainable"
    return "\n".join([f"{type(model).__name__} {model.name!r}", *lines, foot])


def _rows(layers, nested: bool, indent: str):
    for x in layers:
        told = f"{indent}{x.name} ({type(x).__name__})", _shape(x), f"{x.count_params():,}"
        yield (*told, "yes" if x.trainable else "no")
        if nested:
            yield from _rows(getattr(x, "layers", x._layers), nested, indent + "  ")


def _shape(layer) -> str:
    if not layer._calls:
        return "?"
    shapes = [str(x.shape) for x in trees.flatten(layer._calls[0][1])]
    return shapes[0] if len(shapes) == 1 else ", ".join(shapes)


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
