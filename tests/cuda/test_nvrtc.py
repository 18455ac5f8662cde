"""NVRTC, which needs no GPU, takes every kernel for every architecture, and none spills registers."""

import re

import numpy as np
import pytest

from .corpus import corpus, text
from .report import ARCHITECTURES, usage, what

pytest.importorskip("cuda.pathfinder", reason="NVRTC comes with the packages of the extra 'test'")
from gpubp.backend import nvrtc
from gpubp.backend.cuda import STATIC

SPILLING = """
extern "C" __global__ void __launch_bounds__(256, 1) spilling(float* x) {
  float v[400];
#pragma unroll
  for (int i = 0; i < 400; i++) v[i] = x[threadIdx.x + 256 * i];
#pragma unroll
  for (int round = 0; round < 3; round++)
#pragma unroll
    for (int i = 0; i < 400; i++) v[i] = v[i] * v[(i * 7 + round) % 400] + v[(i + 201) % 400];
#pragma unroll
  for (int i = 0; i < 400; i++) x[threadIdx.x + 256 * i] = v[i];
}
"""


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_every_kernel_compiles_and_none_spills(target):
    found = usage(text(corpus().values()), target)
    assert set(found) == set(corpus())
    assert {name: u for name, u in found.items() if u.spilled} == {}
    angles = {name for name, call in corpus().items() if re.search("sin|cos|normal", what(call))}  # of any size
    assert {name: u for name, u in found.items() if u.stack and name not in angles} == {}
    dynamic = {name for name, call in corpus().items() if call.shape.shared}
    assert {name: u for name, u in found.items() if u.shared > STATIC and name in dynamic} == {}


def test_the_corpus_is_broad():
    kernels = corpus().values()
    assert len(kernels) > 150
    assert {family for call in kernels for family in call.families} >= {
        "gather.cu",
        "narrow.cu",
        "random.cu",
        "reduce.cu",
        "scan.cu",
        "shaping.cu",
        "sort.cu",
    }
    assert all(any(kind in call.text for call in kernels) for kind in ("bf16*", "f16*"))
    assert {call.shape.block for call in kernels} >= {(1, 1, 1), (256, 1, 1), (32, 8, 1)}


def test_spills_are_seen():
    assert usage(SPILLING, "sm_90")["spilling"].spilled > 0


def test_what_does_not_compile_says_why():
    with pytest.raises(nvrtc.CompilationError, match='identifier "y" is undefined'):
        nvrtc.compile('extern "C" __global__ void k(float* x) { x[0] = y; }', "sm_90")


def test_denormal_numbers_are_kept():
    code, _ = nvrtc.compile('extern "C" __global__ void k(float* x) { x[0] = x[1] * x[2]; }', "compute_90")
    assert b"mul.f32" in code
    assert b"ftz" not in code


@pytest.mark.parametrize(
    ("capability", "expected"), [(90, "sm_90"), (89, "sm_89"), (100, "sm_100"), (135, "compute_121"), (109, "sm_107")]
)
def test_code_is_made_for_the_device_or_for_its_driver_to_translate(monkeypatch, capability, expected):
    monkeypatch.setattr(nvrtc, "architectures", lambda: [75, 80, 89, 90, 100, 107, 121])
    assert nvrtc.target(capability) == expected


def test_devices_that_are_too_old_are_refused():
    with pytest.raises(nvrtc.CompilationError, match=r"capability 5\.0; this CUDA begins at"):
        nvrtc.target(50)


def test_code_is_found_again(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path))
    source = 'extern "C" __global__ void k(float* x) { x[0] = 1; }'
    first = nvrtc.compiled(source, "sm_90")
    assert first[:4] == b"\x7fELF"
    monkeypatch.setattr(nvrtc, "compile", None)
    assert nvrtc.compiled(source, "sm_90") == first
    assert np.frombuffer(first, np.uint8).size > 1000
