// What CUDA C++ has and C++ has not, for kernels that g++ compiles and runtime.cpp runs on the CPU.
#pragma once
#include <math.h>
#include <string.h>

// Shared memory of a block. `shared_begin` and `shared_end` tell the runtime where it lies, if that is known.
#if defined(__SANITIZE_THREAD__)
#define __shared__ static thread_local  // each block has a thread of its own, so that races between blocks show
static thread_local volatile char touched;
extern "C" unsigned char* shared_begin() { return touched = 0, nullptr; }  // has it allocated before there are fibers
extern "C" unsigned char* shared_end() { return nullptr; }
#elif defined(__SANITIZE_ADDRESS__)
#define __shared__ static  // in no section of its own: the sanitizer puts red zones around it
extern "C" unsigned char* shared_begin() { return nullptr; }
extern "C" unsigned char* shared_end() { return nullptr; }
#else
#define __shared__ static __attribute__((section("emulated_shared")))  // filled with NaN before each block
extern "C" __attribute__((weak, visibility("hidden"))) unsigned char __start_emulated_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) unsigned char __stop_emulated_shared[];
extern "C" unsigned char* shared_begin() { return __start_emulated_shared; }
extern "C" unsigned char* shared_end() { return __stop_emulated_shared; }
#endif
#define __global__
#define __device__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define DYNAMIC_SHARED(name) unsigned char* const name = emulated.shared

struct Three {
  unsigned x, y, z;
};
enum Wait { RUNNING, BLOCK_BARRIER, WARP_BARRIER, EXCHANGE, FINISHED };

extern "C" {
struct Emulated {
  Three thread, block, block_size, grid_size;
  unsigned char* shared;
  int lane;
};
extern Emulated emulated;
// Waits until all that are meant have arrived at the same line; for a shuffle, the value of the lane `source`.
unsigned long long emulated_wait(int kind, unsigned mask, int source, unsigned long long value, int line);
void emulated_fence();
}
#define threadIdx emulated.thread
#define blockIdx emulated.block
#define blockDim emulated.block_size
#define gridDim emulated.grid_size

#define __syncthreads() (void)emulated_wait(BLOCK_BARRIER, 0, 0, 0, __LINE__)
#define __syncwarp(mask) (void)emulated_wait(WARP_BARRIER, mask, 0, 0, __LINE__)
#define __threadfence() emulated_fence()

template <class T>
inline T emulated_shuffle(unsigned mask, T value, int source, int line) {
  unsigned long long bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = emulated_wait(EXCHANGE, mask, source, bits, line);
  memcpy(&value, &bits, sizeof value);
  return value;
}
#define __shfl_xor_sync(mask, value, k) emulated_shuffle(mask, value, emulated.lane ^ (k), __LINE__)

inline unsigned emulated_ballot(unsigned mask, bool yes, int line) {
  unsigned found = 0;
  for (int k = 0; k < 32; k++) found |= unsigned(emulated_shuffle(mask, int(yes), k, line)) << k;
  return found;
}
#define __ballot_sync(mask, yes) emulated_ballot(mask, yes, __LINE__)

template <class T>
inline unsigned emulated_match(unsigned mask, T value, int line) {
  unsigned found = 0;
  for (int k = 0; k < 32; k++) found |= unsigned(emulated_shuffle(mask, value, k, line) == value) << k;
  return found;
}
#define __match_any_sync(mask, value) emulated_match(mask, value, __LINE__)

inline int __ffs(unsigned bits) { return __builtin_ffs(int(bits)); }

inline float __int_as_float(int bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline int __float_as_int(float value) {
  int bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline double __longlong_as_double(long long bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Relaxed as on the device; what orders memory around them are fences.
inline unsigned atomicInc(unsigned* place, unsigned last) {
  unsigned old = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(place, &old, old >= last ? 0 : old + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
inline T atomicCAS(T* place, T expected, T value) {
  __atomic_compare_exchange_n(place, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

// The instructions of mma.cuh: each lane of a warp shows what it has and, when all have, takes what is its own.
#define EMULATED
inline int emulated_number() {
  const Three at = emulated.thread, size = emulated.block_size;
  return (at.z * size.y + at.y) * size.x + at.x;
}

template <bool TRANSPOSED, int N, class T>
inline void load_matrices(unsigned (&to)[N], const T* row) {
  __shared__ const T* rows[1024];
  const int lane = emulated.lane, first = emulated_number() - lane;
  rows[first + lane] = row;
  __syncwarp(~0u);
  for (int i = 0; i < N; i++) {
    T pair[2];
    for (int k = 0; k < 2; k++) {
      const int along = lane % 4 * 2 + k, across = lane / 4;
      pair[k] = TRANSPOSED ? rows[first + 8 * i + along][across] : rows[first + 8 * i + across][along];
    }
    memcpy(&to[i], pair, sizeof pair);
  }
  __syncwarp(~0u);
}

inline float emulated_bf16(unsigned pair, int k) { return __int_as_float(int(k ? pair & 0xffff0000u : pair << 16)); }

template <class T>
inline void multiply_add(T (&sum)[4], const unsigned (&left)[4], const unsigned (&right)[2]) {
  __shared__ unsigned lanes[1024][6];
  const int lane = emulated.lane, first = emulated_number() - lane;
  memcpy(lanes[first + lane], left, sizeof left);
  memcpy(lanes[first + lane] + 4, right, sizeof right);
  __syncwarp(~0u);
  for (int at = 0; at < 4; at++)
    for (int k = 0; k < 16; k++) {
      const unsigned* row = lanes[first + lane / 4 * 4 + k % 8 / 2];
      const unsigned* column = lanes[first + (lane % 4 * 2 + at % 2) * 4 + k % 8 / 2];
      sum[at] += emulated_bf16(row[k / 8 * 2 + at / 2], k % 2) * emulated_bf16(column[4 + k / 8], k % 2);
    }
  __syncwarp(~0u);
}
