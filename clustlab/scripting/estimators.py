"""Every method as an estimator of scikit-learn, made from the declaration of its settings.

    import clustlab as cl
    labels = cl.sklearn.DEC(n_clusters=10, epochs=20).fit_predict(X)

X is (n, d) numbers, or images (n, h, w) or (n, h, w, c): uint8, or floats in [0, 1]. Nothing is
written to a folder of runs; `clustlab.train` is there for that.
"""

from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter, Signature
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from clustlab import registry
from clustlab.device import choose_device
from clustlab.errors import ParameterError
from clustlab.params import build, schema
from clustlab.registry import Method
from clustlab.types import Array, Snapshot

SEEDS = 2**31  # seeds that a generator of scikit-learn is asked for


def _can_predict(estimator: "Estimator") -> bool:
    return registry.SCORING.is_offered_by(estimator.method)


class Estimator(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # untyped there
    """One method. Its parameters are the settings of the method, `random_state` and `device`.

    Attributes
    ----------
    labels_ : array
        Cluster of each item, (n,) int, -1 for noise.
    embedding_ : array
        (n, d) float32, in which the clusters lie.
    probabilities_ : array or None
        (n, k) float32; None if the method gives none.
    n_iter_ : int
        Steps that the method has made.
    n_features_in_ : int
        Columns of X, or rows of an image.
    """

    method: ClassVar[type[Method]]

    def fit(self, X: Any, y: None = None) -> Self:
        """Cluster the items of X; y is ignored.

        Raises
        ------
        ValueError
            If X holds values that are not finite or shapes that the method does not work on.
        ParameterError
            If a setting is not valid, or there are fewer items than clusters.
        """
        from clustlab.context import Context

        method = build(self.method, self._settings())
        items = self._items(X, is_new=True)
        wanted = getattr(method, "n_clusters", 2)
        if len(items) < wanted:
            raise ParameterError(
                f"n_clusters is {wanted}, but there are only n_samples={len(items)} items.",
                "Ask for fewer clusters or more samples.",
            )
        device, _ = choose_device(self.device)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(SEEDS)
        ctx = Context(int(seed), device)
        steps: Iterator[Snapshot] = iter(method.iterate(items, ctx))
        last, self.n_iter_ = next(steps), 1
        for each in steps:
            last, self.n_iter_ = each, self.n_iter_ + 1
        self._last, self._state = last, ctx.final_checkpoint()
        self._items_fitted = items
        self.labels_: Array = np.asarray(last.assignments, dtype=np.int64)
        self.embedding_, self.probabilities_ = last.embedding, last.probabilities
        return self

    @available_if(_can_predict)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Array:
        """Cluster (m,) int of new items, as the method would answer for them.

        Raises
        ------
        ClustlabError
            If the method has not kept what it needs for that.
        """
        from clustlab.explaining.scorers import scores_of_new
        from clustlab.parts.inputs.network_input import Inputs

        check_is_fitted(self)
        items = self._items(X, is_new=False)
        device, _ = choose_device(self.device)
        spec: Any = build(self.method, self._settings())
        inputs = Inputs(self._items_fitted, device)
        module = spec.scorer(inputs, self._state, self._last).eval()
        scores = scores_of_new(module, self._items_fitted, items, device)
        clusters: Array = scores.argmax(1).astype(np.int64)
        return clusters

    def _settings(self) -> dict[str, Any]:
        return {p.name: getattr(self, p.name) for p in schema(self.method)}

    def _items(self, X: Any, *, is_new: bool) -> Array:
        """X as items that methods take; checked as scikit-learn does."""
        given = np.ndim(X)
        X = validate_data(
            self,
            X,
            reset=is_new,
            allow_nd=True,
            dtype="numeric",
            ensure_min_samples=2 if is_new else 1,
        )
        if given <= 2:
            if "points" not in self.method.accepts:
                raise ValueError(f"{self.method.title} works on images, not on rows of numbers.")
            return np.asarray(X, dtype=np.float32)
        if "images" not in self.method.accepts or given > 4:
            raise ValueError(f"{self.method.title} does not work on items of {given - 1} axes.")
        if X.dtype != np.uint8:
            low, high = float(X.min()), float(X.max())
            if low < 0 or high > 1:
                raise ValueError(
                    f"Images must be uint8, or floats in [0, 1]; these lie in [{low:g}, {high:g}]."
                )
            X = np.rint(X * 255).astype(np.uint8)
        return X[..., None] if given == 3 else X

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: float32 inside, and images have more than two axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = "images" in self.method.accepts
        tags.non_deterministic = False
        return tags


@cache
def estimator(name: str) -> type[Estimator]:
    """Estimator of the method of a name; raises `ParameterError` if there is none."""
    method = registry.method(name)
    settings = [
        Parameter(p.name, Parameter.KEYWORD_ONLY, default=p.default) for p in schema(method)
    ]
    own = [
        Parameter("random_state", Parameter.KEYWORD_ONLY, default=0),
        Parameter("device", Parameter.KEYWORD_ONLY, default="auto"),
    ]
    signature = Signature([Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *settings, *own])
    about = {
        "__init__": _constructor(signature),
        "__doc__": f"{method.title}: {method.idea}\n\n{Estimator.__doc__}",
        "__module__": __name__,
        "method": method,
    }
    made: type[Estimator] = type(method.__name__, (Estimator,), about)
    return made


def _constructor(signature: Signature) -> Callable[..., None]:
    """An `__init__` that keeps its arguments as they are, which is all scikit-learn allows."""

    def __init__(self: Estimator, **settings: Any) -> None:
        bound = signature.bind(self, **settings)
        bound.apply_defaults()
        for name, value in list(bound.arguments.items())[1:]:
            setattr(self, name, value)

    __init__.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect
    return __init__


def _names() -> dict[str, str]:
    """Names of methods by those of their classes."""
    return {method.__name__: name for name, method in registry.methods().items()}


def __getattr__(name: str) -> type[Estimator]:
    if name in _names():
        return estimator(_names()[name])
    raise AttributeError(f"there is no estimator {name!r}; there are {', '.join(_names())}")


def __dir__() -> list[str]:
    return sorted(["Estimator", "estimator", *_names()])
