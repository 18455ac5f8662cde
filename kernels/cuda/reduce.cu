// Reductions that no region could take in: over axes in the middle, or the extremes over rows.

template <class X, class Y, class Combine>
__device__ void reduce_middle(X x, Y y, Combine combine) {
  const i64 inner = x.dim[2], count = x.dim[0] * inner;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 o = i / inner, k = i - o * inner;
    typename X::element value = x(o, 0, k);
    for (i64 j = 1; j < x.dim[1]; j++) value = combine(value, x(o, j, k));
    y.data[i] = value;
  }
}

// y[o, i] = sum of x[o, :, i].
template <class X, class Y>
__device__ void reduce_sum(i64* ctx, i64 row, X x, Y y) {
  reduce_middle(x, y, Sum());
}

// y[o, i] = the largest of x[o, :, i]; NaN where there is one.
template <class X, class Y>
__device__ void reduce_max(i64* ctx, i64 row, X x, Y y) {
  reduce_middle(x, y, Max());
}

// y[o, i] = the smallest of x[o, :, i]; NaN where there is one.
template <class X, class Y>
__device__ void reduce_min(i64* ctx, i64 row, X x, Y y) {
  reduce_middle(x, y, Min());
}
