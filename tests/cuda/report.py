"""What kernels take of a device, as NVRTC's assembler reports it: a table of kernel and architecture.

Run as a module, `python -m tests.cuda.report`, it prints the table of all kernels of the corpus, and fails where one
spills registers.
"""

import hashlib
import re
import sys
from dataclasses import dataclass

from gpubp.backend import nvrtc
from gpubp.backend.cache import cache_folder

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
ENTRY = re.compile(
    r"entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads"
    r".*?Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.S,
)


@dataclass(frozen=True)
class Usage:
    """Of one kernel: registers of a thread, bytes of static shared memory of a block, bytes spilled, and bytes of a
    thread's arrays that lie in memory because it reaches them by numbers that are not known in advance."""

    registers: int
    shared: int
    spilled: int
    stack: int = 0


def usage(source: str, target: str) -> dict[str, Usage]:
    """Of each kernel of a source. Raises CompilationError where one does not compile."""
    log = _log(source, target)
    found = {}
    for entry in ENTRY.finditer(log):
        shared = re.search(r"(\d+) bytes smem", entry["rest"])
        spilled = int(entry["stores"]) + int(entry["loads"])
        static = int(shared[1]) if shared else 0
        found[entry["name"]] = Usage(int(entry["registers"]), static, spilled, int(entry["stack"]))
    return found


def _log(source, target) -> str:
    """What the assembler said, now or before."""
    key = "\0".join([source, target, *nvrtc.FLAGS, str(nvrtc.version())])
    path = cache_folder("emulation") / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.log"
    if not path.exists():
        path.write_text(nvrtc.compile(source, target, nvrtc.REPORT)[1])
    return path.read_text()


def main() -> int:
    from .corpus import corpus, text

    calls = corpus()
    tables = {target: usage(text(calls.values()), target) for target in ARCHITECTURES}
    print(f"{'kernel':26}{'ops':44}" + "".join(f"{target:>20}" for target in ARCHITECTURES))
    print(f"{'':70}" + f"{'regs shared spill':>20}" * len(ARCHITECTURES))
    for name in sorted(calls, key=lambda n: -tables["sm_90"][n].registers):
        cells = (tables[target][name] for target in ARCHITECTURES)
        row = "".join(f"{f'{u.registers:4d} {u.shared:6d} {u.spilled:5d}':>20}" for u in cells)
        print(f"{name:26}{what(calls[name])[:42]:44}{row}")
    return any(u.spilled for table in tables.values() for u in table.values())


def what(call) -> str:
    """A word on what a kernel does: the function it calls, or the functions in it."""
    found = re.findall(r"(?:f32|f64|ints|b8)::(\w+)", call.text)
    written = re.findall(r"^ +(\w+)\(ctx, row", call.text, re.M)
    return " ".join(dict.fromkeys(written or found)) or "elementwise"


if __name__ == "__main__":
    sys.exit(main())
