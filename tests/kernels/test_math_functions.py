"""The scalar functions of generated kernels, called as kernels call them: in loops over arrays.

Errors are in ulp, the spacing of float32 at the true value, which float64 functions of NumPy and SciPy give.
"""

import math
import platform
import re
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import from_dtype, types
from numba.core.registry import CPUDispatcher
from scipy import special

from gpubp.kernels.cpu import f32, f64

from .calling import FromPython, jit

MODULES = (f32, f64)
CALLED = {module: FromPython(module) for module in MODULES}
DTYPE = {f32: np.float32, f64: np.float64}

# The reference, and the ulp that float32 may be off by.
APPROXIMATED = {
    "exp": (np.exp, 1.25),
    "expm1": (np.expm1, 2),
    "log": (np.log, 1),
    "log1p": (np.log1p, 2),
    "tanh": (np.tanh, 1.5),
    "sigmoid": (special.expit, 2.5),
    "softplus": (lambda x: np.logaddexp(x, 0), 2),
    "erf": (special.erf, 2),
}
EXACT = {
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "relu": lambda x: np.where(x <= 0, x.dtype.type(0), x),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
}
C_LIBRARY = {"sin": np.sin, "cos": np.cos}
UNARY = {**{name: reference for name, (reference, _) in APPROXIMATED.items()}, **EXACT, **C_LIBRARY}
OTHERS = {"maximum", "minimum", "select", "cast", "isnan", "isfinite", "isinf"}
BINARY = {"power", "floor_divide", "mod", "logaddexp"}
KEEP_ZERO = ("tanh", "erf", "sin", "expm1", "log1p", "sqrt")


@cache
def compiled(module, name):
    """A compiled loop y[r, c] = name(x[r, c])."""
    function, array = getattr(module, name), types.Array(from_dtype(np.dtype(DTYPE[module])), 2, "C")

    @jit
    def loop(x, y):
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                y[r, c] = function(x[r, c])

    loop.compile((array, array))
    return loop


def apply(module, name, x):
    """The function of each element of x, by the compiled loop."""
    x = np.ascontiguousarray(x, DTYPE[module])
    y = np.empty_like(x)
    compiled(module, name)(x.reshape(1, -1), y.reshape(1, -1))
    return y


def assembly(loop):
    return next(iter(loop.inspect_asm().values()))


def ulp_errors(y, true):
    """|y - true| in spacings of float32 at the true value. Beyond the largest number, both count as 2^128."""
    y, true = (np.clip(v.astype(np.float64), -(2.0**128), 2.0**128) for v in (y, true))
    exponent = np.maximum(np.frexp(true)[1], -125)
    return np.abs(y - true) * np.ldexp(1.0, 24 - exponent)


def neighbours(*points, count=2000):
    """The float32 numbers around each of these and its opposite."""
    bits = np.array(points, np.float32).view(np.int32)[:, None] + np.arange(-count, count, dtype=np.int32)
    values = bits.view(np.float32).ravel()
    return np.concatenate([values, -values])


@pytest.fixture(scope="module")
def all_over():
    """Float32 numbers of all exponents and both signs, denormals, infinities and NaNs among them."""
    sweep = np.arange(0, 2**32, 1499, dtype=np.uint64).astype(np.uint32).view(np.float32)
    halves = (np.arange(300) + 0.5) * math.log(2) / 2  # where exp and tanh go from one exponent to the next
    thirds = np.exp2(np.arange(-126, 128)) * 4 / 3  # and log
    switches = [0.5625, 1, 2, 3.92, 9.01, 10, 16.64, 17.33, 2.0**-25, 2.0**-126, 87.34, 88.73, 89, 103.98, 104]
    return np.concatenate([sweep, neighbours(*halves, *thirds, count=100), neighbours(*switches), SPECIAL])


SPECIAL = np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38])


def test_the_libraries_of_both_dtypes_have_the_same_functions():
    names = [{n for n, v in vars(m).items() if isinstance(v, CPUDispatcher) and n[0] != "_"} for m in MODULES]
    assert names[0] == names[1] == UNARY.keys() | OTHERS | BINARY


