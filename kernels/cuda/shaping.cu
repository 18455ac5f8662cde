// Moves elements to other places.

// y = x^T, by tiles of 32 by 32 in shared memory, so that both are read and written along neighbours.
template <class X, class Y>
__device__ void transpose(i64* ctx, i64 row, X x, Y y) {
  __shared__ typename X::element tile[32][33];  // one more column, or all threads would meet in one bank
  for (i64 first = 32 * i64(blockIdx.y); first < y.dim[0]; first += 32 * i64(gridDim.y)) {
    const i64 i = 32 * i64(blockIdx.x) + threadIdx.y, j = first + threadIdx.x;
    for (int k = 0; k < 32; k += 8)
      if (i + k < x.dim[0] && j < x.dim[1]) tile[threadIdx.y + k][threadIdx.x] = x(i + k, j);
    __syncthreads();
    const i64 to = first + threadIdx.y, from = 32 * i64(blockIdx.x) + threadIdx.x;
    for (int k = 0; k < 32; k += 8)
      if (to + k < y.dim[0] && from < y.dim[1]) y(to + k, from) = tile[threadIdx.x][threadIdx.y + k];
    __syncthreads();
  }
}
