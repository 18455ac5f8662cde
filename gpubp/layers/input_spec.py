"""What a layer asks of the shape of its inputs."""

from dataclasses import dataclass, field

from gpubp.ops.registry import dims
from gpubp.ops.shapes import public


@dataclass(frozen=True)
class InputSpec:
    """What the shape of an array must be like.

    Arguments:
        ndim: number of dimensions, that of the rows included. Default any.
        min_ndim: the least number of dimensions. Default 1.
        axes: sizes by axis; negative axes count from the last. Default none.

    Source: https://keras.io/api/layers/base_layer

    >>> print(InputSpec(min_ndim=2, axes={-1: 4}))
    (rows, ..., 4)
    """

    ndim: int | None = None
    min_ndim: int = 1
    axes: dict[int, int] = field(default_factory=dict)

    def check(self, layer, x):
        """Raises ValueError, which names the layer, unless `x` is one array or symbol of such a shape."""
        if isinstance(x, list | tuple | dict):
            raise ValueError(f"the layer {layer.name!r} takes one array; it got {len(x)} of them")
        shape = (None, *public(dims(x)[1:])) if dims(x) else ()
        if not self._fits(shape):
            raise ValueError(f"the layer {layer.name!r} takes inputs of shape {self}; it got {shape}")

    def _fits(self, shape) -> bool:
        rank = len(shape)
        right = rank >= self.min_ndim if self.ndim is None else rank == self.ndim
        return right and all(-rank <= a < rank and shape[a] == size for a, size in self.axes.items())

    def __str__(self):
        last = -min((a for a in self.axes if a < 0), default=0)  # so many are counted from the end
        n = self.ndim or max([self.min_ndim, 1 + last, *(1 + a for a in self.axes)])
        shown = ["rows", *("any" for _ in range(n - 1))]
        for axis, size in self.axes.items():
            shown[axis] = str(size)
        if self.ndim is None:
            shown.insert(n - last, "...")
        return f"({', '.join(shown)})"
