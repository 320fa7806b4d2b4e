"""Methods as estimators of scikit-learn: what its own checks say, and what they answer."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import clustlab as cl
from clustlab import registry
from clustlab.errors import ParameterError
from clustlab.params import schema
from clustlab.scripting import estimators

ONE_CLUSTER = "the check asks for one cluster, and a clustering has at least two"
NOT_HELD = dict.fromkeys(
    (
        "check_dont_overwrite_parameters",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_fit1d",
        "check_fit2d_predict1d",
    ),
    ONE_CLUSTER,
)
"""Checks of scikit-learn that no estimator here passes, and why."""
SMALL_DEC = {"hidden_widths": "none", "epochs": 1, "max_updates": 2, "n_init": 1, "device": "cpu"}


def clouds(n=90):
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.3, (n, 4)) + 5 * np.eye(4)[np.arange(n) % 3], np.arange(n) % 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "given",
    [
        cl.sklearn.KMeans(n_clusters=3, n_init=1),
        pytest.param(cl.sklearn.GaussianMixture(n_clusters=3), marks=pytest.mark.slow),
        pytest.param(cl.sklearn.DEC(n_clusters=3, **SMALL_DEC), marks=pytest.mark.slow),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_scikit_learn_checks_holds_but_for_one_cluster(given):
    rows = check_estimator(given, expected_failed_checks=NOT_HELD, on_fail=None)
    wrong = {row["check_name"] for row in rows if row["status"] == "failed"}
    assert wrong == set()
    missed = {row["check_name"] for row in rows if row["status"] == "xfail"}
    assert missed == set(NOT_HELD)
    assert all(
        "n_clusters must lie in" in str(r["exception"]) for r in rows if r["status"] == "xfail"
    )


@pytest.mark.parametrize("name", registry.methods())
def test_each_method_has_an_estimator_with_its_settings(name):
    method = registry.method(name)
    made = getattr(cl.sklearn, method.__name__)
    settings = {p.name: p.default for p in schema(method)}
    assert made().get_params() == {**settings, "random_state": 0, "device": "auto"}
    assert inspect.signature(made).parameters.keys() == made().get_params().keys()
    changed = clone(made(random_state=7))
    assert changed.get_params()["random_state"] == 7
    assert method.idea in made.__doc__
    assert hasattr(made(), "predict") == registry.SCORING.is_offered_by(method)
    assert method.__name__ in dir(cl.sklearn)


def test_new_items_get_the_clusters_of_those_beside_them():
    items, truth = clouds()
    fitted = cl.sklearn.KMeans(n_clusters=3, n_init=1).fit(items)
    assert (fitted.predict(items) == fitted.labels_).all()
    assert len(set(zip(fitted.labels_, truth, strict=True))) == 3
    more = items[:9] + 0.01
    assert (fitted.predict(more) == fitted.labels_[:9]).all()
    assert fitted.embedding_.shape[0] == 90


def test_seeds_decide_and_generators_are_taken():
    items, _ = clouds()
    one, same = (cl.sklearn.DEC(n_clusters=3, **SMALL_DEC).fit(items) for _ in range(2))
    assert (one.labels_ == same.labels_).all()
    assert (one.predict(items) == one.labels_).mean() > 0.99
    cl.sklearn.KMeans(n_clusters=3, random_state=np.random.RandomState(1)).fit(items)
    cl.sklearn.KMeans(n_clusters=3, random_state=None).fit(items)


def test_images_are_clustered_as_bytes_or_as_floats():
    images = load_digits().images[:120]
    as_bytes = (images * 15).astype(np.uint8)
    fitted = cl.sklearn.PCAKMeans(n_clusters=3, n_init=1).fit(as_bytes)
    again = cl.sklearn.PCAKMeans(n_clusters=3, n_init=1).fit(as_bytes / 255)
    assert (fitted.labels_ == again.labels_).all()
    assert (fitted.predict(as_bytes) == fitted.labels_).all()
    with pytest.raises(ValueError, match=r"lie in \[0, 240\]"):
        cl.sklearn.PCAKMeans(n_clusters=3).fit(as_bytes.astype(float))
    with pytest.raises(ValueError, match="works on images"):
        cl.sklearn.BiGANKMeans(n_clusters=3).fit(clouds()[0])


def test_they_work_in_pipelines_and_grids():
    items, truth = clouds()
    pipeline = make_pipeline(StandardScaler(), cl.sklearn.KMeans(n_clusters=3, n_init=1))
    assert len(set(zip(pipeline.fit_predict(items), truth, strict=True))) == 3
    grid = GridSearchCV(
        cl.sklearn.KMeans(n_init=1),
        {"n_clusters": [2, 3]},
        scoring="adjusted_rand_score",
        cv=2,
        error_score="raise",
    ).fit(items, truth)
    assert grid.best_params_ == {"n_clusters": 3}


def test_what_does_not_fit_is_told():
    with pytest.raises(ParameterError, match="only n_samples=4"):
        cl.sklearn.KMeans(n_clusters=9).fit(clouds(4)[0])
    with pytest.raises(AttributeError, match="no estimator 'Nothing'"):
        _ = estimators.Nothing
    with pytest.raises(TypeError):
        cl.sklearn.KMeans(clusters=3)
