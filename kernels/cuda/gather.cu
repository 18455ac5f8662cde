// Picks the rows of a batch.

constexpr u32 ALL = 0xffffffffu;  // threads of a warp

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

// out[r] = row index[r] of a CSR matrix, converted to the type of `out`; entries out of range are left out. A warp a
// row, a thread an entry; of those that may repeat a column, one thread adds up one after the other.
template <class Data, class Indices, class Pointers, class Index, class Out>
__device__ void take_sparse_rows(i64* ctx, i64 row, Data data, Indices indices, Pointers indptr, Index index, Out out) {
  const int lane = threadIdx.x % 32;
  for (i64 r = thread_number() / 32; r < out.dim[0]; r += thread_count() / 32) {
    for (i64 c = lane; c < out.dim[1]; c += 32) out(r, c) = 0;
    __syncwarp(ALL);  // the zeros are there
    const i64 picked = checked_index(ctx, row, index(r), indptr.dim[0] - 1);
    const i64 begin = indptr(picked) < 0 ? 0 : indptr(picked);
    const i64 end = indptr(picked + 1) < data.dim[0] ? indptr(picked + 1) : data.dim[0];
    for (i64 first = begin; first < end; first += 32) {
      const i64 k = first + lane;
      const i64 c = k < end ? checked_index(ctx, row, indices(k), out.dim[1]) : -1 - lane;
      const bool repeats = __match_any_sync(ALL, c) != 1u << lane;
      if (__ballot_sync(ALL, repeats) == 0) {
        if (k < end) out(r, c) += typename Out::element(data(k));
      } else if (lane == 0) {
        for (i64 e = k; e < end && e < k + 32; e++)
          out(r, checked_index(ctx, row, indices(e), out.dim[1])) += typename Out::element(data(e));
      }
      __syncwarp(ALL);
    }
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

// y = 0, then y[o, index[k]] += updates[o, k], in the order of k. A warp a line of y, which looks for its updates 32 at
// a time, and takes as many neighbours of those that it finds.
template <class Updates, class Index, class Y>
__device__ void scatter_add(i64* ctx, i64 row, Updates updates, Index index, Y y) {
  const i64 inner = y.dim[2], n = y.dim[1], lines = y.dim[0] * n, picks = updates.dim[1];
  const int lane = threadIdx.x % 32;
  for (i64 line = thread_number() / 32; line < lines; line += thread_count() / 32) {
    const i64 o = line / n, here = line - o * n;
    for (i64 j = lane; j < inner + lane; j += 32) {
      typename Y::element total = 0;
      for (i64 first = 0; first < picks; first += 32) {
        const i64 k = first + lane;
        u32 found = __ballot_sync(ALL, k < picks && counted(ctx, row, index(k), n) == here);
        for (; found; found &= found - 1)
          if (j < inner) total += updates(o, first + __ffs(found) - 1, j);
      }
      if (j < inner) y(o, here, j) = total;
    }
  }
}
