"""What both estimators do: check what they get, make a network, train it, predict with it."""

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, validate_data

from gpubp import backend
from gpubp.config import policy_of
from gpubp.engine.diagnose import NonFiniteError
from gpubp.sklearn import lbfgs
from gpubp.sklearn.convergence import Convergence
from gpubp.sklearn.data import Rows, held_out, order_of_epochs
from gpubp.sklearn.initial import initial_weights
from gpubp.sklearn.network import Architecture, Network, Weights, borrowed, described
from gpubp.sklearn.objective import loss_of
from gpubp.sklearn.parameters import Parameters, activation_of, each_layer
from gpubp.sklearn.solvers import Progress, Rate, optimizer_of
from gpubp.sklearn.tasks import CallbackSupportMixin, Tasks

SPARSE = {"accept_sparse": ["csr", "csc"]}
FLOATS = (np.float64, np.float32)
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
PREDICTED_ROWS = 1024  # at a time, so that any number of rows fits into memory


@dataclass(eq=False, repr=False, kw_only=True)
class BaseMLP(CallbackSupportMixin, Parameters, BaseEstimator):
    """Fitting and predicting. Subclasses tell what targets, their losses and scores are."""

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    loss: Any = None
    class_weight: Any = None
    label_smoothing: float = 0.0

    # What subclasses tell

    def _checked(self, X, y, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """Inputs and targets in dtypes of numbers. Raises what scikit-learn raises for what does not fit."""
        raise NotImplementedError

    def _encoded(self, y, dtype) -> np.ndarray:
        """Targets as the loss takes them: labels (n,), else (n, outputs)."""
        raise NotImplementedError

    def _decoded(self, encoded):
        """Targets as the user gave them, from what `_encoded` made."""
        raise NotImplementedError

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
        hidden = self._hidden_units()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._checked(X, y, incremental, reset=first)
        weights = self._row_weights(X, y, sample_weight, incremental)
        dtype = self._policy(X)
        self.n_outputs_, out_activation = self._outputs_for(y)
        random = check_random_state(self.random_state)
        if first:
            self.out_activation_ = out_activation
            self._initialize([X.shape[1], *hidden, self.n_outputs_], policy_of(dtype).variable_dtype, random)
        rows = Rows(X, self._encoded(y, policy_of(dtype).variable_dtype), weights)
        held = None if validation_data is None else self._held(validation_data, X.dtype, rows.y.dtype)
        with self._network("float64" if self.solver == "lbfgs" else dtype) as network:
            if self.solver == "lbfgs":
                lbfgs.fit(self, network, rows, held, self._watchers(X, y, network))
            else:
                self._fit_stochastic(network, rows, held, y, random, incremental)
            self._take_over(network.weights)
        return self

    def _hidden_units(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(n) for n in sizes]

    def _policy(self, X) -> str:
        """The dtype, or policy, to compute with: that of the inputs, unless it has been chosen."""
        chosen = X.dtype if self.dtype is None else self.dtype
        return chosen if isinstance(chosen, str) else np.dtype(chosen).name

    def _row_weights(self, X, y, sample_weight, incremental) -> np.ndarray | None:
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        if self.class_weight is None:
            return weights
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all targets at once, which partial_fit does not see: "
                "pass a dict of classes to weights"
            )
        classes = compute_sample_weight(self.class_weight, y).astype(X.dtype)
        return classes if weights is None else weights * classes

    def _initialize(self, units, dtype, random):
        """The attributes and weights of an estimator that has not been fitted, or is fitted anew."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        weights = initial_weights(units, self.activation, self.batch_norm, dtype, random)
        self.coefs_, self.intercepts_, self._normalisation = weights.coefs, weights.intercepts, weights.normalisation
        self._no_improvement_count, self.loss_curve_ = 0, []
        self.validation_loss_curve_: list[float] = []
        self.best_loss_, self.validation_scores_, self.best_validation_score_ = np.inf, None, None
        if self.early_stopping:
            self.best_loss_, self.validation_scores_, self.best_validation_score_ = None, [], -np.inf

    def _held(self, validation_data, dtype, target_dtype) -> Rows:
        """Rows to validate on that the user has passed: (X, y) or (X, y, sample_weight)."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            raise ValueError("validation_data is (X, y) or (X, y, sample_weight)")
        X, y, *weights = validation_data
        X = validate_data(self, X, dtype=FLOATS, reset=False, **SPARSE)
        return Rows(
            X, self._encoded(self._known(y), target_dtype), _check_sample_weight(*weights, X) if weights else None
        )

    def _known(self, y):
        """Targets of rows that are not trained on."""
        return np.asarray(y)

    def _take_over(self, weights: Weights):
        if not all(np.isfinite(w).all() for w in (*weights.coefs, *weights.intercepts)):
            raise ValueError(NOT_FINITE)
        self.coefs_, self.intercepts_, self._normalisation = weights.coefs, weights.intercepts, weights.normalisation

    def _watchers(self, X, y, network) -> list:
        """The callbacks of the user, gpubp's and scikit-learn's."""
        return [*(self.callbacks or []), *Tasks.of(self, X, y, network)]

    def _fit_stochastic(self, network: Network, rows: Rows, held: Rows | None, y, random, incremental):
        progress = getattr(self, "_optimizer", None) if incremental else None
        if progress is None:
            progress = Progress(None if callable(network.model.optimizer.learning_rate) else self._first_rate(network))
        tried = None
        if self.early_stopping:
            if held is None:
                stratify = rows.y.astype(bool) if self._stratified and self.n_outputs_ == 1 else None
                rows, held = held_out(rows, self.validation_fraction, stratify, random)
            tried = partial(self._validation_score, network, held)
        order: Any = self.shuffle
        if self.rng == "sklearn":
            order, seed = self.shuffle and order_of_epochs(random), 0
        else:
            seed = int(random.randint(np.iinfo(np.int32).max))
        rate = Rate(self, progress)
        convergence = Convergence(self, network, rate, len(rows), tried, incremental)
        network.model.seed = seed
        progress.enter(network)
        self.n_iter_ = 0
        try:
            network.model.fit(
                rows.x,
                rows.y,
                sample_weight=rows.weights,
                batch_size=self._batch_rows(len(rows)),
                epochs=1 if incremental else self.max_iter,
                shuffle=order,
                verbose=0,
                validation_data=held and (held.x, held.y, held.weights),
                callbacks=[convergence, *self._watchers(rows.x, y, network)],
            )
        except NonFiniteError as error:
            convergence.diverged()
            if not self.early_stopping:
                raise ValueError(NOT_FINITE) from error
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        progress.leave(network)
        self._optimizer = progress
        if convergence.best is not None:
            network.weights = convergence.best

    def _first_rate(self, network) -> float:
        """The learning rate to begin with: of an optimizer that the user has made, its own."""
        own = not isinstance(self.solver, str)
        return float(network.model.optimizer.learning_rate if own else self.learning_rate_init)

    def _batch_rows(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
            )
        return int(min(self.batch_size, n))

    def _validation_score(self, network: Network, held: Rows) -> float:
        if self.scoring is not None:
            self.coefs_, self.intercepts_ = network.weights.coefs, network.weights.intercepts
            self._normalisation = network.weights.normalisation
            return float(check_scoring(self, self.scoring)(self, held.x, self._decoded(held.y)))
        outputs = network.model.predict(held.x, batch_size=PREDICTED_ROWS, verbose=0)
        return self._quality(outputs, held.y, held.weights) if np.isfinite(outputs).all() else float("nan")

    # Computing

    @contextmanager
    def _network(self, dtype: str):
        """A network with the weights of this estimator."""
        hidden = len(self.coefs_) - 1
        functions = [
            activation_of(a) for a in (*each_layer("activation", self.activation, hidden), self.out_activation_)
        ]
        dropout = each_layer("dropout", self.dropout, hidden)
        units = (*(len(coef) for coef in self.coefs_), self.coefs_[-1].shape[1])
        architecture = Architecture(units, tuple(functions), dtype, dropout, self.batch_norm)
        options = self.loss, self.out_activation_, self.label_smoothing
        with ExitStack() as stack:
            if self.device is not None:
                stack.enter_context(backend.device(self.device))
            if self.n_threads is not None:
                from threadpoolctl import threadpool_limits

                stack.enter_context(threadpool_limits(self.n_threads, user_api="blas"))
            network = stack.enter_context(
                borrowed(
                    architecture, partial(loss_of, *options), optimizer_of(self), (described(self.loss), *options[1:])
                )
            )
            network.weights = Weights(self.coefs_, self.intercepts_, getattr(self, "_normalisation", []))
            network.alpha.assign(self.alpha)
            yield network

    def _outputs(self, X) -> np.ndarray:
        """What the network gives for inputs, in the precision of inputs and weights."""
        X = validate_data(self, X, reset=False, **SPARSE)
        weights = self.coefs_[0].dtype
        dtype = self._policy(X) if self.dtype is not None else np.result_type(X.dtype, weights).name
        with self._network(dtype) as network:
            return network.model.predict(X, batch_size=PREDICTED_ROWS, verbose=0)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _can_go_on(self) -> bool:
        """Whether there is a `partial_fit`. Raises AttributeError otherwise, as `available_if` wants it."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True
