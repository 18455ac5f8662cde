// Picks the rows of a batch.

// out[r] = source[index[r]], converted to the type of `out`; the first row for an index that is out of range.
template <class Source, class Index, class Out>
__device__ void take_rows(i64* ctx, i64 row, Source source, Index index, Out out) {
  const i64 columns = out.dim[1], count = out.dim[0] * columns;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 r = i / columns, c = i - r * columns;
    const i64 picked = checked_index(ctx, row, index(r), source.dim[0]);
    out.data[i] = typename Out::element(source(picked, c));
  }
}