@pytest.mark.parametrize("name", APPROXIMATED)
def test_error_in_ulp_over_all_of_float32(name, all_over):
    reference, bound = APPROXIMATED[name]
    y = apply(f32, name, all_over)
    with np.errstate(all="ignore"):
        true = reference(all_over.astype(np.float64))
    nan = np.isnan(true)
    np.testing.assert_array_equal(np.isnan(y), nan)
    errors = ulp_errors(y[~nan], true[~nan])
    worst = errors.argmax()
    assert errors[worst] < bound, f"{errors[worst]:.2f} ulp at {all_over[~nan][worst]!r}"


@pytest.mark.parametrize("name", EXACT)
def test_exact_functions_equal_numpy(name, all_over):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(apply(f32, name, all_over), EXACT[name](all_over))


@pytest.mark.parametrize("name", C_LIBRARY)
def test_sine_and_cosine(name):
    x = np.linspace(-1e4, 1e4, 100_001, dtype=np.float32)
    assert ulp_errors(apply(f32, name, x), C_LIBRARY[name](x.astype(np.float64))).max() < 2


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", UNARY)
def test_special_values(module, name):
    x = SPECIAL.astype(DTYPE[module])
    y = apply(module, name, x)
    with np.errstate(all="ignore"):
        expected = np.asarray(UNARY[name](x))
    special = ~np.isfinite(expected) | (expected == 0) | (np.abs(expected) == 1)
    assert special.sum() >= 3
    np.testing.assert_array_equal(y[special], expected[special])


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", KEEP_ZERO)
def test_zero_keeps_its_sign(module, name):
    np.testing.assert_array_equal(np.signbit(apply(module, name, [0.0, -0.0])), [False, True])


def test_denormal_results_of_exp():
    x = np.linspace(-104, -90, 1_000_001, dtype=np.float32)
    y = apply(f32, "exp", x)
    assert np.count_nonzero((y > 0) & (y < 2.0**-126)) > 900_000
    # Rounded to a multiple of 2^-149 once; the error before that is a fraction of it.
    assert np.abs(y - np.exp(x.astype(np.float64))).max() < 0.6 * 2.0**-149


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_odd_to_the_bit(name, all_over):
    x = all_over[~np.isnan(all_over)]
    np.testing.assert_array_equal(apply(f32, name, -x).view(np.int32), (-apply(f32, name, x)).view(np.int32))


def test_even_functions_are_even_to_the_bit():
    x = np.linspace(0, 100, 10_001)
    for name in ("cos", "abs"):
        np.testing.assert_array_equal(apply(f32, name, -x), apply(f32, name, x))


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_saturates_at_one_and_nowhere_beyond(name, all_over):
    y = np.abs(apply(f32, name, all_over[~np.isnan(all_over)]))
    assert y.max() == 1
    last = {"tanh": 9.011, "erf": 3.919}[name]  # where 1 - y is 2^-25, half of the spacing below 1
    assert (apply(f32, name, np.linspace(last + 0.02, 200, 10_000)) == 1).all()
    assert (apply(f32, name, np.linspace(0, last - 0.3, 10_000)) < 1).all()


def test_sigmoid_is_a_probability_and_symmetric(all_over):
    x = all_over[~np.isnan(all_over)]
    y = apply(f32, "sigmoid", x)
    assert y.min() == 0
    assert y.max() == 1
    np.testing.assert_allclose(y.astype(np.float64) + apply(f32, "sigmoid", -x), 1, atol=3 * 2.0**-24)


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "erf"])
def test_small_arguments(name):
    """Near 0 the leading terms of the series say what the value is."""
    x = np.geomspace(1e-44, 1e-3, 100_000).astype(np.float32)
    wide = x.astype(np.float64)
    series = {
        "expm1": wide + wide**2 / 2 + wide**3 / 6,
        "log1p": wide - wide**2 / 2 + wide**3 / 3,
        "tanh": wide - wide**3 / 3,
        "erf": 2 / math.sqrt(math.pi) * (wide - wide**3 / 3),
    }
    assert ulp_errors(apply(f32, name, x), series[name]).max() < 2


