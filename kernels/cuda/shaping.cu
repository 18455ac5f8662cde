// Moves elements to other places.
//
// A walk over a flat array is told by an offset and, for each dimension, an extent and a stride; its last two dimensions
// are the rows and columns of a matrix, those before them number the matrices.

// Where in the flat array the element stands that a walk meets as its number `matrix`, `i`, `j`.
template <int RANK>
__device__ inline i64 walked(const i64 (&walk)[2 * RANK], i64 matrix, i64 i, i64 j) {
  i64 at = i * walk[2 * RANK - 2] + j * walk[2 * RANK - 1];
#pragma unroll
  for (int d = RANK - 3; d >= 0; d--) {
    at += matrix % walk[d] * walk[RANK + d];
    matrix /= walk[d];
  }
  return at;
}

// y[matrix, i, j] = the elements of x, a flat array, along a walk: by tiles of 32 by 32 in shared memory, so that both
// are met along neighbours where a walk transposes.
template <class X, class Y, class... Walk>
__device__ void read_walk(i64* ctx, i64 row, X x, Y y, i64 offset, Walk... numbers) {
  __shared__ typename X::element tile[32][33];  // one more column, or all threads would meet in one bank
  const i64 walk[] = {numbers...};
  constexpr int RANK = sizeof...(numbers) / 2;
  const bool turned = walk[2 * RANK - 1] != 1;  // whether neighbours of a column are nearer in x than those of a row
  const i64 across = (y.dim[2] + 31) / 32, down = (y.dim[1] + 31) / 32, count = y.dim[0] * across * down;
  for (i64 k = blockIdx.x; k < count; k += gridDim.x) {
    const i64 matrix = k / (across * down), rest = k - matrix * across * down;
    const i64 i0 = rest / across * 32, j0 = rest % across * 32;
    for (int s = threadIdx.y; s < 32; s += 8) {
      const int a = turned ? threadIdx.x : s, b = turned ? s : threadIdx.x;
      if (i0 + a < y.dim[1] && j0 + b < y.dim[2])
        tile[a][b] = x(offset + walked<RANK>(walk, matrix, i0 + a, j0 + b));
    }
    __syncthreads();
    for (int s = threadIdx.y; s < 32; s += 8)
      if (i0 + s < y.dim[1] && j0 + threadIdx.x < y.dim[2]) y(matrix, i0 + s, j0 + threadIdx.x) = tile[s][threadIdx.x];
    __syncthreads();
  }
}

// y = 0.
template <class Y>
__device__ void zero(i64* ctx, i64 row, Y y) {
  for (i64 i = thread_number(); i < y.dim[0]; i += thread_count()) y(i) = 0;
}

// y, a flat array that is zero, along a walk = x[matrix, i, j].
template <class X, class Y, class... Walk>
__device__ void write_walk(i64* ctx, i64 row, X x, Y y, i64 offset, Walk... numbers) {
  const i64 walk[] = {numbers...};
  constexpr int RANK = sizeof...(numbers) / 2;
  const i64 columns = x.dim[2], rows = x.dim[1], count = x.dim[0] * rows * columns;
  for (i64 k = thread_number(); k < count; k += thread_count()) {
    const i64 line = k / columns, matrix = line / rows;
    y(offset + walked<RANK>(walk, matrix, line - matrix * rows, k - line * columns)) = x.data[k];
  }
}

template <class Y>
__device__ inline Y last_of(Y y) {
  return y;
}
template <class X, class... Others>
__device__ inline auto last_of(X x, Others... others) {
  return last_of(others...);
}

template <class Y, class X, class... Others>
__device__ inline void lay(Y y, i64 begin, X x, Others... others) {
  if constexpr (sizeof...(others) > 0) {
    const i64 columns = x.dim[1], count = x.dim[0] * columns;
    for (i64 k = thread_number(); k < count; k += thread_count()) {
      const i64 o = k / columns;
      y(o, begin + k - o * columns) = x.data[k];
    }
    lay(y, begin + columns, others...);
  }
}

// The last array, [outer, inner], = the others side by side.
template <class... Arrays>
__device__ void concatenate(i64* ctx, i64 row, Arrays... arrays) {
  lay(last_of(arrays...), 0, arrays...);
}
