"""An explanation as text, at most 120 columns wide."""

from collections import Counter
from textwrap import wrap

from gpubp.engine.explain.explanation import Explanation, Row, Total
from gpubp.engine.explain.memory import Segment

WIDTH = 120
INSTRUCTION, LAYER, RESULT, SEGMENT = 29, 16, 14, 7
LEFT = 4 + INSTRUCTION + LAYER + RESULT + SEGMENT
FAR = 100  # times the floor: beyond that no figure tells more
SHORT = {"bfloat16": " bf16", "float16": " f16"}  # of results in half precision, beside their shapes
MULTIPLES = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]
FRACTIONS = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p")]


def text(e: Explanation) -> str:
    """The table of instructions, the memory, the fusions, and what was measured."""
    sections = (_instructions(e), _memory(e.memory), _fusions(e.fusions), _measured(e))
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def human(x: float, unit: str = "") -> str:
    """Three digits, a prefix and the unit.

    >>> human(420_492_128, "FLOP"), human(1600, "B"), human(0.00002346, "s"), human(0, "s"), human(12, "B")
    ('420 MFLOP', '1.60 kB', '23.5 µs', '0 s', '12 B')
    """
    x = float(f"{x:.3g}")
    scales = FRACTIONS if unit == "s" else MULTIPLES
    scale, prefix = next((s for s in scales if x >= s[0]), scales[-1])
    digits = f"{x:.0f}" if x == 0 or (scales is MULTIPLES and scale == 1) else f"{x / scale:#.3g}".rstrip(".")
    return f"{digits} {prefix if x else ''}{unit}".rstrip()


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _instructions(e: Explanation) -> list[str]:
    """A line for each instruction, below a line for its part; the step last."""
    head = f"{'':4}{'instruction':{INSTRUCTION}}{'layer':{LAYER}}{'result':{RESULT}}{'in':{SEGMENT}}"
    measured = f"{'time':>9}{'share':>6}{'x floor':>8}" if e.analyzed else f"{'share':>6}"
    lines = [f"{head}{'FLOP':>8}{'bytes':>9}{'floor':>9}{measured}"]
    for part, total in e.parts.items():
        lines.append(_total(part, total))
        lines += [_instruction(e, row) for row in e.rows if row.part == part]
    return [*lines, _total(f"a step of {e.batch_size:,} rows", e.total)]


def _instruction(e: Explanation, row: Row) -> str:
    what = row.ops[0] if len(row.ops) == 1 else f"{len(row.ops)} ops: {' '.join(row.ops)}"
    shape = str(row.shape).replace(" ", "").replace("None", "B") + SHORT.get(row.kept_in, "")
    left = f"{row.number:>3} {cut(what, INSTRUCTION - 1):{INSTRUCTION}}{cut(','.join(row.layers), LAYER - 1):{LAYER}}"
    left += f"{cut(shape, RESULT - 1):{RESULT}}{cut(row.segment, SEGMENT - 1):{SEGMENT}}"
    costs = _costs(row)
    if row.seconds is None:
        return f"{left}{costs}{e.share(row):>6.0%}"
    over = row.seconds / row.floor if row.floor else FAR
    return f"{left}{costs}{e.share(row):>6.0%}{f'{over:.1f}' if over < FAR else f'>{FAR - 1}':>8}"


def _total(name: str, total: Total) -> str:
    return f"{name:{LEFT}}{_costs(total)}"


def _costs(x: Row | Total) -> str:
    time = "" if x.seconds is None else f"{human(x.seconds, 's'):>9}"
    return f"{human(x.flops):>8}{human(x.bytes, 'B'):>9}{human(x.floor, 's'):>9}{time}"


def _memory(segments: list[Segment]) -> list[str]:
    lines = [f"{'memory':8}{'bytes':>9}{'in use':>9}  what lives there"]
    for s in segments:
        left = f"{s.name:8}{human(s.bytes, 'B'):>9}{human(s.peak, 'B'):>9}  "
        lines.append(left + _values(s, WIDTH - len(left)))
    return [*lines, f"{'in all':8}{human(sum(s.bytes for s in segments), 'B'):>9}"]


def _values(s: Segment, width: int) -> str:
    """The largest values by name, as many as fit, and how many more there are."""
    largest = sorted(s.values, key=lambda v: -v.bytes)
    for named in range(len(largest), -1, -1):
        names = [f"{v.name} {human(v.bytes, 'B')}" for v in largest[:named]]
        rest = largest[named:]
        names += [f"{len(rest)} more {human(sum(v.bytes for v in rest), 'B')}"] if rest else []
        line = (f"at {s.at}: " if s.at is not None else "") + ", ".join(names)
        if len(line) <= width:
            break
    return line


def _fusions(rows: list[Row]) -> list[str]:
    """What each fused instruction consists of."""
    lines = []
    for row in rows:
        ops = " ".join(f"{op}×{n}" if n > 1 else op for op, n in Counter(row.ops).items())
        layers = f"{', '.join(row.layers)}: " if row.layers else ""
        lines += wrap(f"{row.number:>3} {layers}{ops}", WIDTH, subsequent_indent="    ")
    return ["fusions", *lines] if lines else []


def _measured(e: Explanation) -> list[str]:
    """What floors and times are, and whether the parts make up the whole."""
    products, copies = (human(e.rates[key], unit) for key, unit in (("products", "FLOP/s"), ("copies", "B/s")))
    lines = [f"floors ({e.device}): of products the same product alone, else a large one's {products} or"]
    lines.append(f"the rate at which as much memory can be read and written, {copies} for the largest instruction")
    if e.step_seconds is not None and e.total.seconds is not None:
        parts, whole = human(e.total.seconds, "s"), human(e.step_seconds, "s")
        lines.append(f"times: each instruction alone takes {parts} in all, the whole step in a row {whole}")
    return lines
