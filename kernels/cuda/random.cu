// Draws the random numbers of a program, bit for bit those of gpubp/ops/philox.py, whose docstrings define them.

enum { MASK, NOISE, SHUFFLE };
constexpr int SORT_LIMIT = 4096;

struct Words {
  u32 word[4];
};

__device__ inline Words philox4x32(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const u64 product0 = u64(c0) * 0xD2511F53u, product1 = u64(c2) * 0xCD9E8D57u;
    c0 = u32(product1 >> 32) ^ c1 ^ k0;
    c2 = u32(product0 >> 32) ^ c3 ^ k1;
    c1 = u32(product1);
    c3 = u32(product0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The four words of a counter.
__device__ inline Words words(u64 seed, u32 what, u32 stream, u64 step, u32 row, u32 group) {
  const u32 place = u32(step >> 32) << 16 | what << 12 | stream;
  return philox4x32(group, row, u32(step), place, u32(seed), u32(seed >> 32));
}

// True where dropout keeps an element: one call of Philox for eight neighbours, which are stored together if they can.
template <class One, class Out>
__device__ void random_keep(i64* ctx, i64 row, One seed, One step, Out out, i64 stream, i64 threshold) {
  const i64 columns = out.dim[1], groups = (columns + 7) / 8, count = out.dim[0] * groups;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 r = i / groups, group = i - r * groups;
    const Words drawn = words(seed(0), MASK, stream, step(0), u32(r), u32(group));
    Pack<bool, 8> keep;
#pragma unroll
    for (int j = 0; j < 8; j++) keep.of[j] = (drawn.word[j / 2] >> 16 * (j % 2) & 0xFFFF) >= threshold;
    if (columns % 8 == 0 && u64(out.data) % 8 == 0) {
      store(&out(r, 8 * group), keep);
      continue;
    }
    for (int j = 0; j < 8 && 8 * group + j < columns; j++) out(r, 8 * group + j) = keep.of[j];
  }
}

// The highest 24 or 53 of 64 bits as a number in [0, 1).
__device__ inline void uniform(u32 high, u32 low, float& out) { out = float(high >> 8) * 0x1p-24f; }
__device__ inline void uniform(u32 high, u32 low, double& out) { out = double((u64(high) << 32 | low) >> 11) * 0x1p-53; }

// What `make` makes of two uniform numbers in the dtype of the result: one call of Philox for two neighbours.
template <class One, class Out, class Make>
__device__ void fill(One seed, One step, Out out, i64 stream, Make make) {
  typedef typename Out::element T;
  const i64 columns = out.dim[1], pairs = (columns + 1) / 2, count = out.dim[0] * pairs;
  for (i64 i = thread_number(); i < count; i += thread_count()) {
    const i64 r = i / pairs, pair = i - r * pairs;
    const Words drawn = words(seed(0), NOISE, stream, step(0), u32(r), u32(pair));
    T first, second;
    uniform(drawn.word[0], drawn.word[1], first);
    uniform(drawn.word[2], drawn.word[3], second);
    make(first, second);
    out(r, 2 * pair) = first;
    if (2 * pair + 1 < columns) out(r, 2 * pair + 1) = second;
  }
}

// Standard normal numbers, by Box and Muller's method.
template <class One, class Out>
__device__ void random_normal(i64* ctx, i64 row, One seed, One step, Out out, i64 stream) {
  typedef typename Out::element T;
  fill(seed, step, out, stream, [](T& first, T& second) {
    const T radius = ::sqrt(T(-2) * ::log(T(1) - first)), angle = T(6.283185307179586) * second;
    first = radius * ::cos(angle);
    second = radius * ::sin(angle);
  });
}

// Uniform numbers in [0, 1).
template <class One, class Out>
__device__ void random_uniform(i64* ctx, i64 row, One seed, One step, Out out, i64 stream) {
  typedef typename Out::element T;
  fill(seed, step, out, stream, [](T&, T&) {});
}

__device__ inline u64 sort_key(u64 seed, u64 epoch, i64 i) {
  const Words drawn = words(seed, SHUFFLE, 0, epoch, 0, u32(i / 2));
  return u64(drawn.word[2 * (i % 2) + 1]) << 32 | drawn.word[2 * (i % 2)];
}

// A row's place is the number of keys below its own, of equal ones those before it.
template <class Out>
__device__ void permute_by_sort(Out out, u64 seed, u64 epoch) {
  __shared__ u64 keys[SORT_LIMIT];
  const int n = int(out.dim[0]);
  for (int i = threadIdx.x; i < n; i += blockDim.x) keys[i] = sort_key(seed, epoch, i);
  __syncthreads();
  for (i64 i = thread_number(); i < n; i += thread_count()) {
    int place = 0;
    for (int j = 0; j < n; j++) place += keys[j] < keys[i] || (keys[j] == keys[i] && j < i);
    out(place) = i;
  }
}

// The finaliser of MurmurHash3.
__device__ inline u32 mix(u32 x, u32 key) {
  u32 h = x ^ key;
  h = (h ^ h >> 16) * 0x85EBCA6Bu;
  h = (h ^ h >> 13) * 0xC2B2AE35u;
  return h ^ h >> 16;
}

// A Feistel network on the numbers below 2^shift * b, walked along until it falls below n.
template <class Out>
__device__ void permute_by_network(Out out, u64 seed, u64 epoch) {
  const i64 n = out.dim[0];
  int bits = 0;
  while ((n - 1) >> bits) bits++;
  const int shift = bits / 2;
  const u32 b = u32(((n - 1) >> shift) + 1), low_bits = u32((i64(1) << shift) - 1);
  const Words first = words(seed, SHUFFLE, 0, epoch, 0, 0), second = words(seed, SHUFFLE, 0, epoch, 0, 1);
  for (i64 i = thread_number(); i < n; i += thread_count()) {
    i64 walked = i;
    do {
      u32 high = u32(walked >> shift), low = u32(walked) & low_bits;
#pragma unroll
      for (int round = 0; round < 8; round += 2) {
        const u32* keys = round < 4 ? first.word : second.word;
        low = (low + mix(high, keys[round % 4])) & low_bits;
        high += u32(u64(mix(low, keys[round % 4 + 1])) * b >> 32);
        if (high >= b) high -= b;
      }
      walked = i64(high) << shift | low;
    } while (walked >= n);
    out(i) = walked;
  }
}

// The order of rows of an epoch.
template <class Out>
__device__ void shuffle(i64* ctx, i64 row, Out out, i64 seed, i64 epoch) {
  if (out.dim[0] <= SORT_LIMIT) permute_by_sort(out, seed, epoch);
  else permute_by_network(out, seed, epoch);
}
