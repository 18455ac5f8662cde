"""What scikit-learn's perceptrons do not have: losses, weights of classes, dropout, validation data and so on."""

import threading
import warnings

import numpy as np
import pytest
import threadpoolctl
from scipy import special
from sklearn import metrics
from sklearn import neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_sample_weight

from gpubp import callbacks, losses, ops, optimizers
from gpubp.sklearn import MLPClassifier, MLPRegressor, network
from gpubp.training.callbacks import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 5, "random_state": 0}
STILL = SMALL | {"learning_rate_init": 1e-14, "max_iter": 1, "alpha": 0.5}  # the loss is that of the first weights


def iris():
    x, y = load_iris(return_X_y=True)
    return scale(x), y


def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return scale(x), y


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def forward(estimator, x, functions):
    """The outputs by NumPy, through one function a layer."""
    for coef, intercept, function in zip(estimator.coefs_, estimator.intercepts_, functions, strict=True):
        x = function(x @ coef + intercept)
    return x


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    return special.softmax(x, axis=1)


def penalty(estimator, batches, rows):
    return 0.5 * estimator.alpha * batches * sum((w**2).sum() for w in estimator.coefs_) / rows


# Losses


@pytest.mark.parametrize(
    ("loss", "values"),
    [
        ("mean_absolute_error", lambda y, p: np.abs(y - p)),
        (losses.Huber(0.5), lambda y, p: special.huber(0.5, y - p)),
        (losses.Quantile(0.9), lambda y, p: np.maximum(0.9 * (y - p), -0.1 * (y - p))),
        (lambda y, p: ops.mean(ops.abs(y - p) ** 3, axis=-1), lambda y, p: np.abs(y - p) ** 3),
    ],
    ids=["name", "Huber", "Quantile", "function"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_any_loss_of_numbers(loss, values, weighted):
    x, y = diabetes()
    weights = np.random.default_rng(1).uniform(0, 2, len(x)) if weighted else None
    e = MLPRegressor(loss, **STILL, batch_size=len(x)).fit(x, y, weights)
    mean = np.average(values(y, e.predict(x)), weights=weights)
    rows = len(x) if weights is None else weights.sum()
    assert e.loss_ == pytest.approx(mean + penalty(e, 1, rows), rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "values"),
    [
        ("categorical_crossentropy", lambda y, p: -np.log(p[np.arange(len(y)), y])),
        ("sparse_categorical_crossentropy", lambda y, p: -np.log(p[np.arange(len(y)), y])),
        ("mean_squared_error", lambda y, p: ((np.eye(3)[y] - p) ** 2).mean(1)),
        (losses.CategoricalFocalCrossentropy(), None),
    ],
    ids=["one-hot", "labels", "mse", "focal"],
)
def test_any_loss_of_classes(loss, values):
    x, y = iris()
    e = MLPClassifier(loss=loss, **STILL).fit(x, y)
    p = e.predict_proba(x)
    expected = float(loss(np.eye(3)[y], p)) if values is None else values(y, p).mean()
    assert e.loss_ == pytest.approx(expected + penalty(e, 1, len(x)), rel=1e-9)


@pytest.mark.parametrize("data", [iris, cancer])
def test_label_smoothing(data):
    x, y = data()
    e = MLPClassifier(label_smoothing=0.2, **STILL).fit(x, y)
    p, classes = e.predict_proba(x), len(e.classes_)
    wanted = 0.8 * np.eye(classes)[y] + 0.2 / classes
    expected = -(wanted * np.log(p)).sum(1).mean()
    assert e.loss_ == pytest.approx(expected + penalty(e, -(-len(x) // 200), len(x)), rel=1e-9)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_weights_of_classes_are_weights_of_their_rows(class_weight):
    x, y = cancer()
    own = np.random.default_rng(2).uniform(0.5, 1.5, len(x))
    rows = own * compute_sample_weight(class_weight, y)
    their = theirs.MLPClassifier(**SMALL).fit(x, y, rows)
    our = MLPClassifier(**SMALL, class_weight=class_weight, rng="sklearn").fit(x, y, own)
    np.testing.assert_allclose(our.loss_curve_, their.loss_curve_, rtol=1e-9)


def test_a_batch_without_weight_decays_the_weights_and_does_nothing_else():
    x, y = diabetes()
    weights = np.repeat([0.0, 1.0], [200, len(x) - 200])
    parameters = SMALL | {"solver": "sgd", "momentum": 0.0, "shuffle": False, "max_iter": 1, "learning_rate_init": 0.1}
    first = MLPRegressor(**parameters | {"alpha": 0.0}).fit(x, y, weights)
    without = MLPRegressor(**parameters | {"alpha": 0.0}).fit(x[200:], y[200:], weights[200:])
    np.testing.assert_allclose(first.coefs_[0], without.coefs_[0], rtol=1e-12)
    decayed = MLPRegressor(**parameters | {"alpha": 0.1}).fit(x, y, weights)
    assert np.isfinite(decayed.loss_)


# The network


def test_an_activation_for_each_layer():
    x, y = iris()
    e = MLPClassifier(**SMALL, activation=["tanh", "softplus"]).fit(x, y)
    expected = forward(e, x, [np.tanh, lambda z: np.logaddexp(0, z), softmax])
    np.testing.assert_allclose(e.predict_proba(x), expected, rtol=1e-12)


def test_an_activation_of_ones_own():
    x, y = diabetes()
    e = MLPRegressor(**SMALL, activation=lambda z: ops.square(z) * 0.1).fit(x, y)
    expected = forward(e, x, [lambda z: z**2 * 0.1, lambda z: z**2 * 0.1, lambda z: z])
    np.testing.assert_allclose(e.predict(x), expected[:, 0], rtol=1e-10)


def test_dropout_is_for_training_alone_and_follows_from_the_random_state():
    x, y = iris()
    a, b, other, none = (
        MLPClassifier(**SMALL | {"random_state": seed}, dropout=rate).fit(x, y)
        for seed, rate in ((0, 0.4), (0, [0.4, 0.4]), (1, 0.4), (0, 0.0))
    )
    assert a.loss_curve_ == b.loss_curve_
    assert a.loss_ != other.loss_
    assert a.loss_ != none.loss_
    np.testing.assert_allclose(a.predict_proba(x), forward(a, x, [relu, relu, softmax]), rtol=1e-12)


def test_dropout_differs_from_epoch_to_epoch_of_partial_fit():
    x, y = iris()
    e = MLPClassifier(**SMALL | {"learning_rate_init": 1e-14, "shuffle": False}, dropout=0.5)
    for _ in range(3):
        e.partial_fit(x, y, classes=[0, 1, 2])
    assert len(set(e.loss_curve_)) == 3


def test_batch_normalisation_keeps_its_averages():
    x, y = diabetes()
    e = MLPRegressor(**STILL | {"hidden_layer_sizes": 6}, batch_norm=True, batch_size=len(x)).fit(x, y)
    z = x @ e.coefs_[0] + e.intercepts_[0]
    _, _, mean, variance = e._normalisation
    np.testing.assert_allclose(mean, 0.01 * z.mean(0), rtol=1e-7)
    np.testing.assert_allclose(variance, 0.99 + 0.01 * z.var(0), rtol=1e-7)
    more = MLPRegressor(**SMALL | {"max_iter": 60, "learning_rate_init": 0.01}, batch_norm=True).fit(x, y)
    assert more.score(x, y) > 0.5


# Solvers


@pytest.mark.parametrize(
    ("named", "made"),
    [
        ({"solver": "adam", "learning_rate_init": 0.01}, optimizers.Adam(0.01, epsilon=1e-8)),
        ({"solver": "sgd", "learning_rate_init": 0.1}, optimizers.SGD(0.1, 0.9, nesterov=True)),
        ({"solver": "rmsprop", "learning_rate_init": 0.002}, optimizers.RMSprop(0.002)),
        ({"solver": "adam", "learning_rate": lambda step: 0.01}, optimizers.Adam(0.01, epsilon=1e-8)),
    ],
    ids=["Adam", "SGD", "RMSprop", "schedule"],
)
def test_an_optimizer_of_ones_own(named, made):
    x, y = iris()
    a, b = MLPClassifier(**SMALL | named).fit(x, y), MLPClassifier(**SMALL, solver=made).fit(x, y)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-12)
    assert made.iterations == 0


def test_a_schedule_lessens_the_rate():
    x, y = iris()
    schedule = optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=1e-9)
    e = MLPClassifier(**SMALL, solver="sgd", learning_rate=schedule, momentum=0.0).fit(x, y)
    assert e.loss_curve_[1] != e.loss_curve_[0]
    assert e.loss_curve_[2] == pytest.approx(e.loss_curve_[1], rel=1e-7)


# Validation


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_data_have_a_loss_curve(weighted):
    x, y = cancer()
    held = (x[400:], y[400:], np.arange(len(x) - 400.0)) if weighted else (x[400:], y[400:])
    e = MLPClassifier(**SMALL).fit(x[:400], y[:400], validation_data=held)
    assert len(e.validation_loss_curve_) == e.n_iter_ == 5
    expected = metrics.log_loss(held[1], e.predict_proba(held[0]), sample_weight=held[2] if weighted else None)
    assert e.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)
    assert e.validation_scores_ is None


def test_validation_data_decide_when_to_stop():
    x, y = load_breast_cancer(return_X_y=True)
    x, labels = scale(x), np.array(["malignant", "benign"])[y]
    held = x[400:], labels[400:]
    e = MLPClassifier(early_stopping=True, random_state=0).fit(x[:400], labels[:400], validation_data=held)
    assert e.n_iter_ < 200
    assert e.best_validation_score_ == max(e.validation_scores_) == e.score(*held)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc", metrics.make_scorer(metrics.f1_score)])
def test_early_stopping_by_another_score(scoring):
    x, y = cancer()
    held = x[400:], y[400:]
    e = MLPClassifier(**SMALL, early_stopping=True, scoring=scoring).fit(x[:400], y[:400], validation_data=held)
    scorer = metrics.get_scorer(scoring) if isinstance(scoring, str) else scoring
    assert e.best_validation_score_ == pytest.approx(scorer(e, *held), rel=1e-12)


def test_regression_is_validated_too():
    x, y = diabetes()
    held = x[300:], y[300:]
    e = MLPRegressor(**SMALL, early_stopping=True).fit(x[:300], y[:300], validation_data=held)
    assert e.best_validation_score_ == pytest.approx(e.score(*held), rel=1e-12)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_lbfgs_has_a_validation_curve_too(solver):
    x, y = iris()
    e = MLPClassifier(**SMALL, solver=solver).fit(x[::2], y[::2], validation_data=(x[1::2], y[1::2]))
    assert len(e.validation_loss_curve_) == e.n_iter_
    expected = metrics.log_loss(y[1::2], e.predict_proba(x[1::2]))
    assert e.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-6)


