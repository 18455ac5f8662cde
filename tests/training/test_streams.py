"""Batches that come one after the other: what they give is what the same rows give as arrays."""

import itertools

import numpy as np
import pytest

import gpubp
from gpubp import Input, Sequential, layers
from gpubp.utils import PyDataset

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((22, 4)).astype(np.float32), RNG.integers(0, 3, 22)
BATCHES = [(X[a:b], LABELS[a:b]) for a, b in itertools.pairwise([0, 6, 12, 18, 22])]


def classifier(**options):
    gpubp.set_random_seed(1)
    model = Sequential([Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def by_arrays(epochs=2, **options):
    model = classifier()
    history = model.fit(X, LABELS, batch_size=6, epochs=epochs, shuffle=False, verbose=0, **options)
    return model, history.history


def assert_same(model, wanted):
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Batches(PyDataset):
    def __init__(self, extra=()):
        super().__init__(workers=2)
        self.extra, self.epochs = extra, []

    def __len__(self):
        return len(BATCHES)

    def __getitem__(self, index):
        return (*BATCHES[index], *(w[index] for w in self.extra))

    def on_epoch_begin(self):
        self.epochs.append("begin")

    def on_epoch_end(self):
        self.epochs.append("end")


class Plain:
    """What only has a length and an index."""

    def __len__(self):
        return len(BATCHES)

    def __getitem__(self, index):
        return BATCHES[index]


class Iterable:
    """What begins anew for each epoch."""

    def __iter__(self):
        return iter(BATCHES)


def loader():
    """PyTorch's, where that is installed."""
    torch = pytest.importorskip("torch")
    whole = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABELS))
    return torch.utils.data.DataLoader(whole, batch_size=6)


def tensors():
    torch = pytest.importorskip("torch")
    return ((torch.tensor(x), torch.tensor(y)) for x, y in BATCHES * 2)


SOURCES = {
    "a dataset": Batches,
    "a sequence": Plain,
    "an iterable": Iterable,
    "a generator for all epochs": lambda: (b for b in BATCHES * 2),
    "lists for tuples": lambda: iter([list(b) for b in BATCHES * 2]),
    "a data loader": loader,
    "tensors": tensors,
    "float64 and int32": lambda: ((x.astype(np.float64), y.astype(np.int32)) for x, y in BATCHES * 2),
}


@pytest.mark.parametrize("source", SOURCES)
def test_fit_on_batches_is_fit_on_their_rows(source):
    wanted, history = by_arrays()
    model, data = classifier(), SOURCES[source]()
    steps = None if hasattr(data, "__len__") or source == "an iterable" else 4
    found = model.fit(data, epochs=2, steps_per_epoch=steps, shuffle=False, verbose=0).history
    assert_same(model, wanted)
    assert {name: pytest.approx(values) for name, values in history.items()} == found


