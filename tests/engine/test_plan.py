"""Programs that planning and fusion must get right: assignments that cross, lifetimes, loops that do not fit."""

import numpy as np
import pytest

from gpubp import ops
from gpubp.engine.autodiff import gradients
from gpubp.engine.executors.cpu import CPU
from gpubp.ops.shaping import iota

from .interpreted import Interpreted
from .small_programs import assert_agreement, build


def swap(v):
    return [("row", v["other_row"]), ("other_row", v["row"])]


def crossing(v):
    return [("row", v["other_row"] * 2.0 + 1.0), ("other_row", v["row"] - v["other_row"])]


def rotation_of_three(v):
    return [
        ("number", v["other_number"]),
        ("other_number", ops.sum(v["full"])),
        ("wide_row", v["wide_row"] * v["number"]),
    ]


def one_value_for_two(v):
    y = v["row"] + v["other_row"]
    return [("row", y), ("other_row", y), ("wide_row", ops.reshape(y, (1, 3)))]


def old_value_elsewhere(v):
    return [("full", v["full"] - 1.0), ("other_full", v["full"]), ("seen", v["full"] * v["other_full"])]


def flat_while_variables_are_read(v):
    return [("flat", v["flat"] * 2.0), ("seen", v["row"] + v["matrix"])]


def variables_while_flat_is_read(v):
    return [("row", v["row"] + 1.0), ("matrix", v["matrix"] @ v["matrix"]), ("seen", ops.sum(v["flat"]))]


def transposed_product_in_place(v):
    return [("matrix", ops.transpose(v["matrix"]) @ v["matrix"])]


def view_of_the_old_value_in_a_product(v):
    new = v["cube"] + 1.0
    return [("cube", new), ("y", ops.reshape(v["cube"], (-1, 3)) @ v["matrix"])]


def old_value_in_a_second_pass(v):
    """Both come out of one loop, which reads the old row again once it knows its largest element."""
    twice = 2.0 * v["full"]
    return [("full", twice), ("shifted", v["full"] - ops.max(twice, axis=-1, keepdims=True))]


def reduced_and_shifted_by_itself(v):
    return [("full", v["full"] - ops.max(v["full"], axis=-1, keepdims=True)), ("row", ops.sum(v["full"], axis=0))]


def sums_of_unrelated_sizes(v):
    """Scalars that could share a loop, of arrays that cannot."""
    names = ("full", "wide_full", "cube", "vector")
    return [(f"sum of {name}", ops.cast(ops.sum(v[name]), np.float32)) for name in names]


def one_vector_along_rows_and_columns(v):
    upright = ops.reshape(v["row"] + v["other_row"], (3, 1))
    return [
        ("y", v["matrix"] + upright + v["other_row"]),
        ("z", v["matrix"] + v["row"] + ops.reshape(v["row"], (3, 1))),
    ]


def numbers_of_columns_alone(v):
    return [("numbers", iota(4, like=v["row"])), ("shifted", iota(3, like=v["row"]) + v["full"])]


def numbers_of_columns_for_two_regions(v):
    """A reshaped value is read where its base is: its place must not be given away before."""
    return [(f"class by {axis}", ops.argmax(v["cube"], axis=axis)) for axis in (1, 2)]


def class_of_one(v):
    return [("class", ops.argmax(v["column"], -1)), ("row of classes", ops.argmax(v["matrix"], axis=0))]


def truth_and_back(v):
    return [
        ("full", -ops.cast(ops.cast(v["full"], bool), np.float64)),
        ("nan", ops.cast(ops.isnan(v["row"]), np.int64)),
    ]


def extremes_of_truths(v):
    t = v["full"] > v["row"]
    both = ops.cast(ops.max(t, axis=1), np.int64) + 2 * ops.cast(ops.min(t, axis=1), np.int64)
    return [
        ("labels", both),
        ("column", ops.cast(ops.max(t, axis=1, keepdims=True), np.float64)),
        ("first", ops.argmax(t, -1)),
    ]


def reshaped_into_a_product(v):
    """The product reads a view of what a region has made, which lies in `work` until then."""
    h = ops.relu(v["cube"] + v["row"])
    return [
        ("y", ops.reshape(h, (-1, 3)) @ v["matrix"]),
        ("z", ops.reshape(ops.square(v["full"]), (-1, 3)) @ v["matrix"]),
    ]


def gradients_of_a_net(v):
    h = ops.relu(v["full"] @ v["matrix"] + v["row"])
    loss = ops.sum(ops.square(h - v["other_full"]))
    changed = gradients(loss, [v["matrix"], v["row"]])
    return [("matrix", v["matrix"] - changed[0]), ("row", v["row"] - changed[1]), ("number", loss)]


CASES = [
    swap,
    crossing,
    rotation_of_three,
    one_value_for_two,
    old_value_elsewhere,
    flat_while_variables_are_read,
    variables_while_flat_is_read,
    transposed_product_in_place,
    view_of_the_old_value_in_a_product,
    old_value_in_a_second_pass,
    reduced_and_shifted_by_itself,
    sums_of_unrelated_sizes,
    one_vector_along_rows_and_columns,
    numbers_of_columns_alone,
    numbers_of_columns_for_two_regions,
    class_of_one,
    truth_and_back,
    extremes_of_truths,
    reshaped_into_a_product,
    gradients_of_a_net,
]


@pytest.mark.parametrize("executor", [Interpreted, CPU])
@pytest.mark.parametrize("case", CASES)
def test_a_program_does_what_the_reference_does(case, executor):
    assert_agreement([case], executor)


@pytest.mark.parametrize("case", CASES)
def test_three_threads_do_what_the_reference_does(case, team_of):
    team_of(3)
    assert_agreement([case], CPU)


def test_parts_see_what_earlier_parts_have_assigned():
    assert_agreement([crossing, old_value_elsewhere, swap, gradients_of_a_net], Interpreted)


def test_values_are_computed_in_their_variables_where_nobody_reads_the_old_ones():
    (part,) = build([lambda v: [("row", v["row"] + 1.0), ("full", v["full"] * v["row"])]]).parts
    assert part.work <= 128  # the row alone, which the product reads as it was
    (part,) = build([lambda v: [("row", v["row"] + 1.0), ("full", v["full"] * 2.0)]]).parts
    assert part.work == 0
    assert {part.places[x].segment for i in part.code for x in i.outputs} == {"params", "batch"}


def test_regions_end_before_compiling_them_takes_long():
    def long_sum(v):
        x = v["row"]
        for k in range(200):
            x = x + float(k % 3)
        return [("row", x)]

    (part,) = build([long_sum]).parts
    assert len(part.code) == 4
    assert_agreement([long_sum], Interpreted)