def test_lbfgs_over_several_batches_and_rows_without_weight():
    x, y = (np.concatenate([a] * 5) for a in diabetes())
    weights = np.tile([0.0, 1.0, 2.0], len(x))[: len(x)]
    weights[:1024] = 0
    chosen = {"solver": "lbfgs", "max_fun": 10, "alpha": 1.0, "hidden_layer_sizes": 5, "random_state": 0}
    their = theirs.MLPRegressor(**chosen).fit(x, y, weights)
    our = MLPRegressor(**chosen).fit(x, y, weights)
    assert our.loss_ == pytest.approx(their.loss_, rel=1e-9)


# Callbacks


def test_callbacks_of_gpubp():
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    x, y = iris()
    history = callbacks.History()
    e = MLPClassifier(**SMALL, callbacks=[Stop(), history]).fit(x, y)
    assert e.n_iter_ == 3
    assert history.history["curve"] == e.loss_curve_


def test_callbacks_of_scikit_learn():
    pytest.importorskip("sklearn.callback")
    seen = []

    class Watch:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X=None):
            seen.append(("begin", context.task_name))

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            seen.append((context.task_name, round(fitted_estimator.score(X, y), 3)))
            return context.task_name == "iteration" and context.task_id == 1

    x, y = iris()
    e = MLPClassifier(**SMALL).set_callbacks(Watch()).fit(x, y)
    assert e.n_iter_ == 2
    assert [s for s in seen if s[0] != "iteration"] == [
        "setup",
        ("begin", "fit"),
        ("begin", "iteration"),
        ("begin", "iteration"),
        ("fit", round(e.score(x, y), 3)),
        "teardown",
    ]


