"""The classifier."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from gpubp.losses import Loss
from gpubp.sklearn.arrays import like, on_host
from gpubp.sklearn.base import FLOATS, SPARSE, BaseMLP
from gpubp.sklearn.objective import loss_of
from gpubp.sklearn.parameters import CONSTRAINTS, LOSSES, SHARE


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron that classifies, with scikit-learn's parameters, defaults and meanings, and more.

    Arguments, beside those of `gpubp.sklearn.parameters.Parameters`:
        hidden_layer_sizes: int or array-like of ints. Default (100,).
        activation: of the hidden layers: "identity", "logistic", "tanh", "relu", a name of `gpubp.activations`, a
            function over `gpubp.ops`; a list has one for each layer. Default "relu".
        loss: "log_loss", or any of `gpubp.losses` by name or instance, or a function of (y_true, y_pred) over
            `gpubp.ops`. These get labels as numbers where they take them, else one column a class. Default "log_loss".
        class_weight: dict of classes to weights, or "balanced": n / (classes x count of the class). Default 1 each.
        label_smoothing: of "log_loss": the share of each label that is spread over all classes. Default 0.

    Fitted attributes are scikit-learn's: `coefs_`, `intercepts_`, which may be set, `loss_`, `loss_curve_`,
    `best_loss_`, `validation_scores_`, `best_validation_score_`, `n_iter_`, `t_`, `n_features_in_`,
    `feature_names_in_`, `n_layers_`, `n_outputs_`, `out_activation_`, `classes_`; and `validation_loss_curve_`, the
    loss of `validation_data` after each epoch, without the penalty.

    Raises:
        ValueError: from `fit`, for parameters out of range and input that does not fit, as in scikit-learn.

    Source: https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.MLPClassifier.html

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> MLPClassifier(solver="lbfgs", random_state=0).fit(x, y).score(x, y) > 0.95
    True
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    loss: Any = field(default="log_loss", kw_only=True)
    class_weight: Any = field(default=None, kw_only=True)
    label_smoothing: float = field(default=0.0, kw_only=True)

    _parameter_constraints = CONSTRAINTS | {
        "loss": [StrOptions({"log_loss", *LOSSES}), callable, Loss],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [SHARE],
    }
    _stratified = True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, validation_data=None):
        """Trains from the beginning, or with `warm_start` from the weights that there are.

        Arguments:
            X: array or sparse matrix (rows, features).
            y: labels (rows,), or a matrix of zeros and ones (rows, labels).
            sample_weight: (rows,). Default 1 each.
            validation_data: (X, y) or (X, y, sample_weight), whose loss after each epoch `validation_loss_curve_`
                holds, and by which `early_stopping` decides. Default none.

        Raises:
            ValueError: for input that does not fit, and where training diverges.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_if(BaseMLP._can_go_on)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Trains for one epoch more.

        Arguments:
            X, y, sample_weight: as of `fit`.
            classes: all that there are; the first call needs them. Default those of `y`, in later calls.
        """
        y, classes = on_host("y", y), on_host("classes", classes)
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X):
        """The most probable class of each row; of several labels zeros and ones."""
        check_is_fitted(self)
        return like(X, self._decoded(self._outputs(X)))

    def predict_proba(self, X):
        """The probabilities of the classes, (rows, classes), in the order of `classes_`."""
        check_is_fitted(self)
        return like(X, self._probabilities(X))

    def predict_log_proba(self, X):
        """The logarithms of `predict_proba`."""
        check_is_fitted(self)
        p = self._probabilities(X)
        return like(X, np.log(p, out=p))

    def _probabilities(self, X) -> np.ndarray:
        p = self._outputs(X)
        return np.hstack([1 - p, p]) if self.n_outputs_ == 1 else p

    # Targets

    def _checked(self, X, y, incremental, reset):
        X, y = validate_data(self, X, y, multi_output=True, dtype=FLOATS, reset=reset, **SPARSE)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return X, y
        classes = unique_labels(y)
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        self._refuse_unknown(classes)
        return X, y

    def _refuse_unknown(self, classes):
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _row_weights(self, X, y, sample_weight, incremental):
        weights = super()._row_weights(X, y, sample_weight, incremental)
        if self.class_weight is None:
            return weights
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all targets at once, which partial_fit does not see: pass a dict of "
                "classes to weights"
            )
        classes = compute_sample_weight(self.class_weight, y).astype(X.dtype)
        return classes if weights is None else weights * classes

    @property
    def _smoothing(self):
        return self.label_smoothing

    def _known(self, y):
        self._refuse_unknown(unique_labels(y))
        return np.asarray(y)

    def _outputs_for(self, y):
        kind, classes = self._label_binarizer.y_type_, len(self.classes_)
        if kind == "multiclass":
            return classes, "softmax"
        return (classes if kind.startswith("multilabel") else 1), "logistic"

    def _encoded(self, y, dtype):
        if self.out_activation_ != "softmax":
            return self._label_binarizer.transform(y).astype(np.uint8)
        if loss_of(self.loss, "softmax", self._smoothing).takes_labels:
            return np.searchsorted(self.classes_, y)
        return self._label_binarizer.transform(y).astype(dtype)

    def _decoded(self, encoded):
        if encoded.ndim == 1:
            return self.classes_[encoded]
        return self._label_binarizer.inverse_transform(encoded.ravel() if self.n_outputs_ == 1 else encoded)

    def _quality(self, outputs, encoded, weights):
        if self.out_activation_ == "softmax":
            hits = outputs.argmax(1) == (encoded if encoded.ndim == 1 else encoded.argmax(1))
        else:
            hits = ((outputs > 0.5) == encoded).all(axis=1)
        return float(np.average(hits, weights=weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
