// Runs the blocks of a launch one after the other, each CUDA thread as a fiber of its own that yields where it waits.
//
// A build without sanitizers keeps its fibers from block to block and switches by setjmp, without system calls. Under
// the sanitizers each thread of each block is a fresh fiber that they are told of. Under the thread sanitizer each block
// runs on a thread of the system, and nothing but barriers, fences and atomics orders the fibers' accesses.
#undef _FORTIFY_SOURCE  // its check of longjmp knows nothing of fibers
#include "cuda.h"

#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define ON_ASAN(...) __VA_ARGS__
#else
#define ON_ASAN(...)
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define ON_TSAN(...) __VA_ARGS__
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define ON_TSAN(...)
#define UNSEEN
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool KEPT = false;
#else
constexpr bool KEPT = true;
#endif

Emulated emulated;

namespace {
constexpr int MOST = 1024;
constexpr size_t STACK = 64 << 10;

struct Fiber {
  Three thread;
  int number, wait, source, line, turn;
  unsigned mask, turns;
  unsigned long long value;
  bool started;
  ucontext_t context;
  jmp_buf at;
  char* stack;
  void *tsan, *fake;
};

Fiber fibers[MOST];
Fiber* current;
int count, generation;
void (*body)(void**);
void** arguments;
ucontext_t scheduler;
jmp_buf scheduler_at;
char *stacks, *barriers, *releases, done, problem[256];
void *scheduler_tsan, *scheduler_fake;
const void* scheduler_stack;
size_t scheduler_size;
std::vector<void*> finished;  // a destroyed fiber's number is used again, which would hide races between blocks

UNSEEN void report(const char* what, const Fiber& f) {
  if (problem[0]) return;
  snprintf(problem, sizeof problem, "%s: block (%u, %u), thread (%u, %u), line %d of the kernel's text", what,
           emulated.block.x, emulated.block.y, f.thread.x, f.thread.y, f.line);
}

UNSEEN void to_scheduler(Fiber* f, bool last) {
  ON_ASAN(__sanitizer_start_switch_fiber(last ? nullptr : &f->fake, scheduler_stack, scheduler_size);)
  ON_TSAN(__tsan_switch_to_fiber(scheduler_tsan, __tsan_switch_to_fiber_no_sync);)
  if (!KEPT) swapcontext(&f->context, &scheduler);
  else if (!_setjmp(f->at)) _longjmp(scheduler_at, 1);
  ON_ASAN(__sanitizer_finish_switch_fiber(f->fake, nullptr, nullptr);)
}

UNSEEN void enter() {
  ON_ASAN(__sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);)
  for (Fiber* f = current;;) {
    body(arguments);
    ON_TSAN(__tsan_release(&done);)
    f->wait = FINISHED;
    to_scheduler(f, !KEPT);
  }
}

UNSEEN void to_fiber(Fiber* f) {
  current = f;
  emulated.thread = f->thread;
  emulated.lane = f->number % 32;
  ON_ASAN(__sanitizer_start_switch_fiber(&scheduler_fake, f->stack, STACK);)
  ON_TSAN(__tsan_switch_to_fiber(f->tsan, __tsan_switch_to_fiber_no_sync);)
  if (!KEPT) {
    swapcontext(&scheduler, &f->context);
  } else if (!_setjmp(scheduler_at)) {
    if (f->started) _longjmp(f->at, 1);
    f->started = true;
    setcontext(&f->context);
  }
  ON_ASAN(__sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);)
}

// Lets a block's barrier go once all that have not finished are there, all at the same line.
UNSEEN bool release_block() {
  int waiting = 0, ended = 0;
  const Fiber* first = nullptr;
  for (int i = 0; i < count; i++) {
    ended += fibers[i].wait == FINISHED;
    if (fibers[i].wait != BLOCK_BARRIER) continue;
    waiting++;
    if (!first) first = &fibers[i];
  }
  if (!waiting || waiting + ended < count) return false;
  for (int i = 0; i < count; i++) {
    if (fibers[i].wait != BLOCK_BARRIER) continue;
    if (fibers[i].line != first->line) report("threads of a block wait at different barriers", fibers[i]);
    fibers[i].wait = RUNNING;
  }
  if (ended) report("a barrier that finished threads will not reach", *first);
  generation++;
  return true;
}

// Lets the lanes of a mask go once all of them wait for the same thing.
UNSEEN bool release_warp(int first, Fiber& one) {
  unsigned turns = 0;
  unsigned long long values[32] = {};
  for (int j = 0; j < 32; j++) {
    if (!(one.mask >> j & 1)) continue;
    if (first + j >= count || fibers[first + j].wait == FINISHED) return report("a mask names a lane that is gone", one), false;
    const Fiber& f = fibers[first + j];
    if (f.wait != one.wait || f.mask != one.mask) return false;
    if (f.line != one.line) return report("lanes of a warp wait at different lines", f), false;
    values[j] = f.value;
    turns |= unsigned(f.turn) << j;
  }
  const unsigned mask = one.mask;
  for (int j = 0; j < 32; j++) {
    if (!(mask >> j & 1)) continue;
    Fiber& f = fibers[first + j];
    if (f.wait == EXCHANGE && !(mask >> (f.source & 31) & 1)) report("a shuffle reads a lane outside of its mask", f);
    f.value = values[f.source & 31];
    f.turns = turns;
    f.wait = RUNNING;
  }
  return true;
}

