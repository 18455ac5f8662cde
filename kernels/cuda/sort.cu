// The order of elements along an axis.

// Whether element i of a line comes before element j: equal ones in their order, NaN as the largest.
template <class T>
__device__ inline bool before(T a, i64 i, T b, i64 j, bool descending) {
  const bool nan_a = a != a, nan_b = b != b;
  if (nan_a || nan_b) return nan_a == nan_b ? i < j : nan_b != descending;
  if (a == b) return i < j;
  return (a < b) != descending;
}

// y[o, :, i] = the indices by which x[o, :, i] rises, or falls: an element's place is the number of those before it.
template <class X, class Y>
__device__ void argsort(i64* ctx, i64 row, X x, Y y, i64 descending) {
  const i64 inner = x.dim[2], n = x.dim[1], count = x.dim[0] * n * inner;
  for (i64 at = thread_number(); at < count; at += thread_count()) {
    const i64 line = at / inner, i = at - line * inner, o = line / n, k = line - o * n;
    const auto own = x.data[at];
    i64 place = 0;
    for (i64 j = 0; j < n; j++) place += before(x(o, j, i), j, own, k, descending);
    y(o, place, i) = k;
  }
}
