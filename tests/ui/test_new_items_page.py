"""The page New items without a browser: what is given, what is said of it, and what cannot be."""

import io
import zipfile

import numpy as np
import pytest

from clustlab.runs.store import RunSpec
from clustlab.training.worker import new_run
from tests.support import made_runs
from tests.support.odd_arrays import png
from tests.ui.test_pages import trained, visit, words


def array(items):
    """Items as an upload."""
    file = io.BytesIO()
    np.save(file, items)
    return [("new.npy", file.getvalue(), "application/octet-stream")]


def given(files, **query):
    """The page after files were given."""
    app = visit("apply", **query)
    app.file_uploader[0].set_value(files).run()
    assert not app.exception, app.exception
    return app


def test_without_runs_it_says_what_it_will_show(runs):
    assert "No run yet" in words(visit("apply"))


def test_new_images_come_with_their_clusters_the_strangest_first(runs):
    run = trained(runs, max_iter=6, n_init=1)
    items = runs.dataset(run).items[:30]
    archive = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    with zipfile.ZipFile(archive, "w") as pack:
        for i, item in enumerate(items):
            pack.writestr(f"{i:02d}.png", png(item[..., 0]))
        pack.writestr("**odd**.png", png(noise))
        pack.writestr("text.png", b"no image")
    app = given([("new.zip", archive.getvalue(), "application/zip")])
    assert not app.error
    (table,) = [each.value for each in app.dataframe if "is_strange" in each.value]
    assert len(table) == 31
    assert table["name"].iloc[0] == "**odd**.png"
    assert table["is_strange"].iloc[0]
    assert table["distance"].is_monotonic_decreasing
    assert table["picture"].str.startswith("data:image/png;base64,").all()
    rest = table[table["name"] != "**odd**.png"]
    clusters = {int(name[:2]): c for name, c in zip(rest["name"], rest["cluster"], strict=True)}
    lasting = made_runs_lasting(run)
    assert [clusters[i] for i in range(30)] == lasting[:30].tolist()
    said = words(app)
    assert "**31 items**" in said
    assert "strange" in said
    assert "1 is left out" in "".join(each.label for each in app.expander)
    assert [each.label for each in app.get("download_button")] == ["All as csv", "All as parquet"]


def made_runs_lasting(run):
    from clustlab.analysis.timeline import Timeline

    timeline = Timeline(run)
    timeline.extend()
    return timeline.stable(len(run) - 1)


def test_an_example_shows_what_comes_out(runs):
    trained(runs, max_iter=6, n_init=1)
    app = visit("apply")
    app.toggle(key="new-items-example").set_value(True).run()
    assert not app.exception
    (table,) = [each.value for each in app.dataframe if "is_strange" in each.value]
    assert table["name"].str.startswith("noise")[:10].all()
    assert table["is_strange"].sum() >= 10


def test_vectors_of_another_width_are_refused_in_plain_words(runs):
    trained(runs, dataset="toy", n_clusters=3)
    app = given(array(np.zeros((5, 7), np.float32)))
    (error,) = app.error
    assert "holds vectors of 7 numbers, but the run was trained on 2" in error.value
    assert not app.dataframe
    app = given(array(np.array([[0, 1], [1, 0], [3e38, -3e38]], np.float32)))
    assert not app.error
    (table,) = [each.value for each in app.dataframe if "is_strange" in each.value]
    assert table["cluster"].iloc[0] == -1
    assert "picture" not in table


@pytest.mark.parametrize(("method", "why"), [("hdbscan", "dense places"), ("n2d", "no place")])
def test_methods_that_cannot_judge_say_why_and_where_to_look(runs, method, why):
    truth = np.arange(12) % 3
    steps = [made_runs.sure(truth, 3, np.random.default_rng(0))]
    made_runs.write(runs, steps, made_runs.dataset(12), method=method)
    app = visit("apply")
    said = words(app)
    assert "cannot judge a new item" in said
    assert why in said
    assert "kmeans" in said
    assert not app.file_uploader


def test_a_run_that_has_kept_nothing_says_so(runs):
    truth = np.arange(12) % 3
    steps = [made_runs.sure(truth, 3, np.random.default_rng(0))]
    made_runs.write(runs, steps, made_runs.dataset(12))
    app = given(array(np.zeros((5, 8, 8), np.uint8)))
    assert "has kept no trained parts" in app.error[0].value


def test_a_run_under_way_is_waited_for(runs):
    new_run(runs, RunSpec("digits", "kmeans", {"n_samples": 50}, {}, "quick"))
    app = visit("apply")
    assert not app.file_uploader
