"""Clusterings made elsewhere: joined to their items, written as runs, and nothing made up."""

import json

import numpy as np
import pandas as pd
import pytest

from clustlab import registry
from clustlab.analysis import run_scores
from clustlab.analysis.timeline import Timeline
from clustlab.data import library
from clustlab.errors import Cancelled, ClustlabError, DataError, ParameterError
from clustlab.importing import clusterings
from clustlab.importing.clusterings import Choice
from clustlab.runs.identity import identity_of, same_settings
from clustlab.runs.store import RunSpec
from clustlab.training import worker
from clustlab.training.longer import how_to_train_longer
from tests.support.odd_arrays import mutated
from tests.support.own_data import classes, image_set, vector_set

N = 30


@pytest.fixture
def own():
    return vector_set("Mine", N, shown=False)


@pytest.fixture
def brought(store, tmp_path):
    """Bring a table or arrays in; returns what came of it."""

    def bring(content, dataset="mine", params=None, **choice):
        if isinstance(content, pd.DataFrame):
            path = tmp_path / "made.csv"
            content.to_csv(path, index=False)
        elif isinstance(content, dict):
            path = tmp_path / "made.npz"
            np.savez(path, **content)
        else:
            path = tmp_path / "made.npy"
            np.save(path, content)
        return clusterings.bring_in(store, path, Choice(dataset, params or {}, **choice))

    return bring


def named(own, **columns):
    """A table with the names of all items, in another order than theirs."""
    return pd.DataFrame({"name": list(own.item_names()), **columns}).iloc[::-1]


def test_a_clustering_is_joined_by_name_and_not_by_order(own, brought, store):
    made = brought(named(own, cluster=classes(N)))
    run = made.run
    assert (made.is_new, run.status, len(run), run.spec.is_outside) == (True, "done", 1, True)
    data = store.dataset(run)
    assert (run[0].assignments == data.labels).all()
    assert run_scores.of_run(run, data)["acc"] == 1
    assert (run[0].embedding == data.items).all()  # narrow vectors are their own embedding
    assert run[0].centers is None
    assert run[0].probabilities is None


def test_nothing_is_said_that_nobody_measured(own, brought):
    run = brought(named(own, cluster=classes(N))).run
    (record,) = run.log
    assert record["scalars"] == {}
    assert record["artefacts"] == {}
    assert (record["role"], record["samples"]) == ("read_off", 0)
    assert "seconds" not in record
    assert run.progress.get("seconds") is None
    assert run.manifest["method_title"] == registry.OUTSIDE_TITLE
    assert run.title == "made on Mine"
    assert run.spec.method_params["embedding"] == "principal components of the items"


def test_text_becomes_numbers_and_noise_stays_noise(own, brought, store):
    kinds = np.array(["oak", "elm", "noise"])[classes(N)]
    made = brought(named(own, kind=kinds))
    labels = store.dataset(made.run).labels
    assert (made.run[0].assignments == np.array([1, 0, -1])[labels]).all()
    assert any("elm is 0, oak is 1" in fact for fact in made.facts)
    numbers = np.array([3, -1, 7])[classes(N)]
    found = brought(named(own, cluster=numbers)).run[0]
    assert (found.assignments == np.array([0, -1, 1])[labels]).all()
    assert found.n_clusters == 2


def test_columns_are_steps_whose_clusters_keep_their_numbers(own, brought, store):
    second = np.where(np.arange(N) < 5, 1, classes(N))
    made = brought(named(own, first=classes(N) % 2, second=second))
    run = made.run
    assert len(run) == 2
    assert [record["done"] for record in run.log] == [1, 2]
    timeline = Timeline(run, store.dataset(run).labels)
    timeline.extend()
    assert timeline.read_anew() == ()
    assert 0 < timeline.metrics()["changed"][1] < 1
    only = brought(named(own, first=classes(N) % 2, second=second), steps=("second",)).run
    assert len(only) == 1
    assert (only[0].assignments == run[1].assignments).all()


