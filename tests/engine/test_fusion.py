"""What fusion makes of models that matter: the instructions of their training steps, held as text."""

import textwrap

import pytest

import gpubp
from gpubp.engine.fuse import base

Input, Dense, Dropout = gpubp.layers.Input, gpubp.layers.Dense, gpubp.layers.Dropout


def classifier():
    return model("adam", "sparse_categorical_crossentropy", Input((64,)), Dense(100, "relu"), Dense(10, "softmax"))


CLASSIFIER = """
    gather:
      take_rows
      take_rows
    forward_backward:
      matmul add relu
      matmul
      add reduce_max isfinite where subtract exp reduce_sum check_index iota equal where reduce_sum log
        subtract add reduce_sum check_finite cast cast broadcast_to negative divide broadcast_to where
        broadcast_to multiply add reduce_sum
      matmul
      matmul
      greater where reduce_sum
      matmul
    update:
      equal where divide where cast add multiply cast multiply expm1 negative sqrt multiply multiply
        expm1 negative divide multiply multiply add square multiply multiply add multiply sqrt add
        divide subtract
    record:
      add add add
"""


def exclusive_or():
    momentum = gpubp.optimizers.SGD(0.1, momentum=0.9)
    return model(momentum, "binary_crossentropy", Input((2,)), Dense(4, "sigmoid"), Dense(1, "sigmoid"))


EXCLUSIVE_OR = """
    gather:
      take_rows
      take_rows
    forward_backward:
      matmul
      add sigmoid
      matmul
      add greater negative where softplus relu multiply subtract add reduce_sum check_finite cast cast
        broadcast_to negative multiply greater where add sigmoid multiply where where add negative add
        reduce_sum
      matmul
      matmul
      subtract multiply multiply reduce_sum
      matmul
    update:
      equal where divide where cast add multiply negative multiply multiply add add
    record:
      add add add
"""


def regression():
    return model("sgd", "mse", Input((13,)), Dense(32, "tanh"), Dropout(0.5), Dense(1))


REGRESSION = """
    gather:
      take_rows
      take_rows
    forward_backward:
      matmul
      random_keep
      add tanh multiply where
      matmul
      add subtract square reduce_sum check_finite cast cast broadcast_to multiply multiply reduce_sum
      matmul
      matmul
      where multiply multiply subtract multiply reduce_sum
      matmul
    update:
      equal where divide where cast add multiply negative multiply add
    record:
      add add add
"""


def model(optimizer, loss, *layers):
    made = gpubp.Sequential(layers)
    made.compile(optimizer, loss)
    return made


def forward_backward(model, rows):
    (part,) = (p for p in model.program(rows).parts if p.name == "forward_backward")
    return part


def listed(program) -> str:
    """A line an instruction; of a region the ops in the order in which it computes them."""
    lines = []
    for part in program.parts:
        lines.append(f"{part.name}:")
        lines += (textwrap.fill(i.name, 100, initial_indent="  ", subsequent_indent="    ") for i in part.code)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("model", "wanted"), [(classifier, CLASSIFIER), (exclusive_or, EXCLUSIVE_OR), (regression, REGRESSION)]
)
def test_the_instructions_of_a_step(model, wanted):
    found = listed(model().program(32))
    assert found == textwrap.dedent(wanted).strip(), (
        f"the step of {model.__name__} has other instructions now:\n{textwrap.indent(found, '    ')}"
    )


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_forward_keeps_nothing_of_backward(activation):
    """Of a hidden layer only the activation outlives its instruction: backward computes the slope from it."""
    made = model("sgd", "mse", Input((8,)), Dense(16, activation), Dense(16, activation), Dense(1))
    code = forward_backward(made, 32).code
    activations = [i for i in code if i.name.removeprefix("matmul ") == f"add {activation}"]
    assert [len(i.outputs) for i in activations] == [1, 1]
    forward = " ".join(i.name for i in code).split(" add subtract")[0]
    assert forward == f"matmul add {activation} matmul add {activation} matmul"


def test_work_memory_is_what_backward_reads_and_two_more():
    made = model(
        "adam",
        "sparse_categorical_crossentropy",
        Input((784,)),
        Dense(512, "relu"),
        Dense(512, "relu"),
        Dense(10, "softmax"),
    )
    hidden = 4 * 128 * 512  # bytes of an activation; backward reads those of both hidden layers
    assert forward_backward(made, 128).work <= 2 * hidden + 2 * hidden


@pytest.mark.parametrize("model", [classifier, exclusive_or, regression])
def test_values_that_live_at_the_same_time_lie_apart(model):
    """Recomputed from the instructions alone, not from the planner's own bookkeeping."""
    rows, part = 32, forward_backward(model(), 32)
    last = {base(x): k for k, i in enumerate(part.code) for x in i.inputs}
    made = {x: k for k, i in enumerate(part.code) for x in i.outputs}
    work = [x for x in made if part.places[x].segment == "work"]
    for a in work:
        for b in work:
            if made[a] < made[b] < last[a]:
                assert not part.places[a].overlaps(part.places[b], rows), (a, b)
