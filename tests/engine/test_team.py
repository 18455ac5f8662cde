"""Threads that share a step compute what one thread does, fail together, and are never waited for in vain."""

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import gpubp
from gpubp import Input, Sequential, layers, ops
from gpubp.backend import team, threads
from gpubp.engine.executors import cpu

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((90, 20), np.float32), RNG.integers(0, 5, 90)


def net():
    gpubp.set_random_seed(0)
    hidden = [layers.Dense(40, "tanh"), layers.Dropout(0.3), layers.Dense(33, "relu"), layers.LayerNormalization()]
    model = Sequential([Input((20,)), *hidden, layers.Dense(5, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fitted(model, **options):
    return model, model.fit(X, LABELS, batch_size=17, epochs=3, verbose=0, **options).history


def same(one, other):
    """Weights and histories, but for products by BLAS, which adds up those of a share in another order."""
    (a, before), (b, after) = one, other
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    for name in before:
        np.testing.assert_allclose(before[name], after[name], rtol=1e-5)
    assert a.iterations == b.iterations


def equal(a, b):
    """Weights, bit for bit."""
    return all(map(np.array_equal, a.get_weights(), b.get_weights()))


@pytest.fixture
def large(monkeypatch):
    """Two threads share what is worth it, as they do in earnest."""
    monkeypatch.setattr(cpu, "team_size", lambda: 2)
    return LARGE


LARGE = RNG.standard_normal((4000, 230), np.float32), RNG.integers(0, 5, 4000)


def broad(units=260, optimizer="adam"):
    """Of whose products some are BLAS's, whatever the processor."""
    gpubp.set_random_seed(0)
    model = Sequential([Input((230,)), layers.Dense(units, "relu"), layers.Dense(units, "relu"), layers.Dense(5)])
    model.compile(optimizer, gpubp.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_team_trains_as_one_thread_does(team_of, size):
    alone = fitted(net())
    team_of(size)
    together = fitted(net())
    same(alone, together)
    assert equal(fitted(net())[0], together[0])
    predicted = together[0].predict(X, batch_size=13, verbose=0)
    scores = together[0].evaluate(X, LABELS, batch_size=13, verbose=0)
    team_of(1)
    np.testing.assert_allclose(together[0].predict(X, batch_size=13, verbose=0), predicted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(together[0].evaluate(X, LABELS, batch_size=13, verbose=0), scores, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3])
def test_products_of_several_matrices_are_shared(team_of, size):
    a, b = RNG.standard_normal((5, 30, 20), np.float32), RNG.standard_normal((5, 20, 40), np.float32)
    f = gpubp.compile(ops.matmul)
    team_of(size)
    np.testing.assert_allclose(f(a, b), a @ b, rtol=1e-5, atol=1e-5)


def test_where_the_team_is_busy_one_thread_computes_the_same(large, monkeypatch):
    together = broad()
    together.fit(*LARGE, batch_size=500, verbose=0)
    monkeypatch.setattr(team.TEAM, "run", lambda calls, cancel: False)
    alone = broad()
    alone.fit(*LARGE, batch_size=500, verbose=0)
    assert equal(alone, together)
    assert np.array_equal(alone.predict(LARGE[0], verbose=0), together.predict(LARGE[0], verbose=0))


@pytest.mark.parametrize("size", [2, 3])
def test_regions_of_few_columns_come_in_the_same_shares(monkeypatch, size):
    """They compute several rows at once; which rows are left over depends on where a share begins."""
    monkeypatch.setattr(cpu, "team_size", lambda: size)
    monkeypatch.setattr(cpu, "BEGINNING", -np.inf)
    model = Sequential([Input((20,)), layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dense(5, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = RNG.standard_normal((40007, 20), np.float32)
    model.fit(x, RNG.integers(0, 5, len(x)), batch_size=len(x), epochs=2, verbose=0)
    together = model.predict(x, batch_size=len(x), verbose=0)
    monkeypatch.setattr(team.TEAM, "run", lambda calls, cancel: False)
    assert np.array_equal(model.predict(x, batch_size=len(x), verbose=0), together)


def test_single_batches_are_computed_as_others(large):
    """`predict_on_batch` and `train_on_batch` have a way of their own from the second call on."""
    x, labels = LARGE[0][:37], LARGE[1][:37]
    models = [broad(1100, "sgd") for _ in range(2)]
    for _ in range(3):
        models[0].train_on_batch(x, labels)
    models[1].fit(x, labels, batch_size=37, epochs=3, shuffle=False, verbose=0)
    assert equal(*models)
    found = [models[0].predict_on_batch(x) for _ in range(3)]
    assert all(np.array_equal(y, models[1].predict(x, batch_size=37, verbose=0)) for y in found)


def test_a_function_can_be_called_while_it_computes():
    """Such as by who answers a signal."""
    script = """
import signal
f = gpubp.compile(lambda x: ops.matmul(x, x))
x = RNG.standard_normal((1500, 1500), np.float32)
y = f(x)
def answer(*_):
    print(np.array_equal(f(x), y))
signal.signal(signal.SIGALRM, answer)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while signal.getitimer(signal.ITIMER_REAL)[0]:
    f(x)
"""
    assert in_a_process(script) == ["True"]


def test_the_length_of_runs_changes_nothing(large, monkeypatch):
    """Long runs are shared and short ones are not; how long they are is a matter of time, and of callbacks."""
    shared, run = [], team.TEAM.run
    monkeypatch.setattr(team.TEAM, "run", lambda *a: shared.append(0) or run(*a))
    models = [broad(160, "sgd") for _ in range(2)]
    models[1].fit(*LARGE, batch_size=100, verbose=0, callbacks=[EachBatch()])
    assert not shared
    models[0].fit(*LARGE, batch_size=100, verbose=0)
    assert shared
    assert equal(*models)


class EachBatch(gpubp.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def in_a_process(script, *arguments):
    """What a script prints in which two threads share steps; none of these may hang."""
    begin = "from tests.engine.test_team import *\ncpu.team_size = lambda: 2\n"
    command = [sys.executable, "-c", begin + script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()


@pytest.mark.parametrize("name", ["evaluate", "fit"])
def test_threads_without_a_row_behind_the_guard_meet_the_others_there(name):
    """As in what measures alone, and where the update is the first thread's."""
    script = f"""
model = broad(64, "sgd")
{"model.evaluate(*LARGE, batch_size=2000, verbose=0)" if name == "evaluate" else "model.fit(*LARGE, batch_size=2000)"}
print("done")
"""
    assert in_a_process(script)[-1] == "done"


def test_a_signal_that_has_another_model_predict_is_answered():
    script = """
import signal
model, other = broad(), broad()
model.fit(*LARGE, batch_size=500, verbose=0)
def answer(*_):
    print(other.predict(LARGE[0], batch_size=2000, verbose=0).shape[0])
signal.signal(signal.SIGALRM, answer)
signal.setitimer(signal.ITIMER_REAL, 0.1)
while True:
    model.fit(*LARGE, batch_size=500, verbose=0, epochs=10)
    if signal.getitimer(signal.ITIMER_REAL)[0] == 0:
        break
"""
    assert in_a_process(script) == ["4000"]


def test_training_goes_on_when_the_main_thread_has_ended():
    script = """
import atexit
model = broad()
def train(says):
    model.fit(*LARGE, batch_size=500, verbose=0)
    print(says)
atexit.register(train, "late")
threading.Thread(target=train, args=["background"]).start()
"""
    assert in_a_process(script) == ["background", "late"]


def test_where_no_threads_can_be_had_one_computes(large, monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    expected, model = broad(), broad()
    expected.fit(*LARGE, batch_size=500, verbose=0)
    team.TEAM.forget()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        model.fit(*LARGE, batch_size=500, verbose=0)
    assert equal(model, expected)
    model.fit(*LARGE, batch_size=500, verbose=0)
    assert len(team.TEAM.workers) == 1


@pytest.mark.parametrize("size", [2, 4])
def test_all_stop_before_the_step_that_one_fails_in(team_of, size, tmp_path):
    """The loss of the third batch is not finite; which thread sees it first is chance."""
    x = X.copy()
    x[2 * 17 + 3, 4] = np.nan
    np.save(tmp_path / "x.npy", x)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")  # arrays in memory are looked through before the first step
    alone = net()
    alone.fit(X[:34], LABELS[:34], batch_size=17, shuffle=False, verbose=0)
    team_of(size)
    for _ in range(10):
        model = net()
        with pytest.raises(gpubp.NonFiniteError, match="step 3"):
            model.fit(x, LABELS, batch_size=17, shuffle=False, verbose=0)
        assert model.iterations == 2
        for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_models_of_several_threads_take_turns(team_of):
    team_of(3)
    wanted = fitted(net())[0].get_weights()
    models = [net() for _ in range(4)]
    running = [threading.Thread(target=fitted, args=(m,)) for m in models]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert all(np.array_equal(a, b) for m in models for a, b in zip(m.get_weights(), wanted, strict=True))


@pytest.mark.filterwarnings(r"ignore:.*fork\(\):DeprecationWarning")
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
def test_a_forked_child_has_a_team_of_its_own(team_of):
    team_of(2)
    wanted = fitted(net())[0].get_weights()
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=lambda: answers.put(fitted(net())[0].get_weights()))
    process.start()
    found = answers.get(timeout=60)
    process.join(timeout=60)
    assert process.exitcode == 0
    assert all(map(np.array_equal, found, wanted))


def test_who_waits_for_someone_that_never_comes_is_told(team_of, monkeypatch):
    """As where Ctrl-C arrives after some threads have begun."""
    team_of(3)
    model = fitted(net())[0]
    weights = model.get_weights()
    run = team.TEAM.run

    def interrupted(calls, cancel):
        def first():
            raise KeyboardInterrupt

        return run([first, *calls[1:]], cancel)

    monkeypatch.setattr(team.TEAM, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(model)
    assert all(map(np.array_equal, model.get_weights(), weights))
    monkeypatch.undo()
    fitted(model)


def test_a_team_is_as_large_as_products_may_have_threads_but_not_larger_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda numbers: range(6))
    monkeypatch.setattr(threads, "_quota", lambda: None)
    for allowed, wanted in ((1, 1), (4, 4), (8, 6)):
        monkeypatch.setattr(threads.ONE_BLAS_THREAD, "threads", lambda n=allowed: n)
        assert threads.team_size() == wanted
    monkeypatch.setattr(threads, "_quota", lambda: 2.5)
    assert threads.team_size() == 2


def test_the_threads_of_blas_are_those_of_the_team():
    with threadpool_limits(1, user_api="blas"):
        assert threads.team_size() == 1


def test_small_steps_are_not_shared(monkeypatch):
    monkeypatch.setattr(cpu, "team_size", lambda: 2)
    monkeypatch.setattr(team.TEAM, "run", None)
    fitted(net())


def test_large_steps_are_shared(monkeypatch):
    monkeypatch.setattr(cpu, "team_size", lambda: 2)
    asked = []
    run = team.TEAM.run
    monkeypatch.setattr(team.TEAM, "run", lambda calls, cancel: asked.append(len(calls)) or run(calls, cancel))
    model = Sequential([Input((400,)), layers.Dense(400, "relu"), layers.Dense(300)])
    model.compile("adam", "mse")
    model.fit(np.ones((2048, 400), np.float32), np.ones((2048, 300), np.float32), batch_size=256, verbose=0)
    assert set(asked) == {2}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads have no affinities here")
def test_threads_of_a_team_begin_beside_each_other(monkeypatch):
    """Each on the first processor of a core that is not the caller's, and may be moved to any of the caller's later."""
    mine, moved = frozenset(range(8)), []
    monkeypatch.setattr(threads, "_mine", lambda: mine)
    monkeypatch.setattr(threads, "_processor", lambda: 5)
    monkeypatch.setattr(threads, "cores", lambda numbers: [(0, 4), (1, 5), (2, 6), (3, 7)])
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, numbers: moved.append((thread, set(numbers))))
    for place in threads.places(4):
        place()
    assert moved == [(0, x) for n in (2, 3, 0, 2) for x in ({n}, set(mine))]


@pytest.mark.parametrize(("here", "groups"), [(None, [(0,), (1,)]), (0, [(0, 1)])], ids=["not told", "one core"])
def test_where_there_is_no_other_core_threads_stay(monkeypatch, here, groups):
    monkeypatch.setattr(threads, "_processor", lambda: here)
    monkeypatch.setattr(threads, "cores", lambda numbers: groups)
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    assert [place() for place in threads.places(2)] == [None, None]


def test_processors_of_this_machine_are_in_one_core_each():
    mine = frozenset(range(threads.processors()))
    assert sorted(n for core in threads.cores(mine) for n in core) == sorted(mine)