def test_all_that_does_not_fit_is_said_at_once_and_nothing_is_left(own, brought, store):
    names = list(own.item_names())
    wrong = pd.DataFrame({"name": [names[5], names[5], "item 99"], "cluster": [0, 1, 2]})
    with pytest.raises(DataError) as error:
        brought(wrong)
    said = str(error.value)
    assert f"'{names[5]}' comes more than once" in said
    assert "'item 99' is unknown" in said
    assert "29 (" in said
    assert "26 more) are missing" in said
    assert "Give each of the 30 items once" in said
    assert store.runs() == []
    with pytest.raises(DataError, match="1 items have no cluster in 'cluster'"):
        brought(named(own, cluster=[0.0, np.nan, *[1.0] * (N - 2)]))
    with pytest.raises(DataError, match="holds the cluster -4"):
        brought(named(own, cluster=classes(N) - 4))
    with pytest.raises(DataError, match=r"29 entries for the 30 items"):
        brought(classes(N)[1:])
    with pytest.raises(DataError, match=r"holds 0.5, which is no cluster"):
        brought({"clusters": classes(N) / 2})
    with pytest.raises(DataError, match="no column of classes or clusters"):
        brought(named(own, share=np.linspace(0, 1, N)))
    with pytest.raises(ParameterError, match="no data set 'nothing'"):
        brought(named(own, cluster=classes(N)), "nothing")
    with pytest.raises(DataError, match="items x steps"):
        brought(np.stack([classes(N)] * 2, 1))
    assert [each.name for each in store.root.iterdir()] == ["_data"]


def test_arrays_by_order_or_names_with_steps(own, brought, store):
    steps = np.stack([classes(N) % 2, classes(N)])
    run = brought(steps).run
    assert len(run) == 2
    assert (run[1].assignments == store.dataset(run).labels).all()
    names = np.array(list(own.item_names()))[::-1]
    again = brought({"clusters": steps[:, ::-1], "names": names})
    assert not again.is_new
    assert again.run.id == run.id
    rows = np.random.default_rng(0).permutation(N)
    by_row = brought({"clusters": steps[:, rows], "row": rows})
    assert by_row.run.id == run.id
    items = store.dataset(run)
    numbers = pd.DataFrame({"item": np.arange(N), "cluster": items.labels})
    assert (brought(numbers).run[0].assignments == items.labels).all()


def test_embeddings_and_probabilities_are_taken_as_they_are(own, brought, store):
    draw = np.random.default_rng(0)
    embedding = draw.normal(size=(2, N, 4))
    soft = draw.dirichlet(np.ones(3), size=(2, N))
    run = brought({"q": soft, "embedding": embedding}).run
    data = store.dataset(run)
    row = {name: i for i, name in enumerate(own.item_names())}
    order = [row[name] for name in data.item_names]
    for step in range(2):
        assert np.allclose(run[step].embedding, embedding[step][order])
        assert np.allclose(run[step].probabilities, soft[step][order], atol=1e-6)
        assert (run[step].assignments == soft[step][order].argmax(1)).all()
    assert run.spec.method_params["embedding"] == "given"
    one = brought({"clusters": np.stack([classes(N)] * 2), "embedding": embedding[0]}).run
    assert (one[0].embedding == one[1].embedding).all()
    for content, said in (
        ({"clusters": classes(N), "p": soft[0] * 2}, "no probabilities"),
        ({"clusters": classes(N) + 5, "p": soft[0]}, "3 columns of probabilities"),
        ({"clusters": classes(N), "embedding": np.full((N, 2), np.nan)}, "not finite"),
        ({"clusters": classes(N), "embedding": np.zeros((N - 1, 2))}, "is of 29 items"),
        ({"anything": classes(N), "else": classes(N)}, "no array of clusters"),
    ):
        with pytest.raises(DataError, match=said):
            brought(content)