def test_scoring_monitor_of_scikit_learn():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    x, y = iris()
    e = MLPClassifier(**SMALL).set_callbacks(monitor).fit(x, y)
    assert e.n_iter_ == 5


# Where and in which precision


@pytest.mark.parametrize("dtype", ["float32", np.float64, None])
def test_the_precision_can_be_chosen(dtype):
    x, y = diabetes()
    e = MLPRegressor(**SMALL, dtype=dtype).fit(x.astype(np.float32), y)
    expected = np.float32 if dtype is None else np.dtype(dtype)
    assert {a.dtype for a in e.coefs_} == {e.predict(x.astype(np.float32)).dtype} == {np.dtype(expected)}


def test_threads_are_limited_while_it_computes():
    class Look(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.seen = {p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"}

    x, y = iris()
    look = Look()
    MLPClassifier(**SMALL, n_threads=1, callbacks=[look]).fit(x, y)
    assert look.seen == {1}


def test_the_device_can_be_chosen():
    x, y = iris()
    MLPClassifier(**SMALL, device="cpu").fit(x, y)
    with pytest.raises(ValueError, match="there is no device 'tpu'"):
        MLPClassifier(**SMALL, device="tpu").fit(x, y)


# Networks are used again


def test_nothing_of_one_fit_shows_in_the_next():
    x, y = iris()
    parameters = [{}, {"alpha": 2.0}, {"learning_rate_init": 0.1}, {"solver": "sgd"}, {"random_state": 4}, {}]
    network._waiting.clear()
    shared = [MLPClassifier(**SMALL | p).fit(x, y).loss_curve_ for p in parameters]
    assert len(network._waiting) == 2  # one for each solver
    alone = []
    for p in parameters:
        network._waiting.clear()
        alone.append(MLPClassifier(**SMALL | p).fit(x, y).loss_curve_)
    assert shared == alone
    assert shared[0] == shared[-1]


def test_threads_fit_and_predict_beside_each_other():
    x, y = iris()
    expected = [MLPClassifier(**SMALL | {"random_state": k}).fit(x, y) for k in range(6)]
    found = [None] * 6

    def run(k):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[k] = MLPClassifier(**SMALL | {"random_state": k}).fit(x, y).predict_proba(x)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for e, p in zip(expected, found, strict=True):
        np.testing.assert_array_equal(p, e.predict_proba(x))


def test_waiting_networks_are_few():
    x, y = iris()
    for width in range(1, network.WAITING + 4):
        MLPClassifier(**SMALL | {"hidden_layer_sizes": width, "max_iter": 1}).fit(x, y)
    assert len(network._waiting) == network.WAITING


# Words


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 3},
        {"tol": 1.0, "n_iter_no_change": 1},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1, "max_iter": 100},
        {"early_stopping": True, "tol": 0.5, "n_iter_no_change": 2},
    ],
)
def test_verbose_prints_what_scikit_learn_prints(parameters, capsys):
    x, y = iris()
    chosen = SMALL | {"verbose": True} | parameters
    theirs.MLPClassifier(**chosen).fit(x, y)
    expected = capsys.readouterr().out
    MLPClassifier(**chosen, rng="sklearn").fit(x, y)
    assert capsys.readouterr().out == expected
    assert "Iteration 1, loss = " in expected


