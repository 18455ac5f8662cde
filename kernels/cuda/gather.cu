// Picks the rows of a batch.

// N neighbours of a row by each thread; I counts them.
template <int N, class I, class Source, class Index, class Out>
__device__ void take_packs(i64* ctx, i64 row, Source source, Index index, Out out) {
  const I across = I(out.dim[1] / N), count = I(out.dim[0]) * across;
  for (I i = I(thread_number()); i < count; i += I(thread_count())) {
    const I r = i / across, c = (i - r * across) * N;
    const auto from = load<N>(&source(checked_index(ctx, row, index(r), source.dim[0]), c));
    Pack<typename Out::element, N> to;
#pragma unroll
    for (int k = 0; k < N; k++) to.of[k] = typename Out::element(from.of[k]);
    store(&out(r, c), to);
  }
}

// Whether all rows begin where N neighbours can be read and written together.
template <int N, class X>
__device__ bool in_packs(X x) {
  return x.dim[1] % N == 0 && u64(x.data) % sizeof(Pack<typename X::element, N>) == 0;
}

// out[r] = source[index[r]], converted to the type of `out`; the first row for an index that is out of range.
template <class Source, class Index, class Out>
__device__ void take_rows(i64* ctx, i64 row, Source source, Index index, Out out) {
  constexpr int N = 4;  // as AT_ONCE in launch.py
  if (out.dim[0] * out.dim[1] >= 1ll << 31) take_packs<1, i64>(ctx, row, source, index, out);
  else if (in_packs<N>(source) && in_packs<N>(out)) take_packs<N, u32>(ctx, row, source, index, out);
  else take_packs<1, u32>(ctx, row, source, index, out);
}

// out[r] = row index[r] of a CSR matrix, converted to the type of `out`; entries out of range are left out. A warp a row.
template <class Data, class Indices, class Pointers, class Index, class Out>
__device__ void take_sparse_rows(i64* ctx, i64 row, Data data, Indices indices, Pointers indptr, Index index, Out out) {
  const int lane = threadIdx.x % 32;
  for (i64 r = thread_number() / 32; r < out.dim[0]; r += thread_count() / 32) {
    for (i64 c = lane; c < out.dim[1]; c += 32) out(r, c) = 0;
    __syncwarp(0xffffffffu);
    if (lane) continue;  // entries may repeat a column: they are added up one after the other
    const i64 picked = checked_index(ctx, row, index(r), indptr.dim[0] - 1);
    const i64 begin = indptr(picked), end = indptr(picked + 1);
    for (i64 k = begin < 0 ? 0 : begin; k < end && k < data.dim[0]; k++)
      out(r, checked_index(ctx, row, indices(k), out.dim[1])) += typename Out::element(data(k));
  }
}

// An index, negative ones counted from the end; 0 and a failure where it is out of range.
__device__ inline i64 counted(i64* ctx, i64 row, i64 index, i64 n) {
  return checked_index(ctx, row, index < 0 ? index + n : index, n);
}

// y[o, k] = x[o, index[k]], of which each is a line; the first line for an index that is out of range.
template <class X, class Index, class Y>
__device__ void take(i64* ctx, i64 row, X x, Index index, Y y) {
  const i64 inner = y.dim[2], picks = y.dim[1], count = y.dim[0] * picks * inner;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 line = i / inner, o = line / picks;
    y.data[i] = x(o, counted(ctx, row, index(line - o * picks), x.dim[1]), i - line * inner);
  }
}

// y = 0, then y[o, index[k]] += updates[o, k], in the order of k: each element of y looks for its updates.
template <class Updates, class Index, class Y>
__device__ void scatter_add(i64* ctx, i64 row, Updates updates, Index index, Y y) {
  const i64 inner = y.dim[2], n = y.dim[1], count = y.dim[0] * n * inner;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 line = i / inner, o = line / n, here = line - o * n;
    typename Y::element total = 0;
    for (i64 k = 0; k < updates.dim[1]; k++)
      if (counted(ctx, row, index(k), n) == here) total += updates(o, k, i - line * inner);
    y.data[i] = total;
  }
}