def test_arrays_of_one_step_each_are_taken_in_the_order_in_which_they_are_named(own, brought):
    content = {"first": classes(N), "last": classes(N)[::-1], "x": np.zeros((N, 4))}
    made = brought(content, steps=("last", "first"))
    assert len(made.run) == 2
    alone = brought(content, steps=("last",)).run
    assert (made.run[0].assignments == alone[0].assignments).all()
    with pytest.raises(DataError, match="cannot be taken from first: 30; x: 30 x 4"):
        brought(content, steps=("first", "x"))
    with pytest.raises(DataError, match="holds items x steps"):
        brought(content, steps=("x", "first"))


def test_a_draw_takes_its_part_of_a_clustering_of_all(own, brought, store):
    params = {"n_samples": 12}
    for content in (named(own, cluster=classes(N)), classes(N)):
        made = brought(content, params=params)
        data = store.dataset(made.run)
        assert len(data.items) == 12
        assert (made.run[0].assignments == data.labels).all()
        assert any("18 entries are about items outside" in fact for fact in made.facts)
    with pytest.raises(DataError, match="12 entries for the 30 items"):
        brought(classes(N)[:12], params=params)
    rarer = {"unbalance": 0.3}
    made = brought(named(own, cluster=classes(N)), params=rarer)
    assert (made.run[0].assignments == store.dataset(made.run).labels).all()
    with pytest.raises(DataError, match="order of 'Mine' is not that of its file"):
        brought(classes(N), params=rarer)


def test_shipped_data_sets_are_in_their_published_order(brought, store):
    from sklearn.datasets import load_digits

    digits = load_digits().target
    for params in ({}, {"n_samples": 300}):
        made = brought(digits, "digits", params)
        assert (made.run[0].assignments == store.dataset(made.run).labels).all()
    assert made.run[0].embedding.shape == (300, 50)
    points = library.load(store.root, "toy", {"n": 60}, 0)
    made = brought(np.asarray(points.labels), "toy", {"n": 60})
    assert (made.run[0].assignments == points.labels).all()
    with pytest.raises(DataError, match="have no names"):
        brought(pd.DataFrame({"name": list("abc"), "cluster": [0, 1, 2]}), "digits", names="name")


