"""What both estimators do: check what they get, make a network, train it, predict with it."""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gpubp import backend
from gpubp.config import policy_of
from gpubp.sklearn import conversion, files, lbfgs, stochastic
from gpubp.sklearn.arrays import on_host, where_read
from gpubp.sklearn.data import Rows, checked_weights
from gpubp.sklearn.initial import initial_weights
from gpubp.sklearn.network import KEPT, Architecture, Weights, borrowed, described
from gpubp.sklearn.objective import loss_of
from gpubp.sklearn.parameters import Parameters, activation_of, each_layer
from gpubp.sklearn.solvers import optimizer_of
from gpubp.sklearn.tasks import CallbackSupportMixin

SPARSE = {"accept_sparse": ["csr", "csc"]}
FLOATS = (np.float64, np.float32)


@dataclass(eq=False, repr=False, kw_only=True)
class BaseMLP(CallbackSupportMixin, Parameters, BaseEstimator):
    """Fitting and predicting. Subclasses tell what targets, their losses and scores are."""

    loss: Any = None  # first, since the regressor takes it by position before the others
    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"

    # What subclasses tell

    @property
    def _smoothing(self) -> float:
        """Of labels."""
        return 0.0

    def _checked(self, X, y, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """Inputs and targets in dtypes of numbers. Raises what scikit-learn raises for what does not fit."""
        raise NotImplementedError

    def _encoded(self, y, dtype) -> np.ndarray:
        """Targets as the loss takes them: labels (n,), else (n, outputs)."""
        raise NotImplementedError

    def _decoded(self, encoded):
        """Targets as the user gave them, from what `_encoded` made."""
        raise NotImplementedError

    def _row_weights(self, X, y, sample_weight, incremental: bool) -> np.ndarray | None:
        """The weights of the rows; None if all weigh 1."""
        return checked_weights(sample_weight, y)

    def _outputs_for(self, y) -> tuple[int, str]:
        """The number of outputs and their activation."""
        raise NotImplementedError

    def _quality(self, outputs, encoded, weights) -> float:
        """The score by which `early_stopping` decides, where `scoring` does not."""
        raise NotImplementedError

    # Fitting

    def _fit(self, X, y, sample_weight, validation_data=None, incremental: bool = False):
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        hidden, random = self._hidden_units(), check_random_state(self.random_state)
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        with self._resources():
            X, y = self._checked(where_read(X), on_host("y", y), incremental, reset=first)
            weights = self._row_weights(X, y, sample_weight, incremental)
            dtype = self._policy(X)
            self.n_outputs_, out_activation = self._outputs_for(y)
            if first:
                self.out_activation_ = out_activation
                self._initialize([X.shape[1], *hidden, self.n_outputs_], policy_of(dtype).variable_dtype, random)
            if self.solver != "lbfgs" and (first or not hasattr(self, "loss_curve_")):
                self._begin_curves()
            rows = Rows(X, self._encoded(y, policy_of(dtype).variable_dtype), weights)
            held = None if validation_data is None else self._held(validation_data, rows.y.dtype)
            with self._network("float64" if self.solver == "lbfgs" else dtype) as network:
                if self.solver == "lbfgs":
                    lbfgs.fit(self, network, rows, held)
                else:
                    stochastic.fit(self, network, rows, held, random, incremental)
                self._take_over(network.weights)
        return self

    def _hidden_units(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [index(n) for n in sizes]

    def _policy(self, X) -> str:
        """The dtype, or policy, to compute with: that of the inputs, unless it has been chosen."""
        chosen = X.dtype if self.dtype is None else self.dtype
        return chosen if isinstance(chosen, str) else np.dtype(chosen).name

    def _initialize(self, units, dtype, random):
        """The attributes and weights of an estimator that has not been fitted, or is fitted anew."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self._take_over(initial_weights(units, self.activation, self.batch_norm, dtype, random))
        self.validation_loss_curve_: list[float] = []

    def _begin_curves(self):
        """The attributes that solvers by batches write into after each epoch."""
        self._no_improvement_count, self.loss_curve_ = 0, []
        early = self.early_stopping
        self.best_loss_ = None if early else np.inf
        self.validation_scores_: list[float] | None = [] if early else None
        self.best_validation_score_ = -np.inf if early else None

    def _held(self, validation_data, target_dtype) -> Rows:
        """Rows to validate on that the user has passed: (X, y) or (X, y, sample_weight)."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            raise ValueError("validation_data is (X, y) or (X, y, sample_weight)")
        X, y, *weights = validation_data
        X = validate_data(self, where_read(X), dtype=FLOATS, reset=False, **SPARSE)
        y = self._known(on_host("y", y))
        return Rows(X, self._encoded(y, target_dtype), checked_weights(weights[0], y) if weights else None)

    def _known(self, y):
        """Targets of rows that are not trained on."""
        return np.asarray(y)

    def _take_over(self, weights: Weights):
        """Keeps weights. Raises ValueError if they are not finite."""
        if not all(np.isfinite(w).all() for w in (*weights.coefs, *weights.intercepts)):
            raise ValueError(stochastic.NOT_FINITE)
        self.coefs_, self.intercepts_, self._normalisation = weights.coefs, weights.intercepts, weights.normalisation

    # Computing

    def _architecture(self, dtype: str) -> Architecture:
        hidden = len(self.coefs_) - 1
        activations = *each_layer("activation", self.activation, hidden), self.out_activation_
        units = *(len(coef) for coef in self.coefs_), self.coefs_[-1].shape[1]
        dropout = each_layer("dropout", self.dropout, hidden)
        return Architecture(units, tuple(map(activation_of, activations)), dtype, dropout, self.batch_norm)

    @property
    def _weights(self) -> Weights:
        return Weights(self.coefs_, self.intercepts_, getattr(self, "_normalisation", []))

    @contextmanager
    def _network(self, dtype: str):
        """A network with the weights of this estimator."""
        loss = partial(loss_of, self.loss, self.out_activation_, self._smoothing)
        signature = described(self.loss), self.out_activation_, self._smoothing
        with borrowed(self._architecture(dtype), loss, optimizer_of(self), signature) as network:
            network.weights = self._weights
            network.alpha.assign(self.alpha)
            yield network

    @contextmanager
    def _resources(self):
        """The device and the threads of this estimator; what it no longer needs of the device it gives back."""
        with ExitStack() as stack:
            if self.device is not None:
                try:
                    stack.enter_context(backend.device(self.device))
                except RuntimeError as error:
                    raise RuntimeError(f"{error}, and this estimator follows after set_params(device=None)") from error
            if self.n_threads is not None:
                from threadpoolctl import threadpool_limits

                stack.enter_context(threadpool_limits(self.n_threads, user_api="blas"))
            yield
            backend.current_device().trim(KEPT)

    def _outputs(self, X) -> np.ndarray:
        """What the network gives for inputs, in the precision of inputs and weights."""
        with self._resources():
            X = validate_data(self, where_read(X), reset=False, **SPARSE)
            weights = self.coefs_[0].dtype
            dtype = self._policy(X) if self.dtype is not None else np.result_type(X.dtype, weights).name
            with self._network(dtype) as network:
                return network.model.predict(X, batch_size=stochastic.PREDICTED_ROWS, verbose=0)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def to_sklearn(self):
        """This fitted estimator as scikit-learn's own, which predicts the same to rounding.

        Batch normalisation becomes part of the weights. Raises ValueError for activations that scikit-learn lacks.
        """
        check_is_fitted(self)
        return conversion.to_sklearn(self)

    def save(self, path, overwrite: bool = True):
        """Writes this fitted estimator into one safetensors file: parameters, weights, classes, the optimizer's state.

        `gpubp.sklearn.load` makes an equal one of it, which `partial_fit` trains on as it would have trained this one;
        `gpubp.load_model` reads the network alone. All arrays are those of the host, so that where it was trained does
        not matter.

        Arguments:
            path: where to; by custom its name ends in ".safetensors".
            overwrite: whether a file may be there already. Default True.

        Raises:
            ValueError: for parameters that no file can keep: callbacks, a RandomState, functions other than losses and
                registered activations.
            FileExistsError: if there is a file that may not be overwritten.
            OSError: if the file can't be written; one that was there before is untouched.
        """
        check_is_fitted(self)
        files.save(self, path, overwrite)

    def to_model(self):
        """The fitted network as a `gpubp.Sequential` that ends with the output's activation."""
        check_is_fitted(self)
        return conversion.to_model(self)

    def _can_go_on(self) -> bool:
        """Whether there is a `partial_fit`. Raises AttributeError otherwise, as `available_if` wants it."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True