UNSEEN bool release() {
  bool any = release_block();
  for (int i = 0; i < count; i++)
    if (fibers[i].wait == WARP_BARRIER || fibers[i].wait == EXCHANGE) any |= release_warp(i & ~31, fibers[i]);
  return any;
}

UNSEEN void prepare(int i) {
  Fiber& f = fibers[i];
  const Three& size = emulated.block_size;
  f.thread = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
  f.number = i, f.wait = RUNNING, f.turn = 0, f.stack = stacks + i * STACK;
  if (KEPT && f.started) return;
  ON_TSAN(f.tsan = __tsan_create_fiber(0);)
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack;
  f.context.uc_stack.ss_size = STACK;
  f.context.uc_link = nullptr;
  makecontext(&f.context, enter, 0);
}

UNSEEN void run_block(const std::vector<int>& turns) {
  ON_TSAN(scheduler_tsan = __tsan_get_current_fiber();)
  if (!stacks)
    stacks = static_cast<char*>(mmap(nullptr, STACK * MOST, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (int i = 0; i < count; i++) prepare(i);
  for (int left = count; left && !problem[0];) {
    for (int i : turns) {
      if (fibers[i].wait != RUNNING) continue;
      to_fiber(&fibers[i]);
      left -= fibers[i].wait == FINISHED;
    }
    if (left && !release())
      for (int i : turns)
        if (fibers[i].wait != FINISHED) report("threads wait for others that never come", fibers[i]);
  }
  // What one block has left on its stacks must not meet the next one's.
  ON_TSAN(for (int i = 0; i < count; i++) finished.push_back(fibers[i].tsan);
          munmap(stacks, STACK * MOST); stacks = nullptr;)
}

// The numbers below n: ascending, descending or, by a seed, shuffled.
std::vector<int> in_order(int n, int order) {
  std::vector<int> turns(n);
  for (int i = 0; i < n; i++) turns[i] = order == 1 ? n - 1 - i : i;
  if (order > 1) std::shuffle(turns.begin(), turns.end(), std::mt19937(order));
  return turns;
}
}  // namespace

extern "C" UNSEEN unsigned long long emulated_wait(int kind, unsigned mask, int source, unsigned long long value, int line) {
  Fiber* f = current;
  f->wait = kind, f->mask = mask, f->source = source, f->value = value, f->line = line;
  if (kind != BLOCK_BARRIER && !(mask >> (f->number & 31) & 1)) report("a lane is not in its own mask", *f);
  ON_TSAN(char* at = &barriers[generation & 1]; if (kind == BLOCK_BARRIER) __tsan_release(at);
          else if (kind == WARP_BARRIER) { f->turn ^= 1; __tsan_release(&releases[2 * f->number + f->turn]); })
  to_scheduler(f, false);
  ON_TSAN(if (kind == BLOCK_BARRIER) __tsan_acquire(at);
          else if (kind == WARP_BARRIER) for (int j = 0; j < 32; j++) if (mask >> j & 1) {
            const int other = (f->number & ~31) + j;
            __tsan_acquire(&releases[2 * other + (f->turns >> j & 1)]);
          })
  return f->value;
}

extern "C" UNSEEN void emulated_fence() {
  // A fence of the device orders all that came before it against all after it, for whoever fences as well.
  ON_TSAN(static char fence; __tsan_acquire(&fence); __tsan_release(&fence);)
}

// Runs a kernel; null, or what went wrong. `order` chooses in which order blocks, and the threads of each, take turns.
extern "C" UNSEEN const char* emulated_launch(void (*call)(void**), void** values, const unsigned* grid, const unsigned* block,
                                       size_t shared, int order, unsigned char* (*begin)(), unsigned char* (*end)()) {
  body = call, arguments = values, count = int(block[0] * block[1] * block[2]), problem[0] = 0;
  emulated.block_size = {block[0], block[1], block[2]};
  emulated.grid_size = {grid[0], grid[1], grid[2]};
  const std::vector<int> turns = in_order(count, order);
  const int blocks = int(grid[0] * grid[1]);
  // Of each block its own, until the launch ends: what one block has left would order another after it.
  std::vector<std::vector<unsigned char>> dynamic(blocks);
  std::vector<char> waits(2 * size_t(blocks) * (count + 1));
  for (int b : in_order(blocks, order)) {
    emulated.block = {b % grid[0], b / grid[0], 0};
    dynamic[b].assign(shared, 0xff);  // NaN, so that what is read before it is written shows
    emulated.shared = dynamic[b].data();
    barriers = &waits[2 * size_t(b) * (count + 1)], releases = barriers + 2;
    if (KEPT && begin()) memset(begin(), 0xff, end() - begin());
    ON_TSAN(std::thread([&] { begin(); run_block(turns); }).join();)
    if (KEPT ON_ASAN(|| true)) run_block(turns);
    if (KEPT ON_ASAN(|| true)) dynamic[b] = {};
    if (problem[0]) break;
  }
  ON_TSAN(__tsan_acquire(&done); for (void* f : finished) __tsan_destroy_fiber(f); finished.clear();)
  if (problem[0])
    for (Fiber& f : fibers) f.started = false;  // those that still wait are given up
  return problem[0] ? problem : nullptr;
}
