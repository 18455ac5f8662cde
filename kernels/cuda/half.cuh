// bfloat16 and IEEE's float16 as formats of memory: read as float, rounded to nearest, ties to even, where written.
//
// By bits, so that no header of CUDA's is needed and every compiler makes the same of it. NaN stays NaN.

struct bf16 {
  u16 bits;
  bf16() = default;
  __device__ bf16(float x) {
    const u32 wide = __float_as_int(x);
    bits = x != x ? u16(wide >> 16 | 0x40) : u16((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  }
  __device__ operator float() const { return __int_as_float(int(u32(bits) << 16)); }
};

struct f16 {
  u16 bits;
  f16() = default;
  __device__ f16(float x) {
    const u32 wide = __float_as_int(x), size = wide & 0x7fffffff;
    u32 narrow = size >> 13;
    if (size > 0x7f800000) narrow = 0x7e00 | (narrow & 0x3ff);
    else if (size >= 0x477ff000) narrow = 0x7c00;  // from 65520 on, half a step above the largest, infinity
    else if (size < 0x38800000) narrow = __float_as_int(__int_as_float(int(size)) + 0.5f) - 0x3f000000;  // denormal
    else narrow = (size - 0x38000000 + 0xfff + (narrow & 1)) >> 13;
    bits = u16((wide >> 16 & 0x8000) | narrow);
  }
  __device__ operator float() const {
    const u32 wide = u32(bits & 0x7fff) << 13, sign = u32(bits & 0x8000) << 16;
    const bool finite = (bits & 0x7c00) != 0x7c00;
    const float size = finite ? __int_as_float(int(wide)) * __int_as_float(0x77800000)  // 2^112, between the exponents
                              : __int_as_float(int(wide | 0x7f800000));
    return __int_as_float(int(u32(__float_as_int(size)) | sign));
  }
};

// In which type sums of a format go on.
template <class T> struct Wide { typedef T type; };
template <> struct Wide<bf16> { typedef float type; };
template <> struct Wide<f16> { typedef float type; };
