"""Initial values of weights, drawn on the host so that they are the same on every device."""

import inspect
import re
from math import prod

import numpy as np

from gpubp import config
from gpubp.names import lookup
from gpubp.utils import next_seed

DEVIATION_CUT = 0.87962566103423978  # that of a standard normal variable cut at two deviations
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


class Initializer:
    """Base of initializers: subclasses define `sample(shape, rng)`. Layers draw from a generator of their own.

    >>> from gpubp.initializers import HeNormal
    >>> first, second = HeNormal(seed=3)((2, 4)), HeNormal(seed=3)((2, 4))
    >>> bool((first == second).all())
    True
    """

    seed: int | None = None
    _drawn: int | None = None  # the seed of one without

    def sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Float64 values of a shape, drawn from the generator."""
        raise NotImplementedError(f"{type(self).__name__} does not define sample")

    def __call__(self, shape, dtype=None) -> np.ndarray:
        """An array of values, the same at each call.

        Arguments:
            shape: tuple of ints.
            dtype: default `config.floatx()`.
        """
        if self.seed is None and self._drawn is None:
            self._drawn = next_seed()
        rng = np.random.default_rng(self._drawn if self.seed is None else self.seed)
        return np.asarray(self.sample(tuple(shape), rng), dtype or config.floatx())

    def get_config(self) -> dict:
        """The arguments that make an equal initializer."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, config: dict):
        """The initializer of a configuration that `get_config` gave."""
        return cls(**config)


class Constant(Initializer):
    """The same number everywhere.

    Arguments:
        value: default 0.

    Source: https://keras.io/api/layers/initializers
    """

    def __init__(self, value=0.0):
        self.value = value

    def sample(self, shape, rng):
        return np.full(shape, self.value)


class Zeros(Initializer):
    """0 everywhere."""

    def sample(self, shape, rng):
        return np.zeros(shape)


class Ones(Initializer):
    """1 everywhere."""

    def sample(self, shape, rng):
        return np.ones(shape)


class Identity(Initializer):
    """The identity matrix, or as much of it as a rectangle holds, times a factor.

    Arguments:
        gain: float, the factor. Default 1.

    Raises:
        ValueError: at the call, if the shape is not that of a matrix.
    """

    def __init__(self, gain=1.0):
        self.gain = gain

    def sample(self, shape, rng):
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices; the shape {shape} has {len(shape)} dimensions")
        return self.gain * np.eye(*shape)


class RandomNormal(Initializer):
    """Normal.

    Arguments:
        mean, stddev: default 0 and 0.05.
        seed: int; default None: layers draw from their own generator, and each instance alone has its own values.
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev, self.seed = mean, stddev, checked_seed(seed)

    def sample(self, shape, rng):
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal, where values beyond two deviations are drawn anew. Arguments as of RandomNormal."""

    def sample(self, shape, rng):
        return self.mean + self.stddev * cut_normal(shape, rng)


class RandomUniform(Initializer):
    """Uniform between two bounds.

    Arguments:
        minval, maxval: default -0.05 and 0.05.
        seed: as of RandomNormal.
    """

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.maxval, self.seed = minval, maxval, checked_seed(seed)

    def sample(self, shape, rng):
        return rng.uniform(self.minval, self.maxval, shape)


class VarianceScaling(Initializer):
    """Of variance scale / n, where n is the number of inputs of a unit, or of outputs, or their mean.

    Arguments:
        scale: float > 0. Default 1.
        mode: "fan_in", "fan_out" or "fan_avg", which n is. Default "fan_in".
        distribution: "truncated_normal" (or "normal"), cut at two deviations; "untruncated_normal"; "uniform".
            Default "truncated_normal".
        seed: as of RandomNormal.
        input_axes, output_axes: the axes whose sizes multiply to the numbers of inputs and outputs, given together.
            Default the last but one and the last, times all before these.

    Raises:
        ValueError: for other values.

    Source: https://keras.io/api/layers/initializers
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if not scale > 0:
            raise ValueError(f"VarianceScaling: scale must be greater than 0; it is {scale!r}")
        for name, value, known in (("mode", mode, MODES), ("distribution", distribution, DISTRIBUTIONS)):
            if value not in known:
                raise ValueError(f"VarianceScaling: {name} must be one of {', '.join(known)}; it is {value!r}")
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, checked_seed(seed)
        self.input_axes, self.output_axes = input_axes, output_axes

    def sample(self, shape, rng):
        fan_in, fan_out = self._fans(shape)
        n = max(1, {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode])
        if self.distribution == "uniform":
            limit = (3 * self.scale / n) ** 0.5
            return rng.uniform(-limit, limit, shape)
        deviation = (self.scale / n) ** 0.5
        if self.distribution == "truncated_normal":
            return cut_normal(shape, rng) / DEVIATION_CUT * deviation
        return rng.normal(0.0, deviation, shape)

    def _fans(self, shape) -> tuple[int, int]:
        """The numbers of inputs and outputs of a unit."""
        if self.input_axes is not None and self.output_axes is not None:
            return prod(shape[a] for a in self.input_axes), prod(shape[a] for a in self.output_axes)
        if len(shape) < 2:
            return prod(shape), prod(shape)
        field = prod(shape[:-2])
        return field * shape[-2], field * shape[-1]


class _Scaled(VarianceScaling):
    """Variance scaling of a fixed kind. Arguments as of VarianceScaling."""

    kind: tuple[float, str, str]

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self.kind, seed, input_axes, output_axes)


class GlorotUniform(_Scaled):
    """Uniform, of variance 2 / (inputs + outputs). Source: X. Glorot, Y. Bengio, AISTATS 2010."""

    kind = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Normal cut at two deviations, of variance 2 / (inputs + outputs). Source: X. Glorot, Y. Bengio, AISTATS 2010."""

    kind = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform, of variance 2 / inputs. Source: K. He et al., ICCV 2015."""

    kind = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Normal cut at two deviations, of variance 2 / inputs. Source: K. He et al., ICCV 2015."""

    kind = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform, of variance 1 / inputs. Source: Y. LeCun et al., Efficient backprop, 1998."""

    kind = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Normal cut at two deviations, of variance 1 / inputs. Source: Y. LeCun et al., Efficient backprop, 1998."""

    kind = (1.0, "fan_in", "truncated_normal")


