// What threads compute together. Orders of additions depend on sizes alone, so that bits repeat; no atomic floats.

constexpr int BLOCK = 256;  // threads of a block in generated kernels

__device__ inline int thread_in_block() { return threadIdx.y * blockDim.x + threadIdx.x; }

// Of the warp, the threads of this thread's team of TEAM neighbours.
template <int TEAM>
__device__ inline u32 team_mask() {
  if (TEAM >= 32) return 0xffffffffu;
  return ((1u << (TEAM & 31)) - 1) << (threadIdx.x % 32 / TEAM * TEAM);
}

template <int TEAM>
__device__ inline void team_sync() {
  if (TEAM > 32) __syncthreads();
  else __syncwarp(team_mask<TEAM>());
}

// The values of a team combined; each thread gets the same bits, as every exchange is symmetric.
template <int TEAM, class T, class Combine>
__device__ inline T team_reduce(T value, Combine combine) {
#pragma unroll
  for (int k = TEAM < 32 ? TEAM / 2 : 16; k; k >>= 1)
    value = combine(value, T(__shfl_xor_sync(team_mask<TEAM>(), value, k)));
  if (TEAM > 32) {
    __shared__ T warps[BLOCK / 32];
    __syncthreads();  // others may still read what an earlier reduction has left here
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = warps[0];
    for (int k = 1; k < TEAM / 32; k++) value = combine(value, warps[k]);
  }
  return value;
}

// The values of a block combined, for its first thread.
template <class T, class Combine>
__device__ inline T block_reduce(T value, Combine combine) {
  __shared__ T values[BLOCK];
  int n = thread_in_block();
  __syncthreads();
  values[n] = value;
  for (int half = BLOCK / 2; half; half /= 2) {
    __syncthreads();
    if (n < half) values[n] = combine(values[n], values[n + half]);
  }
  return values[0];
}

// True in all threads of the block that arrives last of `blocks`. It then sees what the others wrote before.
__device__ inline bool last_to_arrive(u32* counter, u32 blocks) {
  __shared__ bool last;
  __syncthreads();
  if (blocks == 1) return true;
  if (thread_in_block() == 0) {  // its fences hold for all that the block has met at the barrier
    __threadfence();
    last = atomicInc(counter, blocks - 1) == blocks - 1;  // which leaves it at 0 again
    if (last) __threadfence();
  }
  __syncthreads();
  return last;
}

// The values of the first `rows` threads of this column of the block combined, for the first of them.
template <class T, class Combine>
__device__ inline T column_reduce(T value, Combine combine, int rows) {
  __shared__ T values[BLOCK];
  int n = thread_in_block();
  __syncthreads();
  values[n] = value;
  __syncthreads();
  if (threadIdx.y == 0)
    for (int k = 1; k < rows; k++) value = combine(value, values[k * blockDim.x + threadIdx.x]);
  return value;
}

template <class T>
__device__ inline T column_sum(T value) {
  return column_reduce(value, Sum(), blockDim.y);
}

// The sums of the columns of so many rows, by all threads of a block: as many as there are columns, up to all, beside
// each other.
template <int ACROSS, class T>
__device__ inline void sum_rows(const T* rows, int count, i64 columns, T* out) {
  constexpr int DOWN = BLOCK / ACROSS;
  __shared__ T shares[BLOCK];
  const int n = thread_in_block(), down = n / ACROSS;
  for (i64 c = n % ACROSS; c < columns + n % ACROSS; c += ACROSS) {
    T sum = 0;
    for (int k = down; k < count && c < columns; k += DOWN) sum += rows[k * columns + c];
    __syncthreads();
    shares[n] = sum;
    __syncthreads();
    if (down || c >= columns) continue;
    for (int k = 1; k < DOWN; k++) sum += shares[k * ACROSS + n];
    out[c] = sum;
  }
}