LIBM = {
    "exp": (math.exp, -740, 709),
    "expm1": (math.expm1, -40, 709),
    "log": (math.log, 5e-324, 1e308),
    "log1p": (math.log1p, -0.999, 1e300),
    "tanh": (math.tanh, -30, 30),
    "erf": (math.erf, -7, 7),
    "sin": (math.sin, -1e5, 1e5),
    "cos": (math.cos, -1e5, 1e5),
    "sqrt": (math.sqrt, 0, 1e308),
}


@pytest.mark.parametrize("name", LIBM)
def test_float64_is_as_exact_as_the_c_library(name):
    function, low, high = LIBM[name]
    random = np.random.default_rng(0)
    small = random.uniform(-0.9 if low < 0 else 0, 0.9, 2000)
    x = np.concatenate([random.uniform(low, high, 2000), small[small > low]])
    expected = np.array([function(v) for v in x])
    assert (np.abs(apply(f64, name, x) - expected) <= np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_float64_compositions(name):
    x = np.linspace(-700, 700, 100_001)
    np.testing.assert_allclose(apply(f64, name, x), UNARY[name](x), rtol=4 * 2.0**-52)
    denormal = apply(f64, name, [-740.0])
    np.testing.assert_array_equal(denormal, math.exp(-740))


floats = st.floats(width=32)
untimed = settings(deadline=None)  # the first call compiles


@pytest.mark.parametrize("module", MODULES)
@untimed
@given(a=floats, b=floats)
def test_maximum_minimum_and_select(module, a, b):
    a, b = DTYPE[module](a), DTYPE[module](b)
    np.testing.assert_array_equal(CALLED[module].maximum(a, b), np.maximum(a, b))
    np.testing.assert_array_equal(CALLED[module].minimum(a, b), np.minimum(a, b))
    np.testing.assert_array_equal(CALLED[module].select(True, a, b), a)
    np.testing.assert_array_equal(CALLED[module].select(False, a, b), b)


@pytest.mark.parametrize("module", MODULES)
@untimed
@given(value=floats)
def test_tests_for_nan_and_infinity(module, value):
    value = DTYPE[module](value)
    assert CALLED[module].isnan(value) == math.isnan(value)
    assert CALLED[module].isfinite(value) == math.isfinite(value)


@pytest.mark.parametrize("module", MODULES)
@untimed
@given(numerator=st.integers(1, 4095), exponent=st.integers(0, 2))
def test_power_of_small_integers_is_exact(module, numerator, exponent):
    base = Fraction(numerator, 64)
    assert CALLED[module].power(DTYPE[module](float(base)), exponent) == float(base**exponent)


@pytest.mark.parametrize("module", MODULES)
def test_power_of_special_values(module):
    x, y = (v.ravel().astype(DTYPE[module]) for v in np.meshgrid([*SPECIAL, 0.5, 2, -2], [*SPECIAL, 0.5, -0.5, 2, 3]))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    actual = [CALLED[module].power(*pair) for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(actual, expected, rtol=2.0**-22 if module is f32 else 2.0**-51)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "value", [True, False, 3, -(2**40), np.uint8(200), np.int32(-7), 1e300, 0.1, np.float32(0.1), math.inf, math.nan]
)
def test_cast(module, value):
    with np.errstate(over="ignore"):
        expected = DTYPE[module](value)
    np.testing.assert_array_equal(CALLED[module].cast(value), expected)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.int64(2), np.int32(2), np.True_])
def test_any_dtype_goes_in_and_that_of_the_library_comes_out(module, value):
    arguments = {"maximum": 2, "minimum": 2, "select": 3} | dict.fromkeys(BINARY, 2)
    for name in UNARY.keys() | BINARY | OTHERS - {"isnan", "isfinite", "isinf"}:
        function = getattr(module, name)
        getattr(CALLED[module], name)(*[value] * arguments.get(name, 1))
        returned = {signature.return_type for signature in function.nopython_signatures}
        assert returned == {from_dtype(np.dtype(DTYPE[module]))}, name


