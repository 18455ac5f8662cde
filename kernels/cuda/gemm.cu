// Matrix products that the library does not take: of integers, and whatever else it refuses.

template <class A, class B, class C>
__device__ void gemm(i64* ctx, i64 row, A a, B b, C c, i64 m, i64 n, i64 k, i64 lda, i64 ldb, i64 ldc, i64 ta, i64 tb,
                     i64 alpha, i64 beta, i64 count, i64 stride_a, i64 stride_b, i64 stride_c) {
  const double scale = __longlong_as_double(alpha), keep = __longlong_as_double(beta);
  for (i64 at = thread_number(); at < count * m * n; at += thread_count()) {
    const i64 batch = at / (m * n), i = at % (m * n) / n, j = at % n;
    typename Wide<typename C::element>::type total = 0;
    for (i64 p = 0; p < k; p++) {
      const auto left = a.data[batch * stride_a + (ta ? p * lda + i : i * lda + p)];
      total += left * b.data[batch * stride_b + (tb ? j * ldb + p : p * ldb + j)];
    }
    auto& out = c.data[batch * stride_c + i * ldc + j];
    out = typename C::element(scale * total + (keep != 0 ? keep * out : 0));
  }
}
