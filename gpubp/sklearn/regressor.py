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
from gpubp.sklearn.arrays import like
from gpubp.sklearn.base import FLOATS, SPARSE, BaseMLP
from gpubp.sklearn.parameters import CONSTRAINTS, LOSSES


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron that predicts numbers, with scikit-learn's parameters, defaults and meanings, and more.

    Arguments, beside those of `gpubp.sklearn.parameters.Parameters`:
        loss: "squared_error", of which half is taken; "poisson", half of the deviance, with the exponential as the
            outputs' activation; or any of `gpubp.losses` by name or instance, or a function of (y_true, y_pred) over
            `gpubp.ops`. Default "squared_error".
        hidden_layer_sizes: int or array-like of ints. Default (100,).
        activation: of the hidden layers: "identity", "logistic", "tanh", "relu", a name of `gpubp.activations`, a
            function over `gpubp.ops`; a list has one for each layer. Default "relu".

    Fitted attributes are scikit-learn's: `coefs_`, `intercepts_`, which may be set, `loss_`, `loss_curve_`,
    `best_loss_`, `validation_scores_`, `best_validation_score_`, `n_iter_`, `t_`, `n_features_in_`,
    `feature_names_in_`, `n_layers_`, `n_outputs_`, `out_activation_`; and `validation_loss_curve_`, the loss of
    `validation_data` after each epoch, without the penalty.

    Raises:
        ValueError: from `fit`, for parameters out of range and input that does not fit, as in scikit-learn.

    Source: https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.MLPRegressor.html

    >>> import warnings
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> e = MLPRegressor("mean_absolute_error", max_iter=150, learning_rate_init=0.01, tol=0.0, random_state=0)
    >>> with warnings.catch_warnings(action="ignore"):  # that it could train on
    ...     e.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.9
    True
    """

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
        return like(X, self._decoded(self._outputs(X)))

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
