"""Kernels to look at: those of models of many kinds, and those of every op."""

from functools import cache
from itertools import chain

import numpy as np

import gpubp
from gpubp.backend import choice
from gpubp.engine import functions
from gpubp.engine.executors.calls import Call, with_others
from gpubp.engine.executors.lower_cuda import lowered
from gpubp.engine.executors.together import together
from gpubp.kernels.cuda import source

from ..engine.op_cases import CASES, drawn
from .emulation.device import EmulatedDevice

BATCHES = (16, 5)
POLICIES = ("mixed_bfloat16", "mixed_float16")


def of_program(program, rows) -> dict[str, Call]:
    """The kernels of a program, by name."""
    groups, _ = lowered(program, rows, None, EmulatedDevice.on_chip)
    calls = (x for call in together(chain(*groups)) for x in with_others(call))
    return {call.name: call for call in calls if isinstance(call, Call)}


def of_models(names=None) -> dict[str, Call]:
    """Training and reading, of all the models that are trained in tests, or those of some names."""
    from .test_training import CASES as MODELS

    found = {}
    for make, _ in (MODELS[name] for name in names or MODELS):
        model = make()
        for mode in ("train", "evaluate", "predict"):
            program = model.program(max(BATCHES), mode)
            for batch in BATCHES:
                found |= of_program(program, batch)
    return found


def in_half_precision() -> dict[str, Call]:
    """A model of each kind of product under each policy, planned for a device that has these products."""
    device, before, found = EmulatedDevice(), gpubp.config.dtype_policy(), {}
    choice._known[device.name] = device
    try:
        for policy in POLICIES:
            gpubp.config.set_dtype_policy(policy)
            with gpubp.device(device.name):
                found |= of_models(["relu, Adam", "regression"])
    finally:
        gpubp.config.set_dtype_policy(before)
        del choice._known[device.name]
    return found


def of_narrow_networks() -> dict[str, Call]:
    """Training by one kernel, of the widest and deepest network that has one and of others, of many rows and of few."""
    from .test_narrow import CROSS_ENTROPY, network

    device, found = EmulatedDevice(narrow=True), {}
    choice._known[device.name] = device
    networks = [
        (network((128, *[64] * 8)), 1 << 18),
        (network((128, *[64] * 8), "gelu", CROSS_ENTROPY, "softmax"), 1 << 18),
        (network((64, *[64] * 4, 16)), 1 << 18),
        (network((33, 17, 5), "tanh", CROSS_ENTROPY, "softmax"), 200),
        (network((16, 16, 16, 1), "silu", "binary_crossentropy", "sigmoid"), 1 << 14),
        (network((2, 4, 2)), 4),
        (network((128, *[64] * 8), dtype="mixed_bfloat16"), 1 << 18),
        (network((64, *[64] * 4, 16), "gelu", dtype="mixed_bfloat16"), 1 << 18),
        (network((16, 32, 32, 10), "tanh", CROSS_ENTROPY, "softmax", dtype="mixed_bfloat16"), 200),
    ]
    try:
        with gpubp.device(device.name):
            for model, rows in networks:
                found |= of_program(model.program(rows), rows)
    finally:
        del choice._known[device.name]
    return found


def of_ops() -> dict[str, Call]:
    """Every op by itself: on two examples of its tests, reductions on all; in float64 on one."""
    found = {}
    first = list({c.values[0].name: c for c in reversed(CASES)}.values())
    last = list({c.values[0].name: c for c in CASES}.values())
    reductions = [c for c in CASES if c.values[0].reduction]
    for dtype, chosen in ((np.float32, first + last + reductions), (np.float64, first)):
        calls = [(c.values[0], drawn(*c.values[:2], dtype), c.values[2]) for c in chosen]

        def function(*given, calls=calls):
            left = iter(given)
            return [op(*(next(left) for _ in inputs), **attrs) for op, inputs, attrs in calls]

        compiled, *_ = functions._record(function, ([a for _, inputs, _ in calls for a in inputs], {}), "auto")
        found |= of_program(compiled.executor.program, 1)
    return found


@cache
def corpus() -> dict[str, Call]:
    with gpubp.device("cpu"):
        return of_models() | in_half_precision() | of_narrow_networks() | of_ops()


def text(calls) -> str:
    """One source of all."""
    return source.compose([family for call in calls for family in call.families], [call.text for call in calls])