def test_order_is_kept_inside_kernels_that_allow_reordering():
    """A softmax's numerator: the subtraction may be reordered with its neighbours, the range reduction may not."""
    exp = f32.exp

    @jit
    def loop(x, shift, y):
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                y[r, c] = exp(x[r, c] - shift[r])

    random = np.random.default_rng(0)
    x = random.uniform(-80, 0, (100, 1000)).astype(np.float32)
    shift = x.max(1)
    y = np.empty_like(x)
    loop(x, shift, y)
    assert ulp_errors(y, np.exp((x - shift[:, None]).astype(np.float64))).max() < 2


@pytest.mark.parametrize("name", ["floor_divide", "mod"])
@pytest.mark.parametrize("module", MODULES)
def test_division_with_rest_is_exact(module, name):
    rng, dtype = np.random.default_rng(0), DTYPE[module]
    a, b = (rng.choice([1, 0.1, 2**20], 2000) * rng.uniform(-9, 9, 2000) for _ in range(2))
    a, b = np.concatenate([a, np.round(a), a]).astype(dtype), np.concatenate([b, np.round(b), a / 7]).astype(dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    np.testing.assert_array_equal([getattr(CALLED[module], name)(*pair) for pair in zip(a, b, strict=True)], expected)


def test_logaddexp_is_off_by_two_units_in_the_last_place_of_the_larger():
    rng = np.random.default_rng(0)
    a = rng.uniform(-90, 90, 20_000).astype(np.float32)
    b = (a + rng.choice([1, 20], 20_000) * rng.standard_normal(20_000)).astype(np.float32)
    found = np.array([CALLED[f32].logaddexp(*pair) for pair in zip(a, b, strict=True)])
    errors = np.abs(found - np.logaddexp(a.astype(np.float64), b.astype(np.float64)))
    assert (errors / np.spacing(np.maximum(np.maximum(np.abs(a), np.abs(b)), np.float32(0.5)))).max() < 2


x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads machine code of x86-64")
PACKED = re.compile(r"^\s+v?(?:mul|add|max|round|rndscale|cmp\w*|and|sqrt|fn?madd\d+)ps\s.*[xyz]mm", re.MULTILINE)
DOUBLE = re.compile(r"\bv?(?:cvtss2sd|cvtps2pd|(?:mul|add|sub|div)[sp]d|fn?madd\d+[sp]d)\b")
LIBM_CALL = re.compile(r"\b(?:exp|expm1|log|log1p|tanh|erf|pow|rint|floor|exp2)f?\b")


@x86
@pytest.mark.parametrize("name", sorted(UNARY.keys() - C_LIBRARY.keys()))
def test_loops_are_made_of_vector_instructions(name):
    code = assembly(compiled(f32, name))
    assert PACKED.search(code)
    assert not LIBM_CALL.findall(code)


@x86
@pytest.mark.parametrize("name", UNARY)
def test_float32_is_never_computed_in_float64(name):
    assert not DOUBLE.findall(assembly(compiled(f32, name)))


@x86
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_reductions_by_extrema_are_made_of_vector_instructions(name):
    function = getattr(f32, name)

    @jit
    def loop(x, y):
        for r in range(x.shape[0]):
            extremum = x[r, 0]
            for c in range(x.shape[1]):
                extremum = function(extremum, x[r, c])
            y[r] = extremum

    x = np.random.default_rng(0).standard_normal((3, 1001), dtype=np.float32)
    x[1, 700] = np.nan
    y = np.empty(3, np.float32)
    loop(x, y)
    np.testing.assert_array_equal(y, getattr(np, name).reduce(x, axis=1))
    assert re.search(rf"\bv?{name[:3]}ps\s.*[xyz]mm", assembly(loop))
