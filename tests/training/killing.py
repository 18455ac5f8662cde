"""Kills trainings at random moments and resumes them until a hundred have been killed; prints what came out as JSON.

A script of its own, so that it may fork: children share the compiled kernels and start at once.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from tests.training import resuming

KILLS, EPOCHS = 100, 12
CASES = [
    {"kind": kind, "accumulate": accumulate, "save_freq": save_freq}
    for kind in ("arrays", "sequence")
    for accumulate in (None, 3)
    for save_freq in ("epoch", 1, 3)
]


def child(case, folder: Path):
    """One run of the script; leaves the bits that it ends with."""
    try:
        made, history = resuming.run(folder=folder / "backup", epochs=EPOCHS, **case)
        (folder / "unfinished").write_bytes(resuming.bits(made) + repr(history.history).encode())
    except BaseException:  # what it says differs from what is wanted
        (folder / "unfinished").write_text(traceback.format_exc())
    (folder / "unfinished").replace(folder / "done")
    os._exit(0)


def stamp(path: Path):
    """Which file lies at a path."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def killed(case, folder: Path, chance) -> bool:
    """Starts a run and kills it: soon, or soon after it has saved something; whether it was still running."""
    latest = folder / "backup" / "latest.safetensors"
    before, progress = stamp(latest), chance.random() < 0.8
    process = os.fork()
    if not process:
        child(case, folder)
    while progress and stamp(latest) in (before, None) and not (folder / "done").exists():
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, 0.01 if progress else 0.05))
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def main(folder: Path):
    chance, told = random.Random(0), {"kills": 0, "resumed": 0, "runs": 0, "different": []}
    wanted = {}
    for case in CASES:
        made, history = resuming.run(epochs=EPOCHS, folder=folder / "whole", **case)
        wanted[json.dumps(case)] = resuming.bits(made) + repr(history.history).encode()
    while told["kills"] < KILLS or told["runs"] < len(CASES):
        case = CASES[told["runs"] % len(CASES)]
        place = folder / str(told["runs"])
        place.mkdir()
        while not (place / "done").exists():
            told["resumed"] += any(place.glob("backup/*.safetensors"))
            told["kills"] += killed(case, place, chance)
        if (place / "done").read_bytes() != wanted[json.dumps(case)]:
            told["different"].append(case)
        told["runs"] += 1
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
