"""What only a GPU can tell: `make gpu-test` runs these. None of them has been run on one yet."""

import numpy as np
import pytest

import gpubp
from gpubp.backend import current_device
from gpubp.backend.device import Gemm
from gpubp.engine.executors import cuda
from gpubp.training import blocks, feeds

from ..engine.op_cases import CASES as OPS
from ..engine.op_cases import agree, drawn
from .emulation.device import HALVES
from .fragments import EXTENTS, expected, found, integers, one_hot
from .test_cuda_ops import compare
from .test_half import (
    POLICIES,
    STACKS,
    UPDATES,
    agrees_with_the_reference,
    far,
    step_by_step_and_in_long_runs,
)
from .test_narrow import CROSS_ENTROPY, assert_step_agrees, network, problem, stages
from .test_training import CASES, LABELS, TARGETS, X, assert_agrees_with_the_cpu, classifier, distance, fitted

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def gpu():
    """The first GPU; where there is none these tests fail, and say why."""
    with gpubp.device("cuda"):
        yield current_device()


@pytest.fixture
def policy_of():
    """Sets the policy of the process, for a test."""
    before = gpubp.config.dtype_policy()
    yield gpubp.config.set_dtype_policy
    gpubp.config.set_dtype_policy(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ops_compute_what_the_reference_does(dtype):
    cases = [c.values for c in OPS]
    compare([(op, drawn(op, inputs, dtype), attrs) for op, inputs, attrs in cases], agree)


@pytest.mark.parametrize("name", CASES)
def test_training_agrees_with_the_cpu(name):
    assert_agrees_with_the_cpu(name)


NARROW = [
    ((64, 64, 64, 64, 64, 16), 5000),
    ((64, 64, 64, 16), 256),
    ((128, *[64] * 8), 300),
    ((33, 17, 5), 129),
    ((2, 4, 2), 4),
    ((3, 1), 1),
]


@pytest.mark.parametrize("loss", ["mse", CROSS_ENTROPY])
@pytest.mark.parametrize(("widths", "rows"), NARROW)
def test_narrow_networks_agree_with_the_reference(widths, rows, loss):
    """Forward pass, loss and backward pass by one kernel."""
    x, y = problem(rows, widths[0], widths[-1], classes=loss == CROSS_ENTROPY)
    assert_step_agrees(lambda: network(widths, "gelu", loss, "softmax" if loss == CROSS_ENTROPY else None), x, y)


@pytest.mark.parametrize("left", [one_hot, integers])
@pytest.mark.parametrize("extents", EXTENTS)
def test_fragments_are_where_they_are_thought_to_be(gpu, extents, left):
    for made, wanted in zip(found(gpu, extents, left), expected(extents, left), strict=True):
        assert np.array_equal(made, wanted)


@pytest.mark.parametrize(("widths", "rows"), NARROW)
def test_narrow_networks_in_bfloat16_agree_with_the_reference(widths, rows):
    x, y = problem(rows, widths[0], widths[-1])
    agrees_with_the_reference(lambda: network(widths, "gelu", rate=0.1, dtype="mixed_bfloat16"), x, y)


@pytest.mark.parametrize(("widths", "rows"), NARROW)
def test_narrow_networks_are_what_they_are_kernel_by_kernel(monkeypatch, gpu, widths, rows):
    """One kernel, the same again, and as many kernels as there are stages."""

    def trained():
        gpubp.set_random_seed(3)
        model = network(widths, rate=0.05)
        model.fit(x, y, epochs=2, batch_size=rows // 2 + 1, verbose=0)
        return model

    x, y = problem(rows, widths[0], widths[-1])
    one = trained()
    assert len(stages(one)) == 1
    assert distance(trained(), one) == 0
    monkeypatch.setattr(gpu, "narrow", False)
    many = trained()
    assert stages(many) == []
    assert distance(one, many) < 1e-5


def test_two_runs_are_equal_bit_for_bit():
    make = lambda: classifier(dropout=0.3)  # noqa: E731
    assert distance(fitted(make, LABELS)[0], fitted(make, LABELS)[0]) == 0


@pytest.mark.parametrize("steps", [1, 3, 32])
def test_graphs_are_equal_to_single_steps(monkeypatch, steps):
    def eager(self, table, count):
        for _ in range(count):
            table.step()

    make = lambda: classifier(dropout=0.3)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(cuda.CUDA, "_queue", eager)
        expected, _ = fitted(make, LABELS, epochs=4, batch_size=2)
    monkeypatch.setattr(cuda, "graph_size", lambda *measured: steps)
    found, _ = fitted(make, LABELS, epochs=4, batch_size=2)
    assert distance(found, expected) == 0


def test_graphs_bear_that_other_memory_is_used_between_replays(gpu):
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    junk = [gpu.alloc(1 << 20) for _ in range(16)]
    for buffer in junk:
        gpu.copy(buffer, 255)
    del junk, buffer
    model.fit(X, LABELS, epochs=2, initial_epoch=1, batch_size=16, verbose=0)
    assert distance(model, fitted(*CASES["relu, Adam"], epochs=2)[0]) == 0


def test_the_learning_rate_changes_between_replays():
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, LABELS, epochs=1, batch_size=16, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("n", [1, 5, 4096, 4097, 100_000])
def test_the_order_of_rows_is_that_of_the_cpu(gpu, n):
    from gpubp.ops.philox import permutation

    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    (runner,) = next(r for key, r in model._runners.items() if key[0] == "train")
    assert np.array_equal(gpu.download(runner.executor.order(n, -3, 4)), permutation(n, -3, 4))


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (127, 251, 509), (256, 512, 784), (1, 1000, 3)])
@pytest.mark.parametrize(("compute", "tolerance"), [("float32", 1e-6), ("float64", 1e-14), ("tf32", 2e-3)])
def test_products(gpu, ta, tb, shape, compute, tolerance):
    m, n, k = shape
    dtype = np.float64 if compute == "float64" else np.float32
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((k, m) if ta else (m, k)), rng.standard_normal((n, k) if tb else (k, n))
    a, b = a.astype(dtype), b.astype(dtype)
    c = gpu.upload(np.zeros((m, n), dtype))
    gpu.gemm(gpu.upload(a), gpu.upload(b), c, Gemm(m, n, k, a.shape[1], b.shape[1], n, ta, tb, precision=compute))
    expected = (a.T if ta else a).astype(np.float64) @ (b.T if tb else b)
    found = gpu.download(c)
    assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (127, 251, 509), (256, 512, 784)])
