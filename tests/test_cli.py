"""The command: training, measuring, predicting and explaining from the shell, its JSON, and how errors end."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import gpubp
from gpubp import cli
from gpubp.cli import data, output, training

RUNNER = CliRunner()


def run(*arguments, code=0):
    result = RUNNER.invoke(cli.app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def fails(code, *arguments):
    """The one line that a user reads."""
    result = run(*arguments, code=code)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


def document(*arguments, code=0):
    """The one JSON document on standard output; NaN is not in the standard."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(run(*arguments, code=code).stdout, parse_constant=refuse)


def picture_set(n, seed):
    """Bytes in 3 by 2, of three classes: which of the columns, weighed, is the brightest."""
    x = np.random.default_rng(seed).integers(0, 256, (n, 3, 2), dtype=np.uint8)
    return x, x.sum(axis=2, dtype=np.int64).argmax(axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (x_train, y_train), (x_test, y_test) = picture_set(600, 0), picture_set(200, 1)
    np.savez(folder / "tiny.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    np.save(folder / "rows.npy", x_test[:5])
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """A model file, and what training it printed."""
    model, curve = folder / "tiny.safetensors", folder / "curve.png"
    options = ["--hidden", "16", "--epochs", 8, "--batch-size", 16, "--learning-rate", 0.01, "--dropout", 0.1]
    result = run("train", folder / "tiny.npz", *options, "--model", model, "--curve", curve)
    return model, result.stdout


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


# Train, evaluate, predict


def test_train_prints_epochs_and_accuracy_and_writes_both_files(trained, folder):
    model, output = trained
    lines = output.splitlines()
    assert lines[0] == "6-16-3: 163 weights, 600 rows to train on, 200 to test"
    assert [re.match(r"epoch (\d)/8  .* samples/s  loss \S+  accuracy 0\.\d{4}$", line)[1] for line in lines[1:9]] == [
        *"12345678"
    ]
    accuracy = float(re.fullmatch(r"test accuracy (\d\d\.\d\d) %", lines[9])[1])
    assert accuracy > 90
    net = gpubp.load_model(model)
    x, y = picture_set(200, 1)
    hits = net.predict(x.reshape(200, 6).astype(np.float32) / 255).argmax(axis=1) == y
    assert accuracy == pytest.approx(100 * hits.mean(), abs=0.005)
    assert net.optimizer.learning_rate == 0.01
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "Dropout", "Dense"]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_train_is_a_function_of_the_seed(folder):
    def weights(seed, name):
        run("train", "tiny.npz", "--hidden", "", "--epochs", 1, "--seed", seed, "--model", name, "--verbose", 0)
        return gpubp.load_model(name).get_weights()[0].tobytes()

    assert weights(1, "a.safetensors") == weights(1, "b.safetensors") != weights(2, "c.safetensors")
    assert (folder / "tiny-learning-curve.png").exists()  # the default, in the working folder


def test_evaluate_prints_what_training_measured(trained):
    model, output = trained
    lines = run("evaluate", model, "tiny.npz").stdout.splitlines()
    found = json.loads(run("evaluate", model, "tiny.npz", "--json").stdout)
    assert lines == [f"{name} {value:.6g}" for name, value in found.items()]
    assert found.keys() == {"loss", "accuracy"}
    assert f"test accuracy {100 * found['accuracy']:.2f} %" in output


def test_predict_prints_probabilities_or_classes(trained):
    model, _ = trained
    printed = np.loadtxt(run("predict", model, "rows.npy").stdout.splitlines())
    assert printed.shape == (5, 3)
    assert np.allclose(printed.sum(axis=1), 1, atol=1e-5)
    classes = np.loadtxt(run("predict", model, "rows.npy", "--classes").stdout.splitlines(), np.int64)
    assert classes.tolist() == printed.argmax(axis=1).tolist()


def test_predict_writes_arrays(trained, folder):
    model, _ = trained
    for name in ("out.npy", "plainly-named"):
        assert run("predict", model, "tiny.npz", "--output", name).stdout == ""
        outputs = np.load(folder / name)
        assert (outputs.shape, outputs.dtype) == ((200, 3), np.float32)
    run("predict", model, "tiny.npz", "--output", "classes.npy", "--classes")
    assert np.load(folder / "classes.npy").tolist() == outputs.argmax(axis=1).tolist()


def test_one_output_has_two_classes():
    assert data.classes_of(np.array([[0.2], [0.5], [0.7]])).tolist() == [0, 0, 1]


def test_bytes_are_scaled_and_numbers_are_not():
    assert data.scaled(np.array([0, 51, 255], np.uint8)).tolist() == np.float32([0, 0.2, 1]).tolist()
    for x in (np.array([0.0, 51.0]), np.array([0, 51])):
        assert data.scaled(x) is x


# JSON


def test_train_prints_a_document_and_its_progress_elsewhere(folder):
    options = ["--hidden", "8", "--epochs", 2, "--model", "json.safetensors", "--json"]
    result = run("train", "tiny.npz", *options)
    found = json.loads(result.stdout)
    assert found["widths"] == [6, 8, 3]
    assert found["rows"] == {"train": 600, "test": 200}
    assert len(found["history"]["loss"]) == len(found["history"]["accuracy"]) == 2
    assert found["test"] == document("evaluate", found["model"], "tiny.npz", "--json")
    assert "epoch 2/2" in result.stderr
    assert found["curve"] == "tiny-learning-curve.png"


def test_predict_prints_a_document(trained):
    model, _ = trained
    found = document("predict", model, "rows.npy", "--json")
    printed = np.loadtxt(run("predict", model, "rows.npy").stdout.splitlines())
    assert (found["shape"], found["dtype"]) == ([5, 3], "float32")
    np.testing.assert_allclose(found["outputs"], printed, rtol=1e-5, atol=1e-6)
    classes = document("predict", model, "rows.npy", "--json", "--classes")["classes"]
    assert classes == printed.argmax(axis=1).tolist()
    written = document("predict", model, "rows.npy", "--json", "--output", "json.npy")
    assert written == {"output": "json.npy", "shape": [5, 3], "dtype": "float32"}


def test_what_is_not_finite_is_null():
    assert output.plain({"a": [float("inf"), -0.5, True, None, "nan"]}) == {"a": [None, -0.5, True, None, "nan"]}


# Explain


def test_explain_prints_the_table_of_the_model(trained):
    model, _ = trained
    printed = run("explain", model, "--batch-size", 64).stdout
    assert printed.splitlines()[0].split() == [
        "instruction",
        "layer",
        "result",
        "in",
        "FLOP",
        "bytes",
        "floor",
        "share",
    ]
    assert "a step of 64 rows" in printed
    found = document("explain", model, "--batch-size", 64, "--json")
    assert (found["mode"], found["batch_size"], found["step_seconds"]) == ("train", 64, None)
    products = [i["flops"] for i in found["instructions"] if i["ops"] == ["matmul"]]
    assert sorted(products) == sorted(2 * 64 * n for n in (6 * 16, 16 * 3, 6 * 16, 16 * 3, 16 * 3))


def test_explain_analyzes_predictions(trained):
    model, _ = trained
    found = document("explain", model, "--mode", "predict", "--analyze", "--json", "--device", "cpu")
    assert [i["part"] for i in found["instructions"]] == ["forward"] * len(found["instructions"])
    assert all(i["seconds"] >= 0 for i in found["instructions"])
    assert found["step_seconds"] > 0


def test_the_help_of_train_names_optimizers_that_there_are():
    (option,) = training.train.__annotations__["optimizer"].__metadata__
    names = re.findall(r"[a-z]+", option.help.partition(":")[2])
    assert {"adam", "sgd"} < set(names)
    for name in names:
        assert type(gpubp.optimizers.get(name)).__name__.lower() == name


# Errors


WRONG_USAGE = [
    (["train", "mnits"], "a data set is mnist or a .npz file; this is 'mnits'"),
    (["train", "tiny.npz", "--hidden", "5;5"], "--hidden takes widths with commas between, such as 512,512"),
    (["train", "tiny.npz", "--hidden", "0"], "units must be a positive int"),
    (["train", "tiny.npz", "--activation", "rely"], "unknown activation 'rely'; did you mean 'relu'?"),
    (["train", "tiny.npz", "--optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam'?"),
    (["train", "tiny.npz", "--learning-rate", "-1"], "learning_rate must be at least 0"),
    (["train", "tiny.npz", "--dropout", "1"], "rate must be in [0, 1)"),
    (["train", "tiny.npz", "--seed", "-1"], "a seed is an int of at least 0"),
    (["train", "tiny.npz", "--verbose", "loud"], "verbose must be 0, 1, 2 or 'auto'"),
    (["train", "tiny.npz", "--model", "no/model"], "there is no folder no, where model is to be written"),
    (["train", "tiny.npz", "--curve", "no/c.png"], "there is no folder no, where c.png is to be written"),
    (["train", "tiny.npz", "--model", "."], ". is a folder, where a file is to be written"),
    (["train", "tiny.npz", "--curve", "c.xyz"], "a curve can't be drawn to c.xyz; the endings are"),
    (["train", "tiny.npz", "--device", "cuda:9"], "device 'cuda:9' is not there"),
    (["train", "tiny.npz", "--epochs", "0"], "'--epochs'"),
    (["train", "tiny.npz", "--batch-size", "0"], "'--batch-size'"),
    (["train", "tiny.npz", "--epoch", "1"], "(gpubp train --help)"),
    (["train"], "DATASET"),
    (["explain", "tiny.safetensors", "--mode", "sleep"], "'--mode'"),
    (["explain", "tiny.safetensors", "--batch-size", "0"], "'--batch-size'"),
    (["evaluate", "tiny.safetensors", "tiny.npz", "--device", "gpu"], "there is no device 'gpu'"),
    (["sleep"], "sleep"),
]
FAILURES = [
    (["train", "absent.npz"], "No such file or directory: 'absent.npz'"),
    (["train", "text.npz"], "holds no arrays"),
    (["train", "cut.npz"], "holds no arrays"),
    (["train", "half.npz"], "half.npz has no y_train, x_test, y_test; it has x_train"),
    (["train", "floats.npz"], "y must hold an integer for each row; it has dtype float64"),
    (["train", "negative.npz"], "y must number the classes from 0; it reaches from -1 to 3"),
    (["train", "flat.npz"], "x must have rows of features; its shape is (4,)"),
    (["evaluate", "absent", "tiny.npz"], "No such file or directory: 'absent'"),
    (["evaluate", "text.npz", "tiny.npz"], "text.npz is damaged or not a model file"),
    (["predict", "tiny.safetensors", "rows.npz"], "No such file or directory: 'rows.npz'"),
    (["predict", "tiny.safetensors", "objects.npy"], "objects.npy holds no arrays of numbers"),
    (["predict", "tiny.safetensors", "wide.npy"], "x must have shape (rows, 6); its shape is (2, 7)"),
    (["predict", "tiny.safetensors", "words.npy"], "x must hold numbers"),
    (["explain", "absent"], "No such file or directory: 'absent'"),
    (["explain", "untrainable.safetensors"], "explain needs compile"),
]


@pytest.mark.parametrize(
    ("code", "arguments", "message"), [*((2, *row) for row in WRONG_USAGE), *((1, *row) for row in FAILURES)]
)
def test_errors_end_in_one_line_and_say_by_the_code_whose_they_are(trained, folder, code, arguments, message):
    y = np.array([-1, 0, 1, 3])
    (folder / "text.npz").write_text("this is no archive")
    (folder / "cut.npz").write_bytes((folder / "tiny.npz").read_bytes()[:500])
    np.savez(folder / "half.npz", x_train=y)
    for name, x, labels in (("floats", y[:, None], y / 2), ("negative", y[:, None], y), ("flat", y, abs(y))):
        np.savez(folder / f"{name}.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)
    np.save(folder / "objects.npy", np.array([{}, None]), allow_pickle=True)
    np.save(folder / "wide.npy", np.zeros((2, 7)))
    np.save(folder / "words.npy", np.array([["a"] * 6]))
    gpubp.Sequential([gpubp.Input((6,)), gpubp.layers.Dense(2)]).save(folder / "untrainable.safetensors")
    assert message in fails(code, *arguments)


def test_a_loss_that_is_not_finite_is_a_failure(folder):
    x, y = np.full((40, 3), 3e38, np.float32), np.arange(40) % 2
    np.savez(folder / "huge.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    result = run("train", "huge.npz", "--hidden", "4", "--epochs", 1, code=1)
    assert "the loss is not finite" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_matplotlib_there_is_a_note_and_no_curve(folder, monkeypatch):
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    options = ["tiny.npz", "--hidden", "", "--epochs", 1, "--verbose", 0, "--model", "plain.safetensors"]
    (folder / "tiny-learning-curve.png").unlink(missing_ok=True)
    result = run("train", *options)
    assert "pip install 'gpubp[plot]'" in result.stderr
    assert "test accuracy" in result.stdout
    assert not (folder / "tiny-learning-curve.png").exists()
    assert "a learning curve needs matplotlib" in fails(2, "train", *options, "--curve", "c.png")


# The process


def test_help_is_quick_since_nothing_heavy_is_imported():
    code = (
        "import sys; from gpubp.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('numba', 'scipy', 'matplotlib', 'gpubp.kernels') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert all(command in result.stdout for command in ("train", "evaluate", "predict", "explain", "doctor"))
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_version():
    assert run("--version").stdout == f"gpubp {gpubp.cli.metadata.version('gpubp')}\n"


def test_a_process_of_its_own_ends_with_the_code(trained):
    """Standard output holds the document and nothing else, also what is logged goes elsewhere."""

    def process(*arguments):
        command = [sys.executable, "-c", "from gpubp.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    worked = process("explain", trained[0], "--json")
    assert (worked.returncode, json.loads(worked.stdout)["batch_size"]) == (0, 32)
    failed = process("explain", "absent.safetensors")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert process("explain", trained[0], "--batch-size", "x").returncode == 2
