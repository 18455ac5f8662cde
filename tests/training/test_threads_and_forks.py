"""Several threads, forked and other processes, and folders that can't be written to."""

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from joblib import Parallel, delayed

import gpubp
from gpubp import Input, Sequential, layers

# Of other libraries whose threads run in this process by now; ours are what is tested.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((64, 4)).astype(np.float32), RNG.integers(0, 3, 64)


@pytest.fixture
def model():
    gpubp.set_random_seed(0)
    model = Sequential(
        [Input((4,)), layers.Dense(8, "relu", name="h"), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, LABELS, verbose=0)
    return model


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def in_threads(act, n=4):
    """What n threads give that begin together; the first error of one is raised."""
    results, errors, begin = [], [], threading.Barrier(n)

    def run():
        begin.wait()
        try:
            results.append(act())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results


@pytest.mark.parametrize("rows", [1, 64, 1000])
def test_threads_predict_at_once(model, rows):
    x = np.tile(X, (16, 1))[:rows]
    wanted = model.predict(x, verbose=0)
    found = in_threads(lambda: [model.predict(x, verbose=0) for _ in range(50)])
    assert all(np.array_equal(p, wanted) for many in found for p in many)


def test_threads_predict_evaluate_and_save_while_one_trains(model, tmp_path):
    """Each sees the weights of one moment between two calls of fit: what they give is among what these gave."""
    states, done = [], threading.Event()

    def train():
        while not done.is_set():
            model.fit(X, LABELS, epochs=3, verbose=0)
            states.append(model.predict(X, verbose=0).tobytes())

    states.append(model.predict(X, verbose=0).tobytes())
    trainer = threading.Thread(target=train)
    trainer.start()
    seen, rounds = set(), 0
    while trainer.is_alive() and (rounds < 10 or len(states) <= 10):  # whoever is faster, both do it ten times
        seen.add(model.predict(X, verbose=0).tobytes())
        model.evaluate(X, LABELS, verbose=0)
        model.save(tmp_path / "model.safetensors")
        rounds += 1
    done.set()
    trainer.join()
    assert len(states) > 10
    assert seen <= set(states)
    assert gpubp.load_model(tmp_path / "model.safetensors").predict(X, verbose=0).tobytes() in states


def test_threads_that_train_take_turns(model):
    in_threads(lambda: model.fit(X, LABELS, verbose=0))
    assert model.iterations == 2 * 5
    assert np.isfinite(weights(model)).all()


def test_a_forked_child_predicts_and_trains_as_the_parent_does(model):
    wanted = model.predict(X, verbose=0)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child():
        predicted = model.predict(X, verbose=0)
        history = model.fit(X, LABELS, epochs=2, verbose=0).history
        answers.put((predicted, history, weights(model)))

    process = context.Process(target=child)
    process.start()
    predicted, history, trained = answers.get(timeout=60)
    process.join(timeout=60)
    assert process.exitcode == 0
    assert np.array_equal(predicted, wanted)
    assert model.fit(X, LABELS, epochs=2, verbose=0).history == history
    assert np.array_equal(weights(model), trained)


def test_a_fork_in_the_middle_of_training_finds_a_model_that_works(model):
    """Another thread holds the model at that moment; in the child there is no such thread to wait for."""
    context = multiprocessing.get_context("fork")
    codes = []

    class Fork(gpubp.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            begun = threading.Event()
            forking = threading.Thread(target=lambda: (codes.append(forked()), begun.set()))
            forking.start()
            assert begun.wait(60)

    def forked():
        process = context.Process(target=lambda: model.predict(X, verbose=0))
        process.start()
        process.join(timeout=20)
        process.kill()
        return process.exitcode

    model.fit(X, LABELS, verbose=0, callbacks=[Fork()])
    assert codes == [0]


def job(model, x, labels):
    predicted = model.predict(x, verbose=0)
    model.fit(x, labels, verbose=0)
    return predicted, weights(model)


def test_joblib_sends_models_to_its_processes(model):
    wanted = model.predict(X, verbose=0)
    found = Parallel(n_jobs=2)(delayed(job)(model, X, LABELS) for _ in range(3))
    model.fit(X, LABELS, verbose=0)
    for predicted, trained in found:
        assert np.array_equal(predicted, wanted)
        assert np.array_equal(trained, weights(model))


SCRIPT = """
import numpy as np, gpubp
model = gpubp.Sequential([gpubp.Input((4,)), gpubp.layers.Dense(3)])
model.compile("sgd", "mse")
model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
print(model.predict(np.ones((8, 4)), verbose=0).shape)
"""


@pytest.mark.parametrize("home", ["/dev/null", ""])
def test_no_folder_for_kernels_can_be_made(home):
    """Nowhere to keep them: they are compiled for this process alone."""
    kept = {name: x for name, x in os.environ.items() if not name.startswith(("GPUBP", "XDG", "NUMBA"))}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=kept | {"HOME": home}, capture_output=True, text=True)
    assert run.stdout.strip() == "(8, 3)", run.stderr
