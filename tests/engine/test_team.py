"""Threads that share a step compute what one thread does, fail together, and are never waited for in vain."""

import multiprocessing
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import gpubp
from gpubp import Input, Sequential, layers
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
    """Weights, slots and histories, bit for bit; but for products by BLAS, which may add up in another order."""
    (a, before), (b, after) = one, other
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    for name in before:
        np.testing.assert_allclose(before[name], after[name], rtol=1e-5)
    assert a.iterations == b.iterations


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_team_trains_as_one_thread_does(team_of, size):
    alone = fitted(net())
    team_of(size)
    together = fitted(net())
    same(alone, together)
    again = fitted(net())
    assert all(map(np.array_equal, again[0].get_weights(), together[0].get_weights()))
    predicted = together[0].predict(X, batch_size=13, verbose=0)
    team_of(1)
    np.testing.assert_allclose(together[0].predict(X, batch_size=13, verbose=0), predicted, rtol=1e-5, atol=1e-6)


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

        run([first, *calls[1:]], cancel)

    monkeypatch.setattr(team.TEAM, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(model)
    assert all(map(np.array_equal, model.get_weights(), weights))
    monkeypatch.undo()
    fitted(model)


def test_a_team_is_as_large_as_products_may_have_threads_but_not_larger_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda numbers: 6)
    monkeypatch.setattr(threads, "_quota", lambda: None)
    for allowed, wanted in ((1, 1), (4, 4), (8, 6)):
        monkeypatch.setattr(threads, "training_threads", lambda n=allowed: n)
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
    monkeypatch.setattr(team.TEAM, "run", lambda calls, cancel: (asked.append(len(calls)), run(calls, cancel)))
    model = Sequential([Input((400,)), layers.Dense(400, "relu"), layers.Dense(300)])
    model.compile("adam", "mse")
    model.fit(np.ones((2048, 400), np.float32), np.ones((2048, 300), np.float32), batch_size=256, verbose=0)
    assert set(asked) == {2}
