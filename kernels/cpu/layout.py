"""What lies where in the memory that compiled code is handed: numbers that Python and kernels agree on.

A kernel is a C function void(context, row), both addresses of int64 arrays. The context begins with the status, the
addresses of BLAS and of our own products, and whether these may be used; then follow, for each segment, its address
and its length in bytes. A row holds the kernel's address, the instruction's number and, for each operand, where in the
context its segment stands, its byte offset and its shape; then the kernel's options.
"""

STATUS, FAILED_ROW, SGEMM, DGEMM, STILES, DTILES, OWN, SEGMENTS = range(8)
KERNEL, NUMBER, OPERANDS = range(3)
OK, BAD_INDEX, NOT_FINITE = range(3)

# What `interpreter.run` gets: addresses and lengths, and one place for its answer.
TABLE, STARTS, ROWS, GUARD, ADVANCES, MOVES, STEPS, MEETING, THREADS, DONE = range(10)

# Where threads meet: int64 numbers, each in a line of memory of its own.
ARRIVED, ROUND, FAILED, VERDICT, CANCELLED = (8 * k for k in range(5))
MEETING_WORDS = 40