def test_ctrl_c_keeps_what_has_been_learned():
    class Interrupt(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    x, y = iris()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        e = MLPClassifier(**SMALL, callbacks=[Interrupt()]).fit(x, y)
    assert len(e.loss_curve_) == 2
    np.testing.assert_array_equal(
        e.predict_proba(x), MLPClassifier(**SMALL | {"max_iter": 2}).fit(x, y).predict_proba(x)
    )


def test_what_does_not_fit_is_refused():
    x, y = iris()
    for parameters, message in (
        ({"dropout": [0.1]}, "dropout has 1 entries, but there are 2 hidden layers"),
        ({"activation": ["relu"] * 3}, "activation has 3 entries"),
        ({"solver": "adamm"}, "'solver' parameter"),
        ({"loss": "hing"}, "'loss' parameter"),
        ({"rng": "numpy"}, "'rng' parameter"),
        ({"label_smoothing": 1.5}, "'label_smoothing' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            MLPClassifier(**SMALL | parameters).fit(x, y)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        MLPClassifier(hidden_layer_sizes=(5.5,)).fit(x, y)
    with pytest.raises(ValueError, match="pass a dict of classes"):
        MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="validation_data is"):
        MLPClassifier(**SMALL).fit(x, y, validation_data=x)
    with pytest.raises(ValueError, match="classes not in"):
        MLPClassifier(**SMALL).fit(x, y, validation_data=(x, y + 7))
    with pytest.raises(ValueError, match="features"):
        MLPClassifier(**SMALL).fit(x, y, validation_data=(x[:, :2], y))


def test_divergence_is_an_error_that_tells_where():
    x, y = diabetes()
    with pytest.raises(ValueError, match="non-finite parameter weights") as caught:
        MLPRegressor(**SMALL | {"solver": "sgd", "learning_rate_init": 1e3, "max_iter": 50}).fit(x, y)
    assert "epoch 2, step 1: the loss is not finite" in str(caught.value.__cause__)
