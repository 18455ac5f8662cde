"""What an explanation says: arithmetic and traffic against closed forms, memory against the layout, times."""

import copy
import json
from itertools import pairwise

import numpy as np
import pytest

import gpubp
from gpubp import layers, ops
from gpubp.backend import current_device
from gpubp.engine import floors, timing
from gpubp.engine.executors.cpu import CPU
from gpubp.engine.explain import explain
from gpubp.engine.explain.table import WIDTH, human
from gpubp.engine.plan import Layout, plan
from gpubp.engine.program import Program
from gpubp.engine.trace import Graph
from gpubp.ops.shapes import B

WIDTHS, ROWS = (784, 512, 512, 10), 128
PARAMETERS = sum(m * n + n for m, n in pairwise(WIDTHS))
SLOPE = ("greater", "where", "reduce_sum")  # backwards through a ReLU, and the gradient of the bias


def classifier(widths=WIDTHS, hidden="relu", optimizer="adam"):
    model = gpubp.Sequential([gpubp.Input(widths[:1])])
    for width in widths[1:-1]:
        model.add(layers.Dense(width, hidden))
    model.add(layers.Dense(widths[-1], "softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def model():
    return classifier()


@pytest.fixture(scope="module")
def explained(model):
    return model.explain(ROWS)


@pytest.fixture(scope="module")
def analyzed(model):
    return model.explain(ROWS, analyze=True)


def products(explanation):
    return [row for row in explanation.rows if row.ops[0] == "matmul"]


# Arithmetic and traffic


def test_products_of_a_training_step(explained):
    """Three for each layer, but for the gradient by the data: forward, by the weights, by the inputs.

    Those of hidden layers take up the bias and the ReLU: two more operations an element, and the bias to read.
    """
    sizes = [(ROWS, m, n) for m, n in pairwise(WIDTHS)]
    plain = [(2 * b * m * n, 4 * (b * m + m * n + b * n)) for b, m, n in [*sizes[2:], *sizes, *sizes[1:]]]
    ended = [(2 * b * m * n + 2 * b * n, 4 * (b * m + m * n + n + b * n)) for b, m, n in sizes[:2]]
    assert sorted((row.flops, row.bytes) for row in products(explained)) == sorted(plain + ended)


def test_products_of_a_prediction(model):
    rows = products(model.explain(ROWS, mode="predict"))
    hidden = [2 * ROWS * n for n in WIDTHS[1:-1]]  # of the bias and the ReLU
    assert [row.flops for row in rows] == [
        2 * ROWS * m * n + more for (m, n), more in zip(pairwise(WIDTHS), [*hidden, 0], strict=True)
    ]
    assert [row.layers for row in rows] == [("dense",), ("dense_1",), ("dense_2",)]


def test_gradient_of_bias_and_relu(explained):
    """Three operations an element: whether it was positive, else zero, which is read, and the sum over the rows."""
    rows = [row for row in explained.rows if row.ops == SLOPE]
    assert [(row.layers, row.flops, row.bytes) for row in rows] == [
        (("dense_1",), 3 * ROWS * 512, 4 * (3 * ROWS * 512 + 512 + 1)),
        (("dense",), 3 * ROWS * 512, 4 * (3 * ROWS * 512 + 512 + 1)),
    ]


def test_gathering_moves_the_rows_that_it_takes_and_computes_nothing(explained):
    x, y = (row for row in explained.rows if row.part == "gather")
    assert (x.flops, x.bytes) == (0, ROWS * (2 * 784 * 4 + 8))
    assert (y.flops, y.bytes) == (0, ROWS * (2 * 8 + 8))


def test_sgd_reads_gradient_and_weights_and_writes_the_weights():
    model = classifier(optimizer=gpubp.optimizers.SGD(0.1))
    (row,) = (row for row in model.explain(ROWS).rows if row.part == "update")
    sizes = [n for m, n in pairwise(WIDTHS) for n in (m * n, n)]
    padded = sum(-(-n // 16) * 16 for n in sizes)  # places begin at multiples of 64 bytes
    assert row.bytes == pytest.approx(4 * 3 * padded, abs=100)  # and some scalars
    assert row.flops == pytest.approx(3 * padded, abs=10)  # times the share of the rows, times the rate, subtracted


def test_totals_are_the_sums_of_the_rows(explained):
    for key in ("flops", "bytes", "floor"):
        whole = sum(getattr(row, key) for row in explained.rows)
        assert getattr(explained.total, key) == pytest.approx(whole, rel=1e-12)
        assert sum(getattr(part, key) for part in explained.parts.values()) == pytest.approx(whole, rel=1e-12)
    assert list(explained.parts) == ["gather", "forward_backward", "update", "record"]
    assert sum(map(explained.share, explained.rows)) == pytest.approx(1)


def test_products_grow_with_the_batch():
    small, large = (classifier((8, 16, 4)).explain(rows) for rows in (3, 6))
    for one, two in zip(products(small), products(large), strict=True):
        assert two.flops == 2 * one.flops


def test_products_of_stacked_matrices_count_each():
    layout, graph = Layout(rows=7), Graph()
    a, b = (graph.input(layout.add("data", shape, np.float64)) for shape in ((B, 3, 4), (B, 4, 5)))
    y = ops.matmul(a, b)
    program = Program([plan("part", [(layout.add("data", y.dims, y.dtype), y)], layout)], layout)
    (row,) = explain(program, 6, analyze=True).rows
    assert (row.flops, row.bytes) == (6 * 2 * 3 * 4 * 5, 6 * 8 * (12 + 20 + 15))
    assert row.floor == pytest.approx(6 * floors.gemm_seconds(3, 5, 4, "float64"))


# Memory


def test_segments_are_those_of_the_layout(model, explained):
    store = model._ready()
    sizes = {s.name: s.bytes for s in explained.memory}
    assert {name: sizes[name] for name in ("params", "state")} == store.layout.sizes
    assert sizes["grads"] == sizes["params"]
    assert sizes["state"] == 2 * sizes["params"]  # momentum and velocity
    assert sum(v.bytes for s in explained.memory if s.name == "params" for v in s.values) == 4 * PARAMETERS
    assert all(s.peak <= s.bytes for s in explained.memory)


def test_each_variable_has_a_gradient(model, explained):
    names = [v.name for v in model.variables]
    for segment in explained.memory:
        if segment.name in ("params", "grads"):
            assert [v.name for v in segment.values] == names
    (data,) = (s for s in explained.memory if s.name == "data")
    assert [(v.name, v.bytes) for v in data.values] == [("rows of x", 4 * ROWS * 784), ("rows of y", 8 * ROWS)]


def test_work_has_its_peak_where_most_is_alive(explained):
    """There both hidden layers' outputs are kept, and a third array of their size arises."""
    (work,) = (s for s in explained.memory if s.name == "work")
    big = [v for v in work.values if v.bytes == 4 * ROWS * 512]
    assert len(big) == 3
    assert work.peak == sum(v.bytes for v in work.values)
    assert explained.rows[work.at].part == "forward_backward"


# Layers and losses of one's own


class Gate(layers.Layer):
    """x * sigmoid(scale * x)."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs, training=False):
        return inputs * ops.sigmoid(self.scale * inputs)


def quartic(y_true, y_pred):
    return ops.mean(ops.square(ops.square(y_true - y_pred)), axis=-1)


def test_a_layer_and_a_loss_of_ones_own():
    model = gpubp.Sequential([gpubp.Input((6,)), layers.Dense(5), Gate(name="gate"), layers.Dense(2)])
    model.compile("sgd", quartic)
    explanation = model.explain(16, analyze=True)
    forward = next(row for row in explanation.rows if row.layers and "gate" in row.layers)
    assert {"multiply", "sigmoid"} <= set(forward.ops)
    assert forward in explanation.fusions
    assert any(v.name == "gate/scale" for s in explanation.memory for v in s.values)
    assert all(row.seconds >= 0 for row in explanation.rows)


# Floors and times


def test_the_floor_of_a_product_is_that_product_alone(explained):
    first = products(explained)[0]
    assert first.floor == floors.gemm_seconds(ROWS, 512, 784) > 0


@pytest.mark.parametrize("slow", ["arithmetic", "memory"])
def test_the_floor_of_other_instructions_is_what_takes_longer(model, monkeypatch, slow):
    """By the rates: of arithmetic, and of as much memory as the instruction touches."""
    monkeypatch.setattr(floors, "gemm_rate", lambda dtype="float32": 1.0 if slow == "arithmetic" else 1e18)
    monkeypatch.setattr(floors, "copy_rate", lambda held: float(held) if slow == "memory" else 1e18)
    row = next(row for row in model.explain(ROWS).rows if row.ops == SLOPE)
    held = 4 * (2 * ROWS * 512 + 512 + 1)  # what is written lies where it was read
    assert row.floor == (3 * ROWS * 512 if slow == "arithmetic" else row.bytes / held)


def test_floors_are_measured_once(monkeypatch):
    known = floors.gemm_seconds(16, 8, 4, "float64"), floors.copy_rate(2**16)
    monkeypatch.setattr(floors, "shortest", None)
    assert (floors.gemm_seconds(16, 8, 4, "float64"), floors.copy_rate(2**16)) == known
    assert floors.copy_rate(2**16 + 2**15) == known[1]


def test_large_products_are_measured_by_a_part(monkeypatch):
    asked = []

    def part(m, n, k, *rest):
        asked.append((m, n, k))
        return 1.0

    monkeypatch.setattr(floors, "_gemm_seconds", part)
    assert floors.gemm_seconds(1024, 4096, 2048) == 64
    assert floors.gemm_seconds(2048, 512, 511) == 1
    assert asked == [(512, 512, 512), (2048, 512, 511)]


def test_without_analyze_nothing_is_timed(explained):
    assert not explained.analyzed
    assert all(row.seconds is None for row in explained.rows)
    assert "time" not in str(explained).splitlines()[0]


def test_analyze_times_every_instruction_and_the_step(analyzed):
    assert all(row.seconds > 0 for row in products(analyzed))
    assert all(row.seconds >= 0 for row in analyzed.rows)
    assert analyzed.total.seconds == pytest.approx(sum(row.seconds for row in analyzed.rows))
    assert analyzed.step_seconds > 0


def test_analyze_leaves_the_model_as_it_is():
    model = classifier((20, 16, 16, 4))
    x, y = np.random.default_rng(0).random((64, 20), np.float32), np.arange(64) % 4
    model.fit(x, y, epochs=1, verbose=0)

    def bits():
        arrays = [*model.get_weights(), *model.optimizer_state().values()]
        return [a.tobytes() for a in arrays], model.iterations

    before, twin = bits(), copy.deepcopy(model)
    for mode in ("train", "predict"):
        model.explain(16, mode, analyze=True)
        assert bits() == before
    for one in (model, twin):
        one.fit(x, y, epochs=1, verbose=0)
    assert [a.tobytes() for a in model.get_weights()] == [a.tobytes() for a in twin.get_weights()]


class Clock:
    """An executor by whose clock instruction k takes 2 ** k seconds, a call 0.5 and some calls longer."""

    def __init__(self):
        self.calls, self.ran = 0, []

    def seconds(self, rows, stretch, times):
        self.calls += 1
        self.ran += [stretch] * times
        late = 3.0 if self.calls % 4 == 0 else 0.0
        return sum(2**k for k in stretch) + (0.5 + late) / times


def test_the_shortest_try_counts_and_the_call_does_not():
    clock = Clock()
    assert timing.shortest(clock, 1, range(2, 3), runs=1, budget=0.001) == pytest.approx(4)
    assert clock.ran[0] == range(3)  # what comes before it runs before it
    assert timing.shortest(Clock(), 1, range(0, 4), runs=1, budget=0.001) == pytest.approx(15)


def test_a_stretch_changes_what_it_would_in_a_step():
    """Timing is running: an executor's `seconds` over all instructions does what `run` does."""
    layout = Layout(rows=1)
    x, y = (layout.add("data", (3,), np.float64) for _ in range(2))
    graph = Graph()
    program = Program([plan("part", [(x, graph.input(x) + 1.0), (y, graph.input(x) * 2.0)], layout, False)], layout)
    executor = CPU(program, current_device())
    code = len(program.parts[0].code)
    executor.seconds(1, range(code), 5)
    assert executor.memory.read(x).tolist() == [5, 5, 5]
    assert executor.memory.read(y).tolist() == [8, 8, 8]
    executor.seconds(1, range(0), 5)
    assert executor.memory.read(x).tolist() == [5, 5, 5]


# Text and JSON


@pytest.mark.parametrize("kind", ["explained", "analyzed"])
def test_the_table_fits_120_columns_and_names_everything(kind, request):
    explanation = request.getfixturevalue(kind)
    lines = str(explanation).splitlines()
    assert max(map(len, lines)) <= WIDTH == 120
    assert not any(line != line.rstrip() for line in lines)
    for row in explanation.rows:
        assert any(line.startswith(f"{row.number:>3} ") and human(row.bytes, "B") in line for line in lines)
    for word in ("dense/kernel", "momentum", "rows of x", "fusions", "a step of 128 rows", explanation.device):
        assert word in str(explanation)


@pytest.mark.parametrize("kind", ["explained", "analyzed"])
def test_json_holds_all_of_it(kind, request):
    explanation = request.getfixturevalue(kind)
    found = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
    assert [i["flops"] for i in found["instructions"]] == [row.flops for row in explanation.rows]
    assert [i["ops"] for i in found["instructions"]] == [list(row.ops) for row in explanation.rows]
    assert found["total"]["bytes"] == explanation.total.bytes
    assert {s["name"]: s["bytes"] for s in found["memory"]} == {s.name: s.bytes for s in explanation.memory}
    assert found["step_seconds"] == explanation.step_seconds


def test_numbers_for_people():
    given = [0, 1, 999, 999.6, 1000, 123456, 7.891e9, 2e15]
    assert [human(x) for x in given] == ["0", "1", "999", "1.00 k", "1.00 k", "123 k", "7.89 G", "2.00 P"]
    times = [0, 2e-13, 1.5e-9, 0.99999, 75]
    assert [human(x, "s") for x in times] == ["0 s", "0.200 ps", "1.50 ns", "1.00 s", "75.0 s"]


# Errors


def test_refusals(model):
    with pytest.raises(ValueError, match="mode is 'train' or 'predict'"):
        model.explain(8, mode="training")
    with pytest.raises(ValueError, match="batch_size must be a positive int"):
        model.explain(0)
    with pytest.raises(ValueError, match="not built"):
        gpubp.Sequential([layers.Dense(3)]).explain()
    with pytest.raises(ValueError, match="compile"):
        gpubp.Sequential([gpubp.Input((3,)), layers.Dense(3)]).explain()
