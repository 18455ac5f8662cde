"""The CUDA executor on the emulated device: random programs do what the reference does."""

import os

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gpubp.engine.executors.cuda import CUDA

from ..engine.small_programs import assert_agreement
from ..engine.test_fuzz import Bounded, part, recorders
from .emulation.device import EmulatedDevice

EXAMPLES = int(os.environ.get("GPUBP_FUZZ_EXAMPLES", "0"))
PHASES = (Phase.generate,)  # every smaller program would be compiled anew


@settings(max_examples=EXAMPLES // 20 or 12, deadline=None, derandomize=not EXAMPLES, database=None, phases=PHASES)
@given(st.lists(part(5, 10), min_size=1, max_size=2), st.sampled_from([0, 1, 5]))
def test_random_programs_compute_what_the_reference_does(recipe, order):
    assert_agreement(recorders(recipe), CUDA, Bounded, EmulatedDevice(order=order))
