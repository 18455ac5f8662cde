// Running sums along an axis.

// y[o, k] = x[o, 0] + ... + x[o, k], or from the end: a thread a line.
template <class X, class Y>
__device__ void cumsum(i64* ctx, i64 row, X x, Y y, i64 reverse) {
  const i64 inner = x.dim[2], n = x.dim[1], count = x.dim[0] * inner;
  for (i64 line = thread_number(); line < count; line += thread_count()) {
    const i64 o = line / inner, i = line - o * inner;
    typename Y::element total = 0;
    for (i64 k = 0; k < n; k++) {
      const i64 here = reverse ? n - 1 - k : k;
      y(o, here, i) = total += x(o, here, i);
    }
  }
}
