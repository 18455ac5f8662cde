// Reductions that no region could take in: over axes in the middle, or the extremes over rows.

// A column of threads for each result, among which it is shared.
template <class X, class Y, class Combine>
__device__ void reduce_middle(X x, Y y, Combine combine) {
  const i64 inner = x.dim[2], count = x.dim[0] * inner, n = x.dim[1];
  const int shares = n < blockDim.y ? int(n) : blockDim.y;
  for (i64 first = i64(blockIdx.x) * blockDim.x; first < count; first += i64(gridDim.x) * blockDim.x) {
    const i64 i = first + threadIdx.x, o = i / inner, k = i - o * inner;
    typename X::element value = 0;
    if (i < count && threadIdx.y < shares) {
      value = x(o, threadIdx.y, k);
      for (i64 j = threadIdx.y + blockDim.y; j < n; j += blockDim.y) value = combine(value, x(o, j, k));
    }
    value = column_reduce(value, combine, shares);
    if (i < count && threadIdx.y == 0) y.data[i] = value;
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