def test_the_components_of_images_are_theirs(store, brought):
    own = image_set("Mine", 60)
    run = brought(named(own, cluster=classes(60))).run
    z = run[0].embedding
    pixels = store.dataset(run).items.reshape(60, -1) / 255
    centred = pixels - pixels.mean(0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    assert np.allclose((z**2).sum(0), variances[: z.shape[1]], rtol=1e-3)


def test_two_clusterings_are_no_seeds_of_one_method(own, brought):
    a = brought(named(own, cluster=classes(N)), seed=0).run
    b = brought(named(own, cluster=classes(N) % 2), seed=1).run
    assert not same_settings(identity_of(a), identity_of(b))


def test_it_cannot_be_run_trained_or_chosen(own, brought, store):
    run = brought(named(own, cluster=classes(N))).run
    assert registry.OUTSIDE not in registry.methods()
    spec = RunSpec("mine", registry.OUTSIDE, {}, {})
    longer = RunSpec("mine", "kmeans", {}, {}, continues=run.id)
    items = store.dataset(run).items
    for refused in (
        lambda: worker.new_run(store, spec),
        lambda: worker.requeue(run),
        lambda: how_to_train_longer(run, len(items), items.shape[1:]),
    ):
        with pytest.raises(ParameterError, match="made elsewhere, so it cannot be run"):
            refused()
    with pytest.raises(ParameterError, match="cannot be continued"):
        worker.new_run(store, longer)
    worker.execute(store.root, run.id)  # nothing happens
    assert (run.status, len(run)) == ("done", 1)


def test_an_import_that_is_stopped_leaves_no_run(own, store, tmp_path):
    def stop(message, share):
        if "step" in message:
            raise Cancelled

    path = tmp_path / "made.csv"
    named(own, cluster=classes(N)).to_csv(path, index=False)
    with pytest.raises(Cancelled):
        clusterings.bring_in(store, path, Choice("mine", {}), stop)
    assert [each.name for each in store.root.iterdir()] == ["_data"]


def test_damaged_files_give_a_sentence_and_nothing_else(own, store, tmp_path):
    rng = np.random.default_rng(7)
    named(own, cluster=classes(N)).to_csv(tmp_path / "a.csv", index=False)
    soft = np.eye(3)[classes(N)]
    np.savez(tmp_path / "b.npz", clusters=classes(N), p=soft, embedding=soft)
    np.save(tmp_path / "c.npy", np.stack([classes(N)] * 2))
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
    told = []
    for _ in range(15):
        for name, content in before.items():
            (tmp_path / name).write_bytes(mutated(content, rng))
            try:
                made = clusterings.bring_in(store, tmp_path / name, Choice("mine", {}))
                assert made.run[0].assignments.shape == (N,)
            except ClustlabError as error:
                told.append(error.message)
    assert len(told) > 20
    assert all(message.endswith(".") for message in told)
    assert not [each for each in store.root.iterdir() if each.name.startswith("_brought")]


def test_a_run_says_which_items_it_is_of(own, brought, store):
    run = brought(named(own, cluster=classes(N))).run
    about = json.loads((run.path / "environment.json").read_text())
    assert about == {"fingerprint": library.fingerprint_in(store.data_folder(run))}


def test_paths_are_found_by_their_ends_where_that_is_one_item(own, brought, store):
    table = named(own, cluster=classes(N))
    odd = own.item_names()[:2]  # without folders that could be another's
    before = brought(table).run
    longer = ["/data/" + each if each not in odd else each for each in table["name"]]
    shorter = [each.rpartition("/")[2] if each not in odd else each for each in table["name"]]
    windows = [each.replace("/", "\\") for each in longer]
    for names in (longer, shorter, [*windows[:-2], *longer[-2:]]):
        assert brought(table.assign(name=names)).run.id == before.id
    elsewhere = [each.replace("cells/", "others/") for each in table["name"]]
    with pytest.raises(DataError, match="are unknown"):
        brought(table.assign(name=elsewhere))


def test_named_entries_are_not_joined_by_their_order_unaware(own, brought, store):
    table = named(own, cluster=classes(N))
    numbered = table.assign(name=np.arange(N)[::-1]).rename(columns={"name": "id"})
    strange = table.assign(name=[f"x{i}" for i in range(N)])
    with pytest.raises(DataError, match=r"30 .* are unknown"):
        brought(strange)
    both = strange.assign(row=np.arange(N)[::-1])
    labels = store.dataset(brought(both).run).labels
    assert (brought(both).run[0].assignments == labels).all()
    plain = vector_set("Plain", N, shown=False, named=False, width=4)
    assert not plain.has_names
    with pytest.raises(DataError, match=r"have no names.*order of the items"):
        brought(strange, "plain")
    made = brought(numbered, "plain")
    assert (made.run[0].assignments == store.dataset(made.run).labels).all()
    assert made.facts[0] == "Joined by 'id'."
    in_order = table[::-1].assign(name=[f"x{i}" for i in range(N)])
    made = brought(in_order, "plain", names="")
    assert (made.run[0].assignments == store.dataset(made.run).labels).all()


def test_columns_called_clusters_are_the_steps_where_there_are_any(own, brought, store):
    """As in what pages export: facts about items beside their clusters are no steps."""
    table = named(
        own, cluster=classes(N), **{"class": classes(N) + 1, "label changes": classes(N) * 2}
    )
    made = brought(table)
    assert len(made.run) == 1
    assert "Clusters were taken from 'cluster'." in made.facts
    assert "Not used: class, label changes." in made.facts
    again = brought(named(own, cluster=classes(N), raw_cluster=classes(N)[::-1]))
    assert (again.is_new, again.run.id) == (False, made.run.id)
    of_two = brought(named(own, cluster_1=classes(N), cluster_2=classes(N)[::-1], label=classes(N)))
    assert len(of_two.run) == 2
    assert "Steps were taken from 'cluster_1', 'cluster_2'." in of_two.facts
