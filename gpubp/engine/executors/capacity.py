"""Whether a program fits into a device's memory, and what to do where it does not."""

from gpubp.engine.plan import DATA, WORK
from gpubp.engine.program import Program

LARGEST = 3  # values that the message names
MARGIN = 0.95  # of what is free: allocators round up, and kernels need some memory of their own


class TooLargeError(MemoryError):
    """A program does not fit; one for batches of `fitting` rows would, if that is not 0."""

    def __init__(self, message: str, fitting: int):
        super().__init__(message)
        self.fitting = fitting


def require(program: Program, device, shared=frozenset()):
    """Raises TooLargeError, before anything is allocated, if the program's own memory does not fit on the device.

    Arguments:
        program: what is to run.
        device: an accelerator.
        shared: segments that are there already.
    """
    sizes = {s: n for s, n in program.layout.sizes.items() if s not in shared}
    need, free = sum(sizes.values()), room(device)
    if need <= free:
        return
    rows = program.layout.rows
    with_rows = sum(sizes.get(s, 0) for s in (WORK, DATA))
    fitting = max(0, rows * (free - (need - with_rows)) // max(with_rows, 1))
    largest = ", ".join(f"{what} ({in_words(n)})" for what, n in _largest(program, rows))
    message = (
        f"a program for batches of {rows} rows needs {in_words(need)} on {device.name}, where {in_words(free)} are "
        f"free; its largest values are {largest}; {would_fit(fitting)}"
    )
    raise TooLargeError(message, fitting)


def room(device) -> int:
    """The bytes that may be asked of an accelerator."""
    return int(device.free() * MARGIN)


def would_fit(fitting: int) -> str:
    """What to do where a batch is too large, by the rows of one that would fit; 0 if none does."""
    return f"a batch of {fitting} rows would fit" if fitting else "no batch would fit: the model is too large"


def _largest(program, rows) -> list[tuple[str, int]]:
    """The largest values that the program computes: layer, op and shape; and their bytes."""
    found: dict[str, int] = {}
    for part in program.parts:
        for symbol, place in part.places.items():
            if symbol.op is not None:
                shape = "x".join(map(str, symbol.shape)).replace("None", "rows")
                name = f"{symbol.op.name} {shape}" + (f" of {symbol.scope!r}" if symbol.scope else "")
                found[name] = max(found.get(name, 0), place.bytes(rows))
    return sorted(found.items(), key=lambda item: -item[1])[:LARGEST]


def in_words(n: int) -> str:
    """1234567 as "1.2 MB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} bytes"
