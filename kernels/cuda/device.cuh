// What every kernel stands on: types, the context, arrays. Nothing is included, so that NVRTC needs no headers.
//
// A kernel gets `ctx`, int64 words on the device: the status and the row that set it, whether a step has stopped, the
// steps done, and from word SEGMENTS on the address and the length in bytes of each segment of the caller. What changes
// between the replays of a graph lies there, since a graph keeps its kernels' arguments.

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef signed char i8;

enum { STATUS, FAILED_ROW, STOPPED, DONE, SEGMENTS };
enum { OK, BAD_INDEX, NOT_FINITE };

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

// Keeps the first failure. The kernel goes on, and the program stops before the update.
__device__ inline void fail(i64* ctx, i64 row, i64 status) {
  if (atomicCAS(reinterpret_cast<u64*>(ctx + STATUS), u64(OK), u64(status)) == OK) ctx[FAILED_ROW] = row;
}

// The index, or 0 and a failure where it is out of range: kernels never trust data.
__device__ inline i64 checked_index(i64* ctx, i64 row, i64 index, i64 n) {
  if (0 <= index && index < n) return index;
  fail(ctx, row, BAD_INDEX);
  return 0;
}

// A segment of the caller moves between steps: its address is read when the kernel runs.
template <class T>
__device__ inline T* in_segment(const i64* ctx, i64 slot, i64 offset) {
  return reinterpret_cast<T*>(ctx[slot] + offset);
}

template <class T, int RANK>
struct Array {
  T* data;
  i64 dim[RANK];
  typedef T element;
  __device__ T& operator()(i64 i) const { return data[i]; }
  __device__ T& operator()(i64 i, i64 j) const { return data[i * dim[1] + j]; }
  __device__ T& operator()(i64 i, i64 j, i64 k) const { return data[(i * dim[1] + j) * dim[2] + k]; }
};

// Neighbouring elements, read and written together: their address must be a multiple of their size.
template <class T, int N>
struct __align__(N * sizeof(T)) Pack {
  T of[N];
};
template <int N, class T>
__device__ inline Pack<T, N> load(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <class T, int N>
__device__ inline void store(T* to, Pack<T, N> pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// This thread's number in a grid of one dimension, and how many there are.
__device__ inline i64 thread_number() { return i64(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline i64 thread_count() { return i64(gridDim.x) * blockDim.x; }
