// What a block does with a tile: some rows of a batch that stay on the chip, from the data to the gradients.
//
// Numbers of rows and columns are constants of the text. LD is the distance of rows in elements, which `on_chip.py`
// chooses so that threads which read one column of several rows meet in few banks.

// The side of the squares of elements of an (m, n) matrix that threads take, so that all have one to do.
__device__ constexpr int side(int m, int n) {
  return m * n >= 16 * BLOCK ? 4 : m * n >= 4 * BLOCK ? 2 : 1;
}

// Rows of an array that lie behind each other, to the chip.
template <int COLUMNS, int LD, class T>
__device__ inline void bring(T* to, const T* from, int rows) {
  for (int i = threadIdx.x; i < rows * COLUMNS; i += BLOCK) to[i / COLUMNS * LD + i % COLUMNS] = from[i];
}

// Rows of an array of n that have these numbers, to the chip, N neighbours by each thread.
template <int COLUMNS, int LD, int N, class T, class S>
__device__ inline void pick_packs(i64* ctx, i64 row, T* to, const S* from, i64 n, const i64* numbers, int rows) {
  constexpr int ACROSS = COLUMNS / N;
  for (int i = threadIdx.x; i < rows * ACROSS; i += BLOCK) {
    const int r = i / ACROSS, c = i % ACROSS * N;
    const auto read = load<N>(from + checked_index(ctx, row, numbers[r], n) * COLUMNS + c);
#pragma unroll
    for (int k = 0; k < N; k++) to[r * LD + c + k] = T(read.of[k]);
  }
}

template <int COLUMNS, int LD, class T, class S>
__device__ inline void pick(i64* ctx, i64 row, T* to, const S* from, i64 n, const i64* numbers, int rows) {
  constexpr int N = COLUMNS % 4 ? 1 : 4;
  if (u64(from) % sizeof(Pack<S, N>) == 0) pick_packs<COLUMNS, LD, N>(ctx, row, to, from, n, numbers, rows);
  else pick_packs<COLUMNS, LD, 1>(ctx, row, to, from, n, numbers, rows);
}

// c = a @ b of ROWS rows, or a @ b^T where b is TURNED. A thread's columns are as far apart as can be, so that
// neighbouring threads read neighbouring elements of b.
template <int ROWS, int N, int K, bool TURNED, int LDA, int LDB, int LDC, class A, class B, class C>
__device__ inline void product(const A* a, const B* b, C* c) {
  constexpr int SIDE = side(ROWS, N), DOWN = ROWS / SIDE, ACROSS = (N + SIDE - 1) / SIDE;
  for (int at = threadIdx.x; at < DOWN * ACROSS; at += BLOCK) {
    const int row = at / ACROSS, column = at % ACROSS;
    float sum[SIDE][SIDE] = {};
#pragma unroll 4
    for (int k = 0; k < K; k++) {
      float left[SIDE], right[SIDE];
#pragma unroll
      for (int i = 0; i < SIDE; i++) left[i] = a[(row + i * DOWN) * LDA + k];
#pragma unroll
      for (int j = 0; j < SIDE; j++) {
        const int n = column + j * ACROSS < N ? column + j * ACROSS : N - 1;
        right[j] = TURNED ? b[n * LDB + k] : b[k * LDB + n];
      }
#pragma unroll
      for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++) sum[i][j] += left[i] * right[j];
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++)
#pragma unroll
      for (int j = 0; j < SIDE; j++)
        if (column + j * ACROSS < N) c[(row + i * DOWN) * LDC + column + j * ACROSS] = sum[i][j];
  }
}

// The sum over the rows of a^T @ b, of which each thread holds its squares from the first tile to the last.
template <int K, int N>
struct Gradient {
  static constexpr int SIDE = side(K, N), ACROSS = (N + SIDE - 1) / SIDE;
  static constexpr int COUNT = (K + SIDE - 1) / SIDE * ACROSS, EACH = (COUNT + BLOCK - 1) / BLOCK;
  float sum[EACH][SIDE][SIDE] = {};

  // What lies past the last column of a row meets no element that is stored.
  template <int LDA, int LDB, class A, class B>
  __device__ void add(const A* a, const B* b, int rows) {
#pragma unroll 2
    for (int r = 0; r < rows; r++)
#pragma unroll
      for (int e = 0; e < EACH; e++) {
        const int at = threadIdx.x + e * BLOCK;
        if (at >= COUNT) continue;
        const auto left = load<SIDE>(a + r * LDA + at / ACROSS * SIDE);
        const auto right = load<SIDE>(b + r * LDB + at % ACROSS * SIDE);
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
          for (int j = 0; j < SIDE; j++) sum[e][i][j] += float(left.of[i]) * float(right.of[j]);
      }
  }

