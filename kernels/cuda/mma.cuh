// What a warp multiplies at once, by tensor cores. The only PTX there is; the emulation has these functions in C++.
//
// Fragments are as PTX has them for m16n8k16: of the left factor, rows lane / 4 and 8 below, columns 2 * (lane % 4), the
// next one, and both 8 to the right; of the right factor the same of its transpose; of the sum, rows lane / 4 and 8
// below, columns 2 * (lane % 4) and the next one.

#ifndef EMULATED
// Matrices of 8 by 8, of which lanes 0 to 7, 8 to 15, ... point to the rows: each lane gets two neighbours of row
// lane / 4, or, TRANSPOSED, of column lane / 4. Rows begin at multiples of 16 bytes of shared memory.
template <bool TRANSPOSED>
__device__ inline void load_matrices(u32 (&to)[4], const bf16* row) {
  const u32 at = u32(__cvta_generic_to_shared(row));
  if (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
}
template <bool TRANSPOSED>
__device__ inline void load_matrices(u32 (&to)[2], const bf16* row) {
  const u32 at = u32(__cvta_generic_to_shared(row));
  if (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1]) : "r"(at) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to[0]), "=r"(to[1]) : "r"(at) : "memory");
}

// sum += left @ right, of 16 by 16 and 16 by 8, in float32.
__device__ inline void multiply_add(float (&sum)[4], const u32 (&left)[4], const u32 (&right)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
               : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}
#endif
