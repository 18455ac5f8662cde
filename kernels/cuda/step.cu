// The end of a step.

__device__ inline void move(i64* ctx) {}

template <class... Others>
__device__ void move(i64* ctx, i64 slot, i64 bytes, Others... others) {
  ctx[slot] += bytes;
  move(ctx, others...);
}

// Counts the step and moves the caller's segments on, by pairs of their words in the context and bytes; or, after a
// failure, stops all that follows. By one thread.
template <class... Moves>
__device__ void advance(i64* ctx, i64 row, Moves... moves) {
  if (ctx[STATUS] != OK) {
    ctx[STOPPED] = 1;
    return;
  }
  ctx[DONE]++;
  move(ctx, moves...);
}
