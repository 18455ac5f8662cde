"""The random number generator: published vectors, the documented layout, two versions with the same bits, statistics.

Statistical tests run on fixed seeds, so they pass or fail for good; their bounds leave a right generator a chance of
failing below one in ten thousand.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gpubp.kernels.cpu import philox as functions
from gpubp.ops import philox

from ..kernels.calling import FromPython

kernel = FromPython(functions)
ONES = 0xFFFFFFFF
# Random123's kat_vectors, "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]

words = st.integers(0, ONES)
seeds = st.integers(-(2**63), 2**63 - 1)
steps = st.integers(0, 2**48 - 1)
streams = st.integers(0, 4095)
rates = st.floats(0, 1, exclude_max=True)
first_rows = st.integers(0, 2**31)
relaxed = settings(deadline=None, max_examples=150)


def philox_of_integers(counter, key):
    """Philox 4x32-10 in Python's integers."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & ONES, p0 >> 32 ^ c3 ^ k1, p0 & ONES
        k0, k1 = k0 + 0x9E3779B9 & ONES, k1 + 0xBB67AE85 & ONES
    return [c0, c1, c2, c3]


def documented_words(seed, what, stream, step, row, group):
    """The words of a counter, by the documented layout."""
    counter = [group, row, step % 2**32, step // 2**32 * 2**16 + what * 2**12 + stream]
    return philox_of_integers(counter, [seed % 2**32, seed % 2**64 // 2**32])


def kernel_mask(seed, stream, step, rows, columns, rate, first_row=0, dtype=bool):
    out = np.full((rows, columns), 1, dtype)
    kernel.keep_mask(out, seed, stream, step, philox.keep_threshold(rate), first_row)
    return out


def kernel_permutation(n, seed, epoch):
    out = np.full(n, -1, np.int64)
    if n > philox.SORT_LIMIT:
        kernel.permute_by_network(out, seed, epoch)
    else:
        kernel.permute_by_sort(out, np.empty(n + 257, np.uint64), seed, epoch)
    return out


def fair(counts):
    """Whether counts could come from equally likely cells."""
    return stats.chisquare(np.ravel(counts)).pvalue > 1e-4


def within_binomial_bound(successes, trials, probability):
    """Within four standard deviations of the expected number."""
    return abs(successes - trials * probability) < 4 * np.sqrt(trials * probability * (1 - probability))


class TestPhilox:
    @pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
    def test_known_answers(self, counter, key, answer):
        assert philox.philox4x32(counter, key).tolist() == answer
        assert list(kernel.philox4x32(*np.array(counter + key, np.uint32))) == answer
        assert philox_of_integers(counter, key) == answer

    @given(st.lists(st.tuples(*[words] * 4), min_size=1, max_size=5), st.tuples(words, words))
    def test_a_key_is_broadcast(self, counters, key):
        assert philox.philox4x32(counters, key).tolist() == [philox_of_integers(c, key) for c in counters]
        keys = np.broadcast_to(key, (3, 1, 2))
        assert (philox.philox4x32(counters, keys) == philox.philox4x32(counters, key)).all()

    @pytest.mark.parametrize("draw", [philox.keep_mask, philox.uniform, philox.normal])
    @pytest.mark.parametrize(("stream", "step"), [(4096, 0), (-1, 0), (0, 2**48), (0, -1)])
    def test_counters_out_of_range_are_refused(self, draw, stream, step):
        with pytest.raises(ValueError, match=r"must be in \[0, "):
            draw(1, stream, step, 2, 3, 0.5 if draw is philox.keep_mask else "float32")


class TestKeepMask:
    @relaxed
    @given(seeds, streams, steps, st.integers(0, 5), st.integers(0, 40), rates, first_rows)
    def test_versions_agree(self, seed, stream, step, rows, columns, rate, first_row):
        expected = philox.keep_mask(seed, stream, step, rows, columns, rate, first_row)
        assert expected.shape == (rows, columns)
        for dtype in (bool, np.uint8):
            assert (kernel_mask(seed, stream, step, rows, columns, rate, first_row, dtype) == expected).all()

    @given(seeds, streams, steps, st.integers(0, 2**31), st.integers(0, 60), rates)
    def test_documented_layout(self, seed, stream, step, row, column, rate):
        word = documented_words(seed, 0, stream, step, row, column // 8)[column % 8 // 2]
        half = word // 2**16 if column % 2 else word % 2**16
        mask = philox.keep_mask(seed, stream, step, 1, column + 1, rate, first_row=row)
        assert mask[0, column] == (half >= round(rate * 65536))

    @relaxed
    @given(st.data(), seeds, steps, st.integers(1, 12), st.integers(1, 40), rates)
    @pytest.mark.parametrize("mask", [philox.keep_mask, kernel_mask])
    def test_independent_of_extents(self, mask, data, seed, step, rows, columns, rate):
        first, count = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(1, columns))
        whole = mask(seed, 3, step, rows, columns, rate, 100)
        part = mask(seed, 3, step, rows - first, count, rate, 100 + first)
        assert (part == whole[first:, :count]).all()

    def test_first_row_of_the_kernel_is_zero_by_default(self):
        out = np.empty((4, 20), bool)
        kernel.keep_mask(out, 5, 1, 2, philox.keep_threshold(0.5))
        assert (out == philox.keep_mask(5, 1, 2, 4, 20, 0.5)).all()

    def test_a_strided_array_is_filled_without_its_gaps(self):
        out = np.full((6, 26), 7, np.uint8)
        kernel.keep_mask(out[::2, ::2], 5, 1, 2, philox.keep_threshold(0.5), 0)
        assert (out[::2, ::2] == philox.keep_mask(5, 1, 2, 3, 13, 0.5)).all()
        assert (out[1::2] == 7).all()
        assert (out[:, 1::2] == 7).all()

    @pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
    def test_share_kept(self, rate):
        mask = philox.keep_mask(11, 0, 5, 512, 1000, rate)
        kept = 1 - round(rate * 65536) / 65536
        assert within_binomial_bound(mask.sum(), mask.size, kept)
        for lane in range(8):
            assert within_binomial_bound(mask[:, lane::8].sum(), mask[:, lane::8].size, kept)

    @pytest.mark.parametrize("other", [(12, 0, 5), (11 + 2**32, 0, 5), (11, 1, 5), (11, 0, 6), (11, 0, 5 + 2**32)])
    def test_masks_of_other_seeds_streams_and_steps_are_independent(self, other):
        one, two = (philox.keep_mask(*where, 512, 1000, 0.5) for where in ((11, 0, 5), other))
        assert within_binomial_bound((one == two).sum(), one.size, 0.5)

    def test_neighbours_are_independent(self):
        mask = philox.keep_mask(11, 0, 5, 513, 1001, 0.5)
        for neighbour in (mask[1:, :-1], mask[:-1, 1:]):
            assert within_binomial_bound((mask[:-1, :-1] == neighbour).sum(), neighbour.size, 0.5)

    def test_rate_zero_keeps_all(self):
        assert philox.keep_mask(1, 0, 0, 100, 1000, 0).all()
        assert kernel_mask(1, 0, 0, 100, 1000, 0).all()

    def test_a_rate_that_rounds_to_one_drops_all(self):
        assert not philox.keep_mask(1, 0, 0, 100, 1000, 1 - 1e-9).any()
        assert not kernel_mask(1, 0, 0, 100, 1000, 1 - 1e-9).any()

    @pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
    def test_rates_out_of_range_are_refused(self, rate):
        with pytest.raises(ValueError, match=r"rate must be in \[0, 1\)"):
            philox.keep_mask(1, 0, 0, 2, 2, rate)


def filled(fill, seed, stream, step, rows, columns, dtype, first_row=0):
    out = np.full((rows, columns), np.nan, dtype)
    fill(out, seed, stream, step, first_row)
    return out


class TestUniform:
    @relaxed
    @given(seeds, streams, steps, st.integers(0, 5), st.integers(0, 12), first_rows)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_versions_agree(self, dtype, seed, stream, step, rows, columns, first_row):
        where = seed, stream, step, rows, columns, dtype, first_row
        assert (filled(kernel.uniform, *where) == philox.uniform(*where)).all()

    @given(seeds, streams, steps, first_rows, st.integers(0, 30))
    def test_documented_layout(self, seed, stream, step, row, column):
        w = documented_words(seed, 1, stream, step, row, column // 2)[column % 2 * 2 :]
        whole = w[0] * 2**32 + w[1]
        for dtype, bits in (("float32", 24), ("float64", 53)):
            x = philox.uniform(seed, stream, step, 1, column + 1, dtype, first_row=row)
            assert x.dtype == dtype
            assert x[0, column] == (whole >> 64 - bits) / 2**bits

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_distribution(self, dtype):
        x = philox.uniform(3, 0, 1, 400, 501, dtype)
        assert (x >= 0).all()
        assert (x < 1).all()
        assert stats.kstest(x.ravel().astype(float), "uniform").pvalue > 1e-4
        assert fair(np.bincount((x * 1024).astype(int).ravel(), minlength=1024))
        assert fair(np.bincount((x.astype(float) * 2**24).astype(int).ravel() % 1024, minlength=1024))

    def test_neighbours_are_independent(self):
        cell = (philox.uniform(3, 0, 1, 401, 501, "float64") * 16).astype(int)
        for neighbour in (cell[1:, :-1], cell[:-1, 1:]):
            assert fair(np.bincount((16 * cell[:-1, :-1] + neighbour).ravel(), minlength=256))

    def test_float32_is_float64_cut_short(self):
        fine, coarse = (philox.uniform(3, 0, 1, 50, 60, dtype) for dtype in ("float64", "float32"))
        assert (np.floor(fine * 2**24) / 2**24 == coarse).all()

    @pytest.mark.parametrize("dtype", ["float16", "int32"])
    @pytest.mark.parametrize("draw", [philox.uniform, philox.normal])
    def test_other_dtypes_are_refused(self, draw, dtype):
        with pytest.raises(TypeError, match=f"float32 or float64, got {dtype}"):
            draw(1, 0, 0, 2, 2, dtype)


class TestNormal:
    @relaxed
    @given(seeds, streams, steps, st.integers(0, 5), st.integers(0, 12), first_rows)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_versions_agree(self, dtype, seed, stream, step, rows, columns, first_row):
        """To a few units in the last place: logarithms, sines and cosines are those of different libraries."""
        expected = philox.normal(seed, stream, step, rows, columns, dtype, first_row)
        found = filled(kernel.normal, seed, stream, step, rows, columns, dtype, first_row)
        np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_distribution(self, dtype):
        z = philox.normal(3, 0, 1, 400, 501, dtype)
        assert z.dtype == dtype
        assert stats.kstest(z.ravel().astype(float), "norm").pvalue > 1e-4
        assert within_binomial_bound((z > 3).sum(), z.size, stats.norm.sf(3))

    def test_neighbours_are_independent(self):
        z = philox.normal(3, 0, 1, 400, 500, "float64")
        cell = (stats.norm.cdf(z) * 16).astype(int)
        assert fair(np.bincount((16 * cell[:, ::2] + cell[:, 1::2]).ravel(), minlength=256))

    @given(seeds, steps, first_rows)
    def test_the_transform_inverted_gives_the_uniform_numbers(self, seed, step, first_row):
        u = philox.uniform(seed, 0, step, 2, 8, "float64", first_row)
        z = philox.normal(seed, 0, step, 2, 8, "float64", first_row)
        point = z[:, ::2] + 1j * z[:, 1::2]
        np.testing.assert_allclose(-np.expm1(-(np.abs(point) ** 2) / 2), u[:, ::2], rtol=1e-12, atol=1e-15)
        unit = np.exp(2j * np.pi * u[:, 1::2])
        np.testing.assert_allclose(point, np.abs(point) * unit, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("draw", [philox.uniform, philox.normal])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data(), seed=seeds, step=steps, rows=st.integers(1, 8), columns=st.integers(1, 20))
def test_noise_is_independent_of_extents(draw, dtype, data, seed, step, rows, columns):
    first, count = data.draw(st.integers(0, rows)), data.draw(st.integers(0, columns))
    whole = draw(seed, 3, step, rows, columns, dtype, first_row=100)
    part = draw(seed, 3, step, rows - first, count, dtype, first_row=100 + first)
    assert (part == whole[first:, :count]).all()


SIZES = [0, 1, 2, 3, 100, 4095, 4096, 4097, 5000, 60000, 65536, 65537]
sizes = st.integers(0, 300) | st.integers(4000, 20000)


class TestPermutation:
    @pytest.mark.parametrize("n", SIZES)
    def test_every_row_comes_once(self, n):
        order = philox.permutation(n, 5, 2)
        assert order.dtype == np.int64
        assert (np.sort(order) == np.arange(n)).all()
        assert (order == kernel_permutation(n, 5, 2)).all()

    @relaxed
    @given(sizes, seeds, steps)
    def test_versions_agree(self, n, seed, epoch):
        order = philox.permutation(n, seed, epoch)
        assert (np.sort(order) == np.arange(n)).all()
        assert (order == kernel_permutation(n, seed, epoch)).all()

    @pytest.mark.parametrize("n", [4000, 5000])
    @pytest.mark.parametrize("other", [(6, 2), (5 + 2**32, 2), (5, 3), (5, 2 + 2**32)])
    def test_other_seeds_and_epochs_give_other_orders(self, n, other):
        # Two random orders agree in one place on average, with a variance of one.
        assert (philox.permutation(n, 5, 2) == philox.permutation(n, *other)).sum() < 10

    @given(st.integers(1, 40), seeds, steps)
    def test_small_orders_sort_the_documented_keys(self, n, seed, epoch):
        def key(i):
            w = documented_words(seed, 2, 0, epoch, 0, i // 2)[i % 2 * 2 :]
            return w[1] * 2**32 + w[0]

        assert philox.permutation(n, seed, epoch).tolist() == sorted(range(n), key=key)

    @relaxed
    @given(st.data(), st.integers(1, 300) | st.integers(4000, 20000), seeds, steps)
    def test_each_element_on_its_own(self, data, n, seed, epoch):
        i = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=6)), np.int64).reshape(1, -1)
        assert (philox.permuted_index(i, n, seed, epoch) == philox.permutation(n, seed, epoch)[i]).all()

    @pytest.mark.parametrize("n", [100, 5000])
    def test_one_index_gives_one_number(self, n):
        assert np.shape(philox.permuted_index(7, n, 1, 0)) == ()
        assert philox.permuted_index(7, n, 1, 0) == philox.permutation(n, 1, 0)[7]

    def test_far_more_rows_than_memory(self):
        n = 10**15 + 7
        i = np.arange(n - 1000, n)
        j = philox.permuted_index(i, n, 1, 0)
        assert len(np.unique(j)) == len(i)
        assert stats.kstest(j / n, "uniform").pvalue > 1e-4

    def test_arguments_out_of_range_are_refused(self):
        for i in (-1, 5000):
            with pytest.raises(IndexError, match="i must be in"):
                philox.permuted_index([0, i], 5000, 1, 0)
        with pytest.raises(ValueError, match="n must not be negative"):
            philox.permutation(-1, 1, 0)
        with pytest.raises(ValueError, match="step must be in"):
            philox.permutation(10, 1, -1)


def network_orders(n, rounds, count):
    """Orders of n rows by the network itself, which serves larger n only, one for each of many seeds."""
    keys = [philox._shuffle_words(2, seed, 0).ravel()[:rounds] for seed in range(count)]
    return np.stack([philox._walk(np.arange(n), n, key) for key in keys])


def places_are_fair(orders):
    n = orders.shape[1]
    counts = [np.bincount(orders[:, i], minlength=n) for i in range(n)]
    # Rows and columns of the table have fixed sums.
    return stats.chisquare(np.ravel(counts), ddof=2 * (n - 1)).pvalue > 1e-4


class TestNetwork:
    @pytest.mark.parametrize("n", range(1, 70))
    def test_bijection_on_every_small_domain(self, n):
        assert (np.sort(network_orders(n, 8, 3), axis=1) == np.arange(n)).all()

    @pytest.mark.parametrize("n", [5, 12, 100])
    def test_each_element_is_equally_likely_at_each_place(self, n):
        assert places_are_fair(network_orders(n, 8, 2000))

    def test_four_rounds_would_be_noticed(self):
        assert not places_are_fair(network_orders(5, 4, 2000))

    @pytest.mark.parametrize(("rounds", "random"), [(4, False), (8, True)])
    def test_neighbours_go_separate_ways(self, rounds, random):
        n, count = 5000, 400
        orders = network_orders(n, rounds, count)
        for lag in (1, 64, 65):  # the network splits a number into its quotient by 64 and the remainder
            difference = (orders[:, lag:] - orders[:, :-lag]) % n
            near = np.bincount(difference[difference <= 64], minlength=65)[1:]
            expected = difference.size / (n - 1)
            p = stats.chi2.sf(((near - expected) ** 2 / expected).sum(), 64)
            assert (p > 1e-4) == random, lag
