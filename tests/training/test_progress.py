"""What people see of training: in a terminal of 80 columns, through a pipe, and how numbers are written."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import LambdaCallback
from gpubp.engine.executors.cpu import CPU
from gpubp.training import progress

SCRIPT = """
import sys, time
import numpy as np, gpubp
from gpubp.training.callbacks import Callback

class Slow(Callback):
    def on_progress(self, rows, logs=None):
        time.sleep(0.2)  # twice as long as the bar needs to be drawn again

gpubp.set_random_seed(0)
x, y = np.random.default_rng(0).random((640, 3), np.float32), np.arange(640) % 2
model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
validation = (x, y) if "validate" in sys.argv else None

class Batches:
    def __len__(self):
        return 4

    def __getitem__(self, k):
        return x[160 * k : 160 * k + 160], y[160 * k : 160 * k + 160]

given = {"x": x, "y": y, "batch_size": 8}
if "sequence" in sys.argv:
    given = {"x": Batches()}
if "generator" in sys.argv:
    given = {"x": (Batches()[k % 4] for k in range(12)), "steps_per_epoch": 4}
model.fit(**given, epochs=3, callbacks=[Slow()], validation_data=validation)
print("after")
"""
TOKENS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n]|[^\x1b\r\n]+")


READING = """
import sys, time
import numpy as np, gpubp
from gpubp.callbacks import LambdaCallback

gpubp.set_random_seed(0)
x, y = np.random.default_rng(0).random((640, 3), np.float32), np.arange(640) % 2
model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
what, verbose = sys.argv[1:]
verbose = int(verbose) if verbose.isdigit() else verbose
slow = LambdaCallback(on_test_batch_end=lambda batch, logs: time.sleep(0.1),
                      on_predict_batch_end=lambda batch, logs: time.sleep(0.1))
batches = ((x[k : k + 160], y[k : k + 160]) for k in range(0, 640, 160))
given = {"x": batches} if what.startswith("stream") else {"x": x, "batch_size": 160}
given |= {"y": y} if what == "evaluate" else {}
found = getattr(model, what.removeprefix("stream_"))(**given, verbose=verbose, callbacks=[slow])
assert len(found) == (2 if what.endswith("evaluate") else 640)
print("after")
"""


def in_terminal(*arguments, script=SCRIPT):
    """What a process writes to a terminal of 80 columns."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, np.array([24, 80, 0, 0], np.uint16).tobytes())
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=theirs, env=environment)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # Linux says so where the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return written.decode()


def shown(written):
    """The lines of the screen at the end, and those that were wiped out before."""
    lines, wiped, row = [""], [], 0
    for token in TOKENS.findall(written):
        if token == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif token == "\x1b[1A":
            row -= 1
        elif token == "\x1b[2K":
            wiped.append(lines[row])
            lines[row] = ""
        elif token[0] not in "\x1b\r":
            lines[row] += token
    return [line for line in lines if line], [line for line in wiped if line]


@pytest.fixture(scope="module")
def written():
    return in_terminal()


@pytest.fixture(scope="module")
def terminal(written):
    return shown(written)


def test_a_line_stays_of_each_epoch_and_nothing_of_the_bar(terminal):
    lines, _ = terminal
    assert len(lines) == 4
    for epoch, line in enumerate(lines[:3], 1):
        assert re.fullmatch(rf"epoch {epoch}/3  \d+\.\d s  [\d,]+ samples/s  loss \S+  accuracy 0\.\d+", line)
        assert len(line) <= 80
    assert lines[3] == "after"


@pytest.mark.parametrize("kind", ["arrays", "sequence", "generator"])
def test_the_live_line_fits_and_tells_all(terminal, kind):
    _, live = terminal if kind == "arrays" else shown(in_terminal(kind))
    assert max(map(len, live)) <= 80
    full = [re.search(r"epoch (\d)/3 .* loss \S+  accuracy \S+  [\d,]+ samples/s  (\d+:\d\d) left", x) for x in live]
    assert {m[1] for m in full if m} == {"1", "2", "3"}
    assert "preparing" in live[0]


def test_the_cursor_comes_back(written):
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_with_validation_lines_leave_out_what_has_no_room():
    lines, live = shown(in_terminal("validate"))
    number = r"\d\.\d{4}"
    for line in lines[:3]:
        pattern = rf"epoch \d/3  loss {number}  accuracy {number}  val_loss {number}  val_accuracy {number}"
        assert re.fullmatch(pattern, line)
    assert max(map(len, live + lines)) <= 80


def test_a_pipe_gets_a_line_an_epoch():
    output = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    lines = output.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "after"]
    assert "\x1b" not in output


@pytest.mark.parametrize("kind", ["arrays", "sequence", "generator"])
def test_each_line_tells_the_pace(kind):
    output = subprocess.run([sys.executable, "-c", SCRIPT, kind], capture_output=True, text=True, check=True).stdout
    assert len(re.findall(r"^epoch \d/3  \d+\.\d s  [\d,]+ samples/s  loss", output, re.MULTILINE)) == 3