@pytest.mark.parametrize("kept", ["float32", "half"])
@pytest.mark.parametrize("name", HALVES)
def test_products_in_half_precision(gpu, name, kept, shape, ta, tb):
    """Rounded factors, added up in float32; the result is rounded once, if at all. What is not taken is said so."""
    m, n, k = shape
    half, rng = HALVES[name], np.random.default_rng(0)
    a, b = rng.standard_normal((k, m) if ta else (m, k)), rng.standard_normal((n, k) if tb else (k, n))
    a, b = a.astype(half.dtype), b.astype(half.dtype)
    expected = (a.T if ta else a).astype(np.float64) @ (b.T if tb else b).astype(np.float64)
    c = gpu.upload(np.zeros((m, n), np.float32 if kept == "float32" else half.kept))
    asked = Gemm(m, n, k, a.shape[1], b.shape[1], n, ta, tb, precision=name)
    a, b = gpu.upload(a.view(half.kept)), gpu.upload(b.view(half.kept))
    if not gpu.takes(a, b, c, asked):
        pytest.skip("the library has no algorithm for it: a kernel computes it")
    gpu.gemm(a, b, c, asked)
    found = half.wide(gpu.download(c))
    assert np.linalg.norm(found - expected) <= (1e-5 if kept == "float32" else 4e-3) * np.linalg.norm(expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["relu, Adam", "regression", "wide output", *STACKS])
def test_half_precision_agrees_with_the_reference(policy_of, policy, name):
    policy_of(policy)
    make, targets = CASES[name] if name in CASES else (STACKS[name], TARGETS)
    agrees_with_the_reference(make, X, targets)


@pytest.mark.parametrize("policy", POLICIES)
def test_half_precision_is_equal_bit_for_bit_from_run_to_run(policy_of, policy):
    policy_of(policy)
    make = lambda: classifier(dropout=0.3)  # noqa: E731
    assert distance(fitted(make, LABELS)[0], fitted(make, LABELS)[0]) == 0


@pytest.mark.parametrize("name", UPDATES)
def test_updates_write_what_the_next_step_reads(policy_of, name):
    policy_of("mixed_bfloat16")
    assert step_by_step_and_in_long_runs(UPDATES[name]) == 0