@pytest.mark.parametrize("source", ["a dataset", "an iterable", "a data loader"])
def test_evaluate_and_predict_on_batches_are_those_on_their_rows(source):
    model, _ = by_arrays()
    wanted = model.evaluate(X, LABELS, verbose=0)
    assert model.evaluate(SOURCES[source](), verbose=0) == pytest.approx(wanted)
    np.testing.assert_allclose(model.predict(SOURCES[source](), verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    history = model.fit(X, LABELS, validation_data=SOURCES[source](), verbose=0).history
    assert history["val_loss"] == [pytest.approx(model.evaluate(X, LABELS, verbose=0)[0])]


def test_short_epochs_of_shuffled_batches_choose_from_all_of_them():
    class Noted(Plain):
        taken = ()

        def __getitem__(self, index):
            self.taken = (*self.taken, index)
            return BATCHES[index]

    data = Noted()
    classifier().fit(data, steps_per_epoch=2, epochs=20, verbose=0)
    assert len(data.taken) == 40
    assert set(data.taken) == {0, 1, 2, 3}
    assert all(a != b for a, b in zip(data.taken[::2], data.taken[1::2], strict=True))
    data = Noted()
    classifier().fit(data, steps_per_epoch=2, epochs=2, shuffle=False, verbose=0)
    assert data.taken == (0, 1, 0, 1)


def test_a_generator_without_end_needs_steps_and_is_asked_for_no_more():
    taken = []

    def endless():
        for k in itertools.count():
            taken.append(k)
            yield BATCHES[k % 4]

    model = classifier()
    model.fit(endless(), steps_per_epoch=3, epochs=2, validation_data=endless(), validation_steps=2, verbose=0)
    assert model.iterations == 6
    assert len(taken) == 6 + 2 * 2
    taken.clear()
    assert model.predict(endless(), steps=4, verbose=0).shape == (22, 3)
    assert len(model.evaluate(endless(), steps=4, verbose=0)) == 2
    assert len(taken) == 8


def test_weights_and_classes_in_batches():
    w = RNG.uniform(0, 2, 22)
    parts = [w[a:b] for a, b in itertools.pairwise([0, 6, 12, 18, 22])]
    wanted, _ = by_arrays(sample_weight=w, class_weight={0: 2.0, 1: 0.5})
    model = classifier()
    model.fit(Batches(extra=[parts]), epochs=2, shuffle=False, verbose=0, class_weight={0: 2.0, 1: 0.5})
    assert_same(model, wanted)


def test_a_dataset_is_told_when_epochs_begin_and_end_and_its_batches_are_shuffled():
    data, seen = Batches(), []

    class Spy(Batches):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    classifier().fit(data, epochs=2, verbose=0)
    assert data.epochs == ["begin", "end"] * 2
    classifier().fit(Spy(), epochs=8, verbose=0)
    orders = [tuple(seen[k : k + 4]) for k in range(0, 32, 4)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len(set(orders)) > 2


def test_batches_of_every_size_in_turn():
    cuts = [0, 1, 8, 10, 15, 22]
    sizes = [(X[a:b], LABELS[a:b]) for a, b in itertools.pairwise(cuts)]
    model, twin = classifier(), classifier()
    model.fit(iter(sizes), verbose=0)
    for x, y in sizes:
        twin.train_on_batch(x, y)
    assert_same(model, twin)


def test_accumulation_over_batches_and_the_rest_of_an_epoch():
    def model():
        made = classifier()
        made.compile(gpubp.optimizers.SGD(0.1, gradient_accumulation_steps=3), "sparse_categorical_crossentropy")
        return made

    streamed, wanted = model(), model()
    streamed.fit(Plain(), epochs=2, shuffle=False, verbose=0)
    wanted.fit(X, LABELS, batch_size=6, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(streamed.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert streamed.optimizer.iterations == wanted.optimizer.iterations == 4


@pytest.mark.parametrize("verbose", [1, 2])
def test_what_has_no_number_of_rows_can_be_shown(verbose, capsys):
    classifier().fit((b for b in BATCHES), verbose=verbose)
    classifier().fit(Plain(), verbose=verbose)
    assert "loss" in capsys.readouterr().out


MID_TRAINING = {
    "a label too large": ((X, LABELS + 1), r"label 3 is not in 0\.\.2"),
    "NaN": ((X * np.nan, LABELS), "x holds values that are not finite"),
    "other features": ((X[:, :3], LABELS), r"\(rows, 4\)"),
    "fewer targets": ((X, LABELS[:3]), "22 rows and y has 3"),
    "too many parts": ((X, LABELS, None, None), "4 parts"),
    "no rows": ((X[:0], LABELS[:0]), "must have rows"),
    "no target": (X, "no y"),
}


@pytest.mark.parametrize("case", MID_TRAINING)
def test_a_bad_batch_in_mid_training_leaves_the_model_as_of_the_step_before(case):
    batch, message = MID_TRAINING[case]
    model, twin = classifier(), classifier()
    with pytest.raises(ValueError, match=message):
        model.fit(iter([*BATCHES[:2], batch, BATCHES[3]]), verbose=0)
    twin.fit(iter(BATCHES[:2]), verbose=0)
    assert_same(model, twin)
    assert model.iterations == 2
    for each in (model, twin):
        each.fit(X, LABELS, verbose=0)
    assert_same(model, twin)


REFUSED = {
    "targets beside a stream": (lambda m: m.fit(Iterable(), LABELS), "y can't be given beside"),
    "weights beside a stream": (lambda m: m.fit(Iterable(), sample_weight=LABELS), "sample_weight can't be given"),
    "a split of a stream": (lambda m: m.fit(Iterable(), validation_split=0.5), "validation_split can't be given"),
    "no batches": (lambda m: m.fit(iter([])), "no batches"),
    "no batches to evaluate": (lambda m: m.evaluate(iter([])), "no batches .left. to evaluate"),
    "no batches to predict": (lambda m: m.predict(iter([])), "no batches .left. to predict"),
    "validation data that are neither": (lambda m: m.fit(X, LABELS, validation_data=X), "validation_data is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_streams_can_not_do_is_refused(case):
    act, message = REFUSED[case]
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    with pytest.raises(ValueError, match=message):
        act(model)
    assert model.iterations == 1