  __device__ void store(float* to) const {
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
      for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++) {
          const int at = threadIdx.x + e * BLOCK, k = at / ACROSS * SIDE + i, n = at % ACROSS * SIDE + j;
          if (k < K && n < N) to[k * N + n] = sum[e][i][j];
        }
  }
};

// A number of each thread, the same memory for all widths of layers.
__device__ inline float* numbers_of_threads() {
  __shared__ float numbers[BLOCK];
  return numbers;
}

// What the teams of a block have added up column by column, each thread for its own: the sums, stored.
template <int TEAM, int COLUMNS, int EACH>
__device__ inline void store_row_sums(const float (&sum)[EACH], float* to) {
  float* const teams = numbers_of_threads();
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    __syncthreads();
    teams[threadIdx.x] = sum[e];
    __syncthreads();
    const int column = threadIdx.x + e * TEAM;
    if (threadIdx.x >= TEAM || column >= COLUMNS) continue;
    float total = 0;
    for (int k = threadIdx.x; k < BLOCK; k += TEAM) total += teams[k];
    to[column] = total;
  }
}

// The same by tensor cores, of bfloat16 factors: of ROWS and K a multiple of 16, N one of 8. A warp takes 16 rows, and
// WIDE times 8 columns, as many as leave every warp something to do.
template <int ROWS, int N, int K, bool TURNED, int LDA, int LDB, int LDC, class C>
__device__ inline void mma_product(const bf16* a, const bf16* b, C* c) {
  constexpr int DOWN = ROWS / 16, BLOCKS = N / 8, WARPS = BLOCK / 32;
  constexpr int EACH = DOWN * BLOCKS / WARPS;
  constexpr int WIDE = BLOCKS % 4 == 0 && EACH >= 4 ? 4 : BLOCKS % 2 == 0 && EACH >= 2 ? 2 : 1;
  constexpr int ACROSS = BLOCKS / WIDE;
  const int lane = threadIdx.x % 32;
  for (int at = threadIdx.x / 32; at < DOWN * ACROSS; at += WARPS) {
    const int row = at / ACROSS * 16, column = at % ACROSS * WIDE * 8;
    float sum[WIDE][4] = {};
#pragma unroll
    for (int k = 0; k < K; k += 16) {
      u32 left[4], right[2];
      load_matrices<false>(left, a + (row + lane % 16) * LDA + k + lane / 16 * 8);
#pragma unroll
      for (int j = 0; j < WIDE; j++) {
        const int n = column + j * 8;
        if (TURNED) load_matrices<false>(right, b + (n + lane % 8) * LDB + k + lane / 8 % 2 * 8);
        else load_matrices<true>(right, b + (k + lane % 16) * LDB + n);
        multiply_add(sum[j], left, right);
      }
    }
#pragma unroll
    for (int j = 0; j < WIDE; j++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        c[(row + lane / 4 + e / 2 * 8) * LDC + column + j * 8 + lane % 4 * 2 + e % 2] = sum[j][e];
  }
}

// The rows from the end of the batch to the next multiple of 16 become 0, so that they add nothing to a gradient.
template <int LD>
__device__ inline void clear(bf16* tile, int rows) {
  for (int i = rows * LD + threadIdx.x; i < (rows + 15) / 16 * 16 * LD; i += BLOCK) tile[i] = 0.0f;
}

// Of K a multiple of 16 and N one of 8.
template <int K, int N>
struct MmaGradient {
  static constexpr int ACROSS = N / 8, COUNT = K / 16 * ACROSS, WARPS = BLOCK / 32, EACH = (COUNT + WARPS - 1) / WARPS;
  float sum[EACH][4] = {};

  template <int LDA, int LDB>
  __device__ void add(const bf16* a, const bf16* b, int rows) {
    const int lane = threadIdx.x % 32;
    for (int r = 0; r < rows; r += 16) {
      u32 left[4], right[2];
#pragma unroll
      for (int e = 0; e < EACH; e++) {
        const int at = threadIdx.x / 32 * EACH + e;
        if (at >= COUNT) continue;
        if (e == 0 || ACROSS % EACH)  // else all of a warp's blocks have the same columns of a
          load_matrices<true>(left, a + (r + lane % 8 + lane / 16 * 8) * LDA + at / ACROSS * 16 + lane / 8 % 2 * 8);
        load_matrices<true>(right, b + (r + lane % 16) * LDB + at % ACROSS * 8);
        multiply_add(sum[e], left, right);
      }
    }
  }

  __device__ void store(float* to) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int at = threadIdx.x / 32 * EACH + e, k = at / ACROSS * 16 + lane / 4 + i / 2 * 8;
        if (at < COUNT) to[k * N + at % ACROSS * 8 + lane % 4 * 2 + i % 2] = sum[e][i];
      }
  }
};
