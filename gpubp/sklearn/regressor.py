"""The regressor."""

from dataclasses import dataclass
from typing import Any

from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from gpubp.losses import Loss
from gpubp.sklearn.base import FLOATS, SPARSE, BaseMLP
from gpubp.sklearn.parameters import CONSTRAINTS, LOSSES


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron that predicts numbers."""

    loss: Any = "squared_error"
    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"

    _parameter_constraints = CONSTRAINTS | {"loss": [StrOptions({"squared_error", "poisson", *LOSSES}), callable, Loss]}
    _stratified = False

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, validation_data=None):
        """Trains from the beginning, or with `warm_start` from the weights that there are.

        Arguments:
            X: array or sparse matrix (rows, features).
            y: numbers (rows,) or (rows, outputs).
            sample_weight: (rows,). Default 1 each.
            validation_data: (X, y) or (X, y, sample_weight), whose loss after each epoch `validation_loss_curve_`
                holds, and by which `early_stopping` decides. Default none.

        Raises:
            ValueError: for input that does not fit, and where training diverges.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_if(BaseMLP._can_go_on)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Trains for one epoch more. Arguments as of `fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X):
        """The predicted numbers: (rows,), or of several outputs (rows, outputs)."""
        check_is_fitted(self)
        return self._decoded(self._outputs(X))

    # Targets

    def _checked(self, X, y, incremental, reset):
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=FLOATS, reset=reset, **SPARSE)
        return X, (column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y)

    def _outputs_for(self, y):
        return (1 if y.ndim == 1 else y.shape[1]), ("exp" if self.loss == "poisson" else "identity")

    def _encoded(self, y, dtype):
        return y.reshape(len(y), -1).astype(dtype, copy=False)

    def _decoded(self, encoded):
        return encoded.ravel() if encoded.shape[1] == 1 else encoded

    def _quality(self, outputs, encoded, weights):
        return float(r2_score(encoded, outputs, sample_weight=weights))
