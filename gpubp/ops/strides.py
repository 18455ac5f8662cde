"""Walks over an array's memory in strides: what slices and transpositions of any rank are to a kernel."""

from dataclasses import dataclass

from gpubp.ops.shapes import size


@dataclass(frozen=True)
class Walk:
    """Elements offset + sum of i_d strides_d, in the order of a loop over 0 <= i_d < extents_d, the last fastest."""

    offset: int
    extents: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def matrices(self) -> tuple[int, int, int]:
        """The shape in which kernels see what is walked: many matrices of the last two extents."""
        return size(self.extents[:-2]), self.extents[-2], self.extents[-1]

    @property
    def options(self) -> tuple[int, ...]:
        """What kernels get to know of the walk."""
        return (self.offset, *self.extents, *self.strides)


def shortest(offset, extents, strides) -> Walk:
    """The walk by as few dimensions as it takes, at least two: neighbours that continue each other become one."""
    steps: list[tuple[int, int]] = []
    for extent, stride in zip(extents, strides, strict=True):
        if extent == 1:
            continue
        if steps and steps[-1][1] == extent * stride:
            steps[-1] = (steps[-1][0] * extent, stride)
        else:
            steps.append((extent, stride))
    steps = [(1, 0)] * (2 - len(steps)) + steps
    return Walk(offset, tuple(e for e, _ in steps), tuple(s for _, s in steps))


def of_slice(x, start, step, shape) -> Walk:
    """The walk over an array of shape `x` from `start` by `step` in each dimension, `shape` elements."""
    strides = _strides(x)
    offset = sum(a * s for a, s in zip(start, strides, strict=True))
    return shortest(offset, shape, [a * s for a, s in zip(step, strides, strict=True)])


def of_transpose(x, axes) -> Walk:
    """The walk over an array of shape `x` with its axes in another order."""
    strides = _strides(x)
    return shortest(0, [x[a] for a in axes], [strides[a] for a in axes])


def _strides(shape) -> list[int]:
    """The strides of a C-contiguous array, in elements."""
    return [size(shape[d + 1 :]) for d in range(len(shape))]