EACH_READING = pytest.mark.parametrize("what", ["evaluate", "predict", "stream_evaluate", "stream_predict"])


def wanted_of(what):
    """The line that stays of an evaluation or prediction."""
    kind = what.removeprefix("stream_")
    return rf"{kind}  \d+\.\d s  [\d,]+ samples/s" + (r"  loss 0\.\d+  accuracy 0\.\d+" if kind == "evaluate" else "")


@EACH_READING
def test_a_terminal_shows_how_far_reading_is(what):
    written = in_terminal(what, "auto", script=READING)
    lines, live = shown(written)
    assert re.fullmatch(wanted_of(what), lines[0])
    assert lines[1:] == ["after"]
    assert any(re.search(r"samples/s", x) for x in live)
    assert max(map(len, live + lines)) <= 80
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


@EACH_READING
@pytest.mark.parametrize("verbose", ["auto", "0", "2"])
def test_a_pipe_gets_a_line_of_reading_only_if_it_asks(what, verbose):
    command = [sys.executable, "-c", READING, what, verbose]
    *lines, after = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert after == "after"
    assert len(lines) == (verbose == "2")
    assert all(re.fullmatch(wanted_of(what), line) for line in lines)


def test_small_predictions_are_shown_if_one_asks(capsys):
    model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2)])
    wanted = model.predict(np.ones((4, 3)))
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(model.predict(np.ones((4, 3)), verbose=2), wanted)
    assert re.fullmatch(r"predict  \d+\.\d s\n", capsys.readouterr().out)


@pytest.mark.parametrize("what", ["evaluate", "predict"])
def test_reading_that_fails_gives_the_cursor_back(what):
    script = READING.replace("time.sleep(0.1)", "1 / 0").replace("found =", "try: found =", 1)
    script = script.replace(
        "callbacks=[slow])", "callbacks=[slow])\nexcept ZeroDivisionError: found = [0] * 640"
    ).replace("assert len", "# ", 1)
    written = in_terminal(what, "1", script=script)
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


@pytest.mark.parametrize("verbose", [3, "loud", None, -1])
def test_reading_refuses_other_values_of_verbose(verbose):
    model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2)])
    model.compile("sgd", "mse")
    for act in (
        lambda: model.predict(np.ones((4, 3)), verbose=verbose),
        lambda: model.evaluate(np.ones((4, 3)), np.ones((4, 2)), verbose=verbose),
    ):
        with pytest.raises(ValueError, match="verbose must be"):
            act()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_the_pace_is_that_of_the_rows_since_the_clock_runs(clock):
    whole, later = progress.Pace(whole=True), progress.Pace(whole=False)
    assert whole.rate is later.rate is None
    clock[0] = 10.0  # eight of these seconds were spent on compiling
    whole.report(100)
    later.report(100)
    assert whole.rate == 10
    assert later.rate is None
    clock[0] = 12.0
    later.report(500)
    assert later.rate == 200


@pytest.mark.parametrize("accumulate", [None, 3])
def test_nothing_is_compiled_while_the_pace_of_arrays_is_taken(monkeypatch, accumulate):
    events, bind = [], CPU._bind

    def noted(self, *arguments):
        events.append("compiled")
        return bind(self, *arguments)

    monkeypatch.setattr(CPU, "_bind", noted)
    model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.optimizer.gradient_accumulation_steps = accumulate
    begin = LambdaCallback(on_epoch_begin=lambda epoch, logs: events.append("epoch"))
    model.fit(np.ones((50, 3)), np.ones((50, 2)), batch_size=8, epochs=2, callbacks=[begin], verbose=0)
    assert events.count("compiled") >= 2  # full batches and the last one
    assert events[events.index("epoch") :] == ["epoch"] * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.5, "0.5000"),
        (-12.34567, "-12.3457"),
        (1e-3, "0.0010"),
        (9.99e-4, "9.99e-04"),
        (1e4, "1.00e+04"),
    ],
)
def test_numbers(value, text):
    assert progress.number(value) == text


def test_parts_are_left_out_in_order_until_the_others_fit():
    parts = ["aaaa", "bb", "cc", "dddd"]
    assert progress.fitted(parts, ["cc", "bb"], 18) == "aaaa  bb  cc  dddd"
    assert progress.fitted(parts, ["cc", "bb"], 17) == "aaaa  bb  dddd"
    assert progress.fitted(parts, ["cc", "bb"], 13) == "aaaa  dddd"
    assert progress.fitted(parts, ["cc", "bb"], 3) == "aaaa  dddd"


def test_epochs_have_one_width():
    assert [progress.numbered(k, 10) for k in (0, 9)] == ["epoch  1/10", "epoch 10/10"]


@pytest.mark.parametrize("verbose", [3, "loud", None, -1])
def test_other_values_of_verbose_are_refused(verbose):
    with pytest.raises(ValueError, match="verbose must be"):
        progress.progress(verbose)


def test_verbose_0_shows_nothing():
    assert progress.progress(0) is None
