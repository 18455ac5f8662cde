// The elementwise functions, by the names that the CPU's f32.py, f64.py, i64.py and b8.py give them.
//
// NaN, infinities and signed zeros give what the NumPy function of that name gives. The device's own functions are
// within 1 to 4 ulp (CUDA C++ Programming Guide, mathematical functions), without -use_fast_math.

#define FLOATS(NAMESPACE, T)                                                                      \
  namespace NAMESPACE {                                                                           \
  __device__ inline T infinity() { return T(__int_as_float(0x7f800000)); }                        \
  template <class V> __device__ inline T cast(V v) { return T(v); }                               \
  __device__ inline bool isnan(T v) { return v != v; }                                            \
  __device__ inline bool isinf(T v) { return v == infinity() || v == -infinity(); }               \
  __device__ inline bool isfinite(T v) { return v - v == T(0); }                                  \
  __device__ inline T select(bool condition, T a, T b) { return condition ? a : b; }              \
  __device__ inline T abs(T x) { return ::fabs(x); }                                              \
  __device__ inline T sign(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; }                \
  __device__ inline T relu(T x) { return x <= T(0) ? T(0) : x; }                                  \
  __device__ inline T maximum(T a, T b) { return a >= b || a != a ? a : b; }                      \
  __device__ inline T minimum(T a, T b) { return a <= b || a != a ? a : b; }                      \
  __device__ inline T sqrt(T x) { return ::sqrt(x); }                                             \
  __device__ inline T floor(T x) { return ::floor(x); }                                           \
  __device__ inline T ceil(T x) { return ::ceil(x); }                                             \
  __device__ inline T round(T x) { return ::rint(x); }                                            \
  __device__ inline T floor_divide(T a, T b) {                                                    \
    if (b == T(0)) return a / b;                                                                  \
    const T rest = ::fmod(a, b);                                                                  \
    return ::rint((a - rest) / b - (rest != T(0) && (rest < T(0)) != (b < T(0)) ? T(1) : T(0)));  \
  }                                                                                               \
  __device__ inline T mod(T a, T b) {                                                             \
    const T rest = ::fmod(a, b);                                                                  \
    if (rest == T(0)) return ::copysign(rest, b);                                                 \
    return (rest < T(0)) != (b < T(0)) ? rest + b : rest;                                         \
  }                                                                                               \
  __device__ inline T sin(T x) { return ::sin(x); }                                               \
  __device__ inline T cos(T x) { return ::cos(x); }                                               \
  __device__ inline T power(T x, T y) { return ::pow(x, y); }                                     \
  __device__ inline T exp(T x) { return ::exp(x); }                                               \
  __device__ inline T expm1(T x) { return ::expm1(x); }                                           \
  __device__ inline T tanh(T x) { return ::tanh(x); }                                             \
  __device__ inline T log(T x) { return ::log(x); }                                               \
  __device__ inline T log1p(T x) { return ::log1p(x); }                                           \
  __device__ inline T erf(T x) { return ::erf(x); }                                               \
  __device__ inline T sigmoid(T x) { T e = exp(-abs(x)); return (x < T(0) ? e : T(1)) / (T(1) + e); } \
  __device__ inline T softplus(T x) { return relu(x) + log1p(exp(-abs(x))); }                     \
  __device__ inline T logaddexp(T a, T b) {                                                       \
    return maximum(a, b) + log1p(exp(a == b ? T(0) : -abs(a - b)));                               \
  }                                                                                               \
  }

FLOATS(f32, float)
FLOATS(f64, double)

namespace ints {
template <class V> __device__ inline i64 cast(V v) { return i64(v); }
__device__ inline bool isnan(i64) { return false; }
__device__ inline bool isinf(i64) { return false; }
__device__ inline bool isfinite(i64) { return true; }
__device__ inline i64 select(bool condition, i64 a, i64 b) { return condition ? a : b; }
__device__ inline i64 abs(i64 x) { return x < 0 ? -x : x; }
__device__ inline i64 sign(i64 x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
__device__ inline i64 relu(i64 x) { return x > 0 ? x : 0; }
__device__ inline i64 maximum(i64 a, i64 b) { return a > b ? a : b; }
__device__ inline i64 minimum(i64 a, i64 b) { return a < b ? a : b; }
// Towards minus infinity; what has no result is 0, as in NumPy.
__device__ inline i64 floor_divide(i64 a, i64 b) { return b ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0; }
__device__ inline i64 mod(i64 a, i64 b) { return b ? a - b * floor_divide(a, b) : 0; }
__device__ inline i64 power(i64 a, i64 b) {
  u64 result = 1, factor = a;
  for (; b > 0; b >>= 1, factor *= factor)
    if (b & 1) result *= factor;
  return b < 0 ? a == 1 || (a == -1 && b % 2 == 0) : i64(result);
}
}  // namespace ints

namespace b8 {
template <class V> __device__ inline bool cast(V v) { return v != V(0); }
__device__ inline bool select(bool condition, bool a, bool b) { return condition ? a : b; }
}  // namespace b8

template <class T>
__device__ inline T checked_finite(i64* ctx, i64 row, T x) {
  if (!(x - x == T(0))) fail(ctx, row, NOT_FINITE);
  return x;
}

// What reductions combine values with; extremes keep NaN, and truths reduce by "any" and "all".
struct Sum {
  template <class T> __device__ T operator()(T a, T b) const { return a + b; }
};
struct Max {
  template <class T> __device__ T operator()(T a, T b) const { return a >= b || a != a ? a : b; }
};
struct Min {
  template <class T> __device__ T operator()(T a, T b) const { return a <= b || a != a ? a : b; }
};