def test_overflows_are_skipped_without_the_host(policy_of):
    policy_of("mixed_float16")
    model = far(growth=3)
    model.fit(X, TARGETS * 1000, epochs=6, batch_size=7, verbose=0)
    assert model.iterations == 60
    assert 10 < model.updates < 60
    assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.parametrize("epilogue", ["bias", "relu_bias"])
@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("shape", [(16, 33, 12), (128, 512, 784)])
def test_epilogues_in_half_precision(gpu, epilogue, name, shape):
    """The bias is in the format of the result."""
    m, n, k = shape
    half, rng = HALVES[name], np.random.default_rng(0)
    a, b, bias = (rng.standard_normal(s).astype(half.dtype) for s in ((m, k), (k, n), (n,)))
    there = [gpu.upload(x.view(half.kept)) for x in (a, b, bias)]
    c, asked = gpu.upload(np.zeros((m, n), half.kept)), Gemm(m, n, k, k, n, n, epilogue=epilogue, precision=name)
    if not gpu.takes(*there[:2], c, asked, there[2]):
        pytest.skip("the library has no algorithm for it: two kernels compute it")
    gpu.gemm(*there[:2], c, asked, there[2])
    expected = a.astype(np.float64) @ b.astype(np.float64) + bias.astype(np.float64)
    expected = np.maximum(expected, 0) if epilogue == "relu_bias" else expected
    found = half.wide(gpu.download(c))
    assert np.linalg.norm(found - expected) <= 4e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("epilogue", ["bias", "relu_bias"])
@pytest.mark.parametrize("shape", [(16, 33, 12), (128, 512, 784), (5, 1, 7)])
def test_epilogues(gpu, epilogue, shape):
    """Where the library has them: the row that is added, and NaN, which a ReLU must not hide."""
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b, bias = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), (n,)))
    a[0, 0] = np.nan
    a_there, b_there, bias_there = map(gpu.upload, (a, b, bias))
    c, asked = gpu.upload(np.zeros((m, n), np.float32)), Gemm(m, n, k, k, n, n, epilogue=epilogue)
    if not gpu.takes(a_there, b_there, c, asked, bias_there):
        pytest.skip("the library has no algorithm for it: two kernels compute it")
    gpu.gemm(a_there, b_there, c, asked, bias_there)
    expected = a.astype(np.float64) @ b + bias
    expected = np.maximum(expected, 0) if epilogue == "relu_bias" else expected
    found = gpu.download(c)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.linalg.norm(found[1:] - expected[1:]) <= 1e-6 * np.linalg.norm(expected[1:])


def test_arrays_of_the_gpu_are_read_in_place(gpu):
    expected, _ = fitted(*CASES["relu, Adam"])
    gpubp.set_random_seed(3)
    model, x, y = classifier(), gpu.upload(X), gpu.upload(LABELS)
    assert gpu.adopt(x) is x
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    assert distance(model, expected) == 0


def test_data_in_blocks_are_the_same_to_the_bit(monkeypatch):
    """Many blocks, whose copies are under way while others are worked on."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((6000, 12)).astype(np.float32), rng.integers(0, 5, 6000)

    def run():
        gpubp.set_random_seed(3)
        model = classifier(dropout=0.3)
        model.fit(x, labels, epochs=3, batch_size=64, verbose=0)
        return model, model.predict(x), model.evaluate(x, labels)

    expected = run()
    monkeypatch.setattr(feeds, "SHARE", 0)
    for block in (1 << 14, 1 << 17):
        monkeypatch.setattr(blocks, "BLOCK", block)
        found = run()
        assert distance(found[0], expected[0]) == 0
        assert np.array_equal(found[1], expected[1])
        assert found[2] == expected[2]


def test_nothing_can_be_allocated_in_a_capture(gpu):
    with pytest.raises(RuntimeError, match=r"while a graph (was|is) captured"), gpu.capture():
        gpu.alloc(1 << 20)


def test_two_queues_make_one_graph(gpu):
    """What was captured in two queues comes out as one graph, which runs."""
    a = gpu.upload(np.ones((64, 64), np.float32))
    b, c = (gpu.upload(np.zeros((64, 64), np.float32)) for _ in range(2))
    shape = Gemm(64, 64, 64, 64, 64, 64)
    gpu.gemm(a, a, b, shape)
    with gpu.capture() as graph:
        with gpu.branch():
            gpu.gemm(a, a, b, shape)
        gpu.gemm(a, a, c, shape)
        gpu.join()
        gpu.gemm(b, c, a, shape)
    gpu.replay(graph)
    assert np.all(gpu.download(a) == 64**3)