class Orthogonal(Initializer):
    """An orthogonal matrix, uniformly distributed; with more columns than rows its rows are orthonormal.

    Axes before the last are taken together as rows.

    Arguments:
        gain: float, a factor. Default 1.
        seed: as of RandomNormal.

    Raises:
        ValueError: at the call, if the shape has less than two dimensions.

    Source: A. Saxe et al., ICLR 2014; F. Mezzadri, Notices of the AMS 54, 2007, for the signs.
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain, self.seed = gain, checked_seed(seed)

    def sample(self, shape, rng):
        if len(shape) < 2:
            raise ValueError(f"Orthogonal makes arrays of two or more dimensions; the shape is {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)


def cut_normal(shape, rng):
    """Standard normal values, those beyond two deviations drawn anew."""
    values = rng.standard_normal(prod(shape)).reshape(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values


def checked_seed(seed) -> int | None:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
        raise ValueError(f"the seed of an initializer is an int of at least 0, or None; it is {seed!r}")
    return seed if seed is None else int(seed)


KINDS = (
    *(Constant, Zeros, Ones, Identity, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling, Orthogonal),
    *(GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal),
)
CLASSES = {c.__name__: c for c in KINDS}
NAMES = {re.sub(r"(?<!^)(?=[A-Z])", "_", c.__name__).lower(): c for c in KINDS}
ALIASES = {"zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform}

constant, zeros, ones, identity, orthogonal = Constant, Zeros, Ones, Identity, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


def draw(initializer, shape, rng: np.random.Generator, dtype=None) -> np.ndarray:
    """The values that an initializer gives for a shape.

    Arguments:
        initializer: what `get` has returned.
        shape: tuple of ints.
        rng: what is drawn from, unless the initializer has a seed of its own.
        dtype: what functions of (shape, dtype) are told.
    """
    if isinstance(initializer, Initializer) and type(initializer).__call__ is Initializer.__call__:
        return initializer.sample(shape, rng if initializer.seed is None else np.random.default_rng(initializer.seed))
    parameters = inspect.signature(initializer).parameters
    if "dtype" in parameters:
        return initializer(shape, dtype=dtype)
    return initializer(shape) if len(parameters) == 1 else initializer(shape, rng)


def get(identifier):
    """An initializer from itself, its name, class or configuration.

    Functions of (shape, dtype) or (shape, rng), and arrays of the weight's shape, are taken as they are.

    Raises ValueError for unknown names.

    >>> from gpubp import initializers
    >>> initializers.serialize(initializers.get("HeNormal"))
    'he_normal'
    """
    if isinstance(identifier, str):
        return lookup("initializer", identifier, NAMES | CLASSES | ALIASES)()
    if isinstance(identifier, dict):
        return lookup("initializer", identifier["class_name"], NAMES | CLASSES | ALIASES)(**identifier["config"])
    if isinstance(identifier, np.ndarray):
        return lambda shape: identifier
    if inspect.isclass(identifier):
        return identifier()
    if identifier is None or callable(identifier):
        return identifier
    raise ValueError(f"an initializer is a name, an instance or a function of (shape, dtype); this is {identifier!r}")


def serialize(initializer) -> str | dict | None:
    """What `get` makes an equal initializer of: a name, or class and configuration. Raises ValueError for one's own."""
    if initializer is None:
        return None
    kind: type = type(initializer)
    if CLASSES.get(kind.__name__) is not kind:
        raise ValueError(f"the initializer {initializer!r} is one's own, which a file can't keep")
    described = initializer.get_config()
    if described == kind().get_config():
        return next(name for name, known in NAMES.items() if known is kind)
    return {"class_name": kind.__name__, "config": described}
