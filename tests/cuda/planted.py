"""Mistakes that the emulation must catch, planted into the kernels' text, and small programs that meet them.

Run as a module with a mode and a name it runs that program, with a name of a mistake with it planted: so that it can be
run under the sanitizers, which must be loaded before Python. The mode "gpu" runs all programs on the first GPU.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 3001, 40


@dataclass(frozen=True)
class Plant:
    """A mistake: in which text what is replaced by what; which program meets it, how built, and what is said then."""

    file: str
    old: str
    new: str
    program: str
    mode: str
    caught: str


DIFFERENT = "Not equal to tolerance"
BARRIER = "  for (int half = BLOCK / 2; half; half /= 2) {\n    __syncthreads();\n"
PLANTS = {
    "a barrier is missing": Plant(
        "block.cuh", BARRIER, BARRIER.replace("    __syncthreads();\n", ""), "sums", "plain", DIFFERENT
    ),
    "a barrier in divergent code": Plant(
        "block.cuh",
        BARRIER,
        BARRIER.replace("__syncthreads();", "if (n < half) __syncthreads();"),
        "sums",
        "plain",
        "barrier",
    ),
    "the first block ends the kernel": Plant("block.cuh", "== blocks - 1", "== 0", "sums", "plain", DIFFERENT),
    "a mask names lanes of other teams": Plant(
        "block.cuh", "if (TEAM >= 32) return", "if (true) return", "softmax", "plain", "mask|lines|never come"
    ),
    "sums begin from what was there": Plant(
        "kernel", "c += TEAM) s{s.value}[c] = 0;", "c += TEAM) ;", "softmax", "plain", DIFFERENT
    ),
    "a result is stored while others still read": Plant(
        "kernel", "  team_sync<TEAM>();", "  ", "in_place", "plain", DIFFERENT
    ),
    "scalars are stored while other blocks still read": Plant(
        "kernel", "if (last_to_arrive(counters, blocks)) {", "{", "scalars", "plain", DIFFERENT
    ),
    "one element too many is read": Plant(
        "shaping.cu", "j0 + b < y.dim[2])", "j0 + b <= y.dim[2])", "transposed", "asan", "heap-buffer-overflow"
    ),
    "one element too many is written": Plant(
        "kernel",
        "c < columns; c += gridDim.x",
        "c <= columns; c += gridDim.x",
        "scaled",
        "asan",
        "heap-buffer-overflow",
    ),
    "shared memory is too short": Plant(
        "block.cuh",
        "__shared__ T values[BLOCK];",
        "__shared__ T values[BLOCK - 1];",
        "sums",
        "asan",
        "out of bounds|overflow",
    ),
    "a stage begins before the one before it is done": Plant(
        "stages",
        'lines.append("  __syncthreads();")\n    return',
        "pass\n    return",
        "network",
        "plain",
        DIFFERENT + "|not finite",
    ),
    "rows past the end of the batch are counted": Plant(
        "narrow.cu", "for (int r = 0; r < rows; r++)", "for (int r = 0; r <= rows; r++)", "network", "plain", DIFFERENT
    ),
    "teams' sums are read before they are there": Plant(
        "narrow.cu", "= sum[e];\n    __syncthreads();", "= sum[e];", "network", "plain", DIFFERENT
    ),
    "the last block's sums are left out": Plant(
        "stages", "k < blocks && at < SUMS;", "k + 1 < blocks && at < SUMS;", "network", "plain", DIFFERENT
    ),
    "a row too many is brought to the chip": Plant(
        "narrow.cu", "i < rows * COLUMNS; i", "i <= rows * COLUMNS; i", "network", "asan", "heap-buffer-overflow"
    ),
    "half of a fragment is read twice": Plant(
        "narrow.cu", "LDB + k + lane / 8 % 2 * 8)", "LDB + k)", "tensor_cores", "plain", DIFFERENT
    ),
    "a fragment is that of the transpose": Plant(
        "narrow.cu", "load_matrices<true>(left", "load_matrices<false>(left", "tensor_cores", "plain", DIFFERENT
    ),
    "a fence is missing": Plant(
        "block.cuh", "    __threadfence();\n    last =", "    last =", "sums", "tsan", "data race"
    ),
    "a barrier is missing where values race": Plant(
        "block.cuh", BARRIER, BARRIER.replace("    __syncthreads();\n", ""), "sums", "tsan", "data race"
    ),
}


def sums(ops, x):
    return [ops.sum(x * x), ops.sum(x, axis=0), ops.sum(x * 2.0)]


def softmax(ops, x):
    e = ops.exp(x[:, :5] - ops.max(x[:, :5], axis=1, keepdims=True))
    p = e / ops.sum(e, axis=1, keepdims=True)
    return [p, ops.sum(p, axis=0)]


def in_place(ops, x):
    """A value a row, read by all threads of the row, in whose place the next one goes."""
    column = ops.take(x, np.array([3]), axis=1)
    after = column * 2.0
    return [x * after, ops.argsort(after, axis=0)]


def scalars(ops, x):
    """A number that all blocks read, in whose place the next one goes."""
    number = ops.take(ops.reshape(x, (-1,)), np.array([5]), axis=0)
    after = number * 2.0
    return [x * after, ops.argsort(after)]


def transposed(ops, x):
    return [ops.transpose(x)]


def scaled(ops, x):
    return [x * 2.0]


def network(x, executor):
    """The weights of a narrow network, whose training is one kernel."""
    import gpubp
    from gpubp.layers import Dense

    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((COLUMNS,)), Dense(6, "relu"), Dense(5, "tanh"), Dense(3)])
    model.compile(gpubp.optimizers.SGD(0.01), "mse")
    model.run_eagerly = executor == "reference"
    model.fit(x, x[:, :3], batch_size=len(x), shuffle=False, verbose=0)
    return model.get_weights()


def tensor_cores(x, executor):
    """Products of integers in bfloat16, whatever x is."""
    from gpubp.backend import current_device

    from .fragments import EXTENTS, expected, found, integers

    of = EXTENTS[1], integers
    return expected(*of) if executor == "reference" else found(current_device(), *of)


def compiled(function):
    """What calls a function of `ops` and x, when it has been compiled for an executor."""

    def call(x, executor):
        import gpubp

        return gpubp.compile(lambda x: function(gpubp.ops, x), executor=executor)(x)

    return call


PROGRAMS = {f.__name__: compiled(f) for f in (sums, softmax, in_place, scalars, transposed, scaled)}
PROGRAMS |= {f.__name__: f for f in (network, tensor_cores)}
ROUNDED = {"network": 1e-6}  # beside zeros: what is no sum of small integers differs in its last digits


def run(name: str, mode: str = "plain", orders=(0, 1, 5), rows: int = ROWS):
    """Runs a program on the emulated device. Raises AssertionError where it differs from the reference."""
    from gpubp.backend import choice

    from .emulation.device import EmulatedDevice

    for order in orders:
        device = EmulatedDevice(order, mode, narrow=True)
        choice._known[device.name] = device
        compare(name, device.name, rows)


def compare(name: str, device: str, rows: int):
    """Runs a program on a device, and holds it against the reference."""
    import gpubp

    x = np.random.default_rng(0).integers(-3, 4, (rows, COLUMNS)).astype(np.float32)
    wanted = PROGRAMS[name](x, "reference")
    with gpubp.device(device):
        found = PROGRAMS[name](x, "auto")
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=ROUNDED.get(name, 0))


def plant(name: str):
    """Puts a mistake into the text of the kernels. Raises ValueError if the text is not there."""
    from gpubp.kernels.cuda import generate, narrow, source

    mistake, read = PLANTS[name], source._read
    generator = {"kernel": generate, "stages": narrow}.get(mistake.file)
    if generator:
        place, text = Path(generator.__file__).read_text(), generator.text
        if mistake.old not in place:
            raise ValueError(f"{mistake.old!r} is not in the generator")
        names = {}
        exec(compile(place.replace(mistake.old, mistake.new), generator.__file__, "exec"), names)
        generator.text = names["text"]
        return lambda: setattr(generator, "text", text)

    def planted(file):
        found = read(file)
        if file == mistake.file and mistake.old not in found:
            raise ValueError(f"{mistake.old!r} is not in {file}")
        return found.replace(mistake.old, mistake.new) if file == mistake.file else found

    source._read = planted
    return lambda: setattr(source, "_read", read)


def without_a_pool():
    """Each array gets memory of its own, whose bounds the sanitizers then know."""
    with suppress(ImportError):
        import cupy

        cupy.cuda.set_allocator(None)


def main(mode: str, name: str):
    if mode == "gpu":
        without_a_pool()
        for program in PROGRAMS:
            print(program, flush=True)
            compare(program, "cuda", 300)
        return
    if name in PLANTS:
        plant(name)
        name = PLANTS[name].program
    run(name, mode, orders=(0,), rows=70 if mode == "tsan" else 300)


if __name__ == "__main__":
    main(*sys.argv[1:])
