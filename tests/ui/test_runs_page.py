"""The page Runs: names, tags and notes, and how one run is found among many."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from clustlab import registry
from clustlab.analysis.score_catalogue import SCORES
from clustlab.runs.labels import Label, label_of, set_label
from clustlab.runs.pack import write_pack
from clustlab.runs.spec import RunSpec
from clustlab.runs.status import queued_status, write_status
from clustlab.runs.unpack import unpack
from clustlab.ui.look import exports, packs, unreadable_runs
from clustlab.ui.look import runs as runs_page
from tests.support import made_runs
from tests.ui.test_pages import visit, words


@pytest.fixture
def three(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    clusters = [0, 1, 2] * 4
    made = [made_runs.run(runs, [clusters], method=m) for m in ("dec", "iic", "kmeans")]
    set_label(made[0], Label("Best so far", ("paper",), "Compare with the old one."))
    return made


def listed(app):
    """Titles in the table."""
    (frame,) = [d.value for d in app.dataframe]
    return frame["run"].tolist()


def button(app, label):
    return next(b for b in app.button if b.label == label)


def test_names_tags_and_notes_stand_in_the_table(runs, three):
    (frame,) = [d.value for d in visit("runs").dataframe]
    row = frame[frame["run"] == "Best so far"].iloc[0]
    assert list(row["tags"]) == ["paper"]
    assert row["note"] == "Compare with the old one."
    assert row["settings"].startswith("DEC on Made, seed 0")


def test_a_deletion_is_undone_also_where_a_pack_has_brought_the_run_meanwhile(runs, three):
    pack = io.BytesIO()
    write_pack(runs, [three[0]], pack)
    for run in three:
        runs.delete(run.id)
    app = visit("runs")
    app.session_state["deleted"] = [run.id for run in three]
    unpack(runs, pack, "runs.zip")
    app.run()
    button(app, "Undo").click().run()
    assert not app.exception
    assert {run.id for run in runs.runs()} == {run.id for run in three}
    assert "another run of this name" in app.warning[0].value
    button(app, "Bring back beside it").click().run()
    assert not app.exception
    assert f"{three[0].id}-2" in {run.id for run in runs.runs()}
    assert runs.deleted() == []
    assert not app.warning


def test_columns_for_what_is_written_by_hand_are_there_once_something_is(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    run = made_runs.run(runs, [[0, 1, 2] * 4])
    columns = visit("runs").dataframe[0].value.columns.tolist()
    assert columns[:3] == ["picture", "run", "started"]  # in sight without scrolling
    assert not {"tags", "note"} & set(columns)
    set_label(run, Label("", ("paper",), ""))
    columns = visit("runs").dataframe[0].value.columns
    assert "tags" in columns
    assert "note" not in columns


def test_search_and_filters_are_in_the_open_and_in_the_address(runs, three):
    app = visit("runs")
    app.text_input(key="find").set_value("old one").run()
    assert listed(app) == ["Best so far"]
    app.text_input(key="find").set_value("").run()
    app.multiselect(key="find-method").set_value(["iic", "kmeans"]).run()
    assert len(listed(app)) == 2
    app.multiselect(key="find-method").set_value([]).run()
    app.multiselect(key="find-tag").set_value(["paper"]).run()
    assert listed(app) == ["Best so far"]
    linked = visit("runs", **{"find-method": "IIC"})
    assert len(listed(linked)) == 1
    assert "IIC" in listed(linked)[0]
    assert listed(visit("runs", **{"find": "old", "find-tag": "paper"})) == ["Best so far"]
    assert not visit("runs", **{"find-method": "nonsense"}).exception


def test_where_nothing_matches_there_is_a_way_out(runs, three):
    app = visit("runs")
    app.toggle(key="find-by-hand").set_value(True).run()
    assert "None of the 3 runs match" in words(app)
    assert not app.dataframe
    button(app, "Show all runs").click().run()
    assert len(listed(app)) == 3
    assert not app.toggle(key="find-by-hand").value
    assert not app.exception


def handing_on(app):
    """The button that makes a replay page."""
    (found,) = [b for b in app.get("download_button") if b.proto.label == "Replay page"]
    return found.proto


def test_a_replay_page_is_offered_of_one_run_or_of_two_over_the_same_items(
    runs, three, monkeypatch
):
    made_runs.data(runs, "others", seed=5)
    other = made_runs.run(runs, [[0, 1, 2] * 4], "others")
    chosen = []
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: chosen)
    for now, is_offered, says in (
        ([], False, "One HTML file"),
        (three[:1], True, "One HTML file"),
        (three[:2], True, "One HTML file"),
        (three, False, "One HTML file"),
        ([three[0], other], False, "other items"),
    ):
        chosen[:] = now
        proto = handing_on(visit("runs"))
        assert proto.disabled is not is_offered
        assert says in proto.help


def test_a_run_gets_a_name_and_the_change_can_be_undone(runs, three, monkeypatch):
    run = three[1]
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: [run])
    app = visit("runs")
    app.text_input(key=f"label-name-{run.id}").set_value("Second")
    app.text_input(key=f"label-tags-{run.id}").set_value("draft, paper")
    app.text_area(key=f"label-note-{run.id}").set_value("Look again.")
    button(app, "Save").click().run()
    assert not app.exception
    assert label_of(run) == Label("Second", ("draft", "paper"), "Look again.")
    assert "Second" in listed(app)
    button(app, "Save").click().run()  # nothing new, so nothing else to take back
    app.button(key="undo-label").click().run()
    assert label_of(run) == Label()
    assert "Second" not in listed(app)
    assert app.text_input(key=f"label-name-{run.id}").value == ""


def test_a_name_that_cannot_be_is_refused_with_a_word(runs, three, monkeypatch):
    run = three[1]
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: [run])
    app = visit("runs")
    app.text_input(key=f"label-tags-{run.id}").set_value("x" * 31)
    button(app, "Save").click().run()
    assert "31 letters" in words(app)
    assert label_of(run) == Label()


def test_what_cannot_be_read_is_listed_with_the_reason_and_can_be_deleted(runs, three):
    (three[0].path / "manifest.json").write_text("{")
    app = visit("runs")
    assert "One run cannot be read" in words(app)
    readable, unreadable = (d.value for d in app.dataframe)
    assert len(readable) == 2
    (row,) = unreadable.to_dict("records")
    assert row == {
        "folder": three[0].id,
        "reason": "manifest.json: it is not whole, or no JSON",
    }
    assert button(app, "Delete this run").disabled


def test_where_no_run_can_be_read_the_page_says_so(runs, three):
    for run in three:
        (run.path / "manifest.json").write_text("{}")
    app = visit("runs")
    assert "3 runs cannot be read" in words(app)
    assert "No run yet" in words(app)
    assert not visit("home").exception


def test_what_cannot_be_read_is_deleted_and_comes_back(runs, three, monkeypatch):
    (three[0].path / "manifest.json").write_text("{}")
    monkeypatch.setattr(unreadable_runs, "chosen_rows", lambda event: [0])
    app = visit("runs")
    button(app, "Delete this run").click().run()
    assert runs.unreadable() == []
    assert "Deleted 1 run." in words(app)
    button(app, "Undo").click().run()
    assert [each.id for each in runs.unreadable()] == [three[0].id]


# Packs -------------------------------------------------------------------------------------------


def pack_of(store, *runs):
    file = io.BytesIO()
    write_pack(store, runs, file)
    return file.getvalue()


def opened(app, content):
    app.file_uploader[0].set_value(("theirs.zip", content, "application/zip")).run()
    return app.button(key="unpack").click().run()


def test_a_pack_is_opened_on_an_empty_page_and_said_to_be_there_the_next_time(runs, three):
    content = pack_of(runs, *three[:2])
    titles = [run.title for run in three[:2]]
    for run in three:
        runs.delete(run.id)
    runs.purge()
    app = opened(visit("runs"), content)
    assert not app.exception
    assert f"Brought in {titles[0]}, {titles[1]}." in words(app)
    assert len(listed(app)) == 2
    assert not app.file_uploader[0].value  # the page has let go of the file
    app = opened(app, content)
    assert "There already, and kept as it is" in words(app)


def test_a_bad_pack_is_told_with_its_name_and_changes_nothing(runs, three):
    app = opened(visit("runs"), pack_of(runs, three[0])[:-100])
    assert not app.exception
    assert "theirs.zip cannot be unpacked: its archive is cut off or damaged." in words(app)
    assert len(listed(app)) == 3


def test_the_button_packs_what_is_chosen_unless_it_trains(runs, three, monkeypatch):
    assert packs.packed(three[:1]) == pack_of(runs, three[0])
    chosen = []
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: chosen)
    assert packs._why_not(chosen) == "Select one run or more."
    chosen[:] = three
    app = visit("runs")
    assert not app.exception
    assert packs._why_not(three) == ""
    monkeypatch.setattr(packs, "LARGEST", 10)
    assert "the command **pack**" in packs._why_not(three)
    write_status(three[0].path, queued_status())
    assert "stop it" in packs._why_not(three)


def test_a_run_leaves_as_a_file_or_as_a_folder_in_an_archive(runs, three, monkeypatch):
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: [three[0]])
    app = visit("runs")
    assert not app.exception
    app.selectbox(key="export-to").set_value("folders").run()
    assert not app.exception
    assert app.toggle(key="export-all-steps").disabled
    table = exports.exported(three[0].id, exports.Wanted("csv", 0)).decode()
    assert len(table.splitlines()) == 13
    wanted = exports.Wanted("folders", 0)
    archive = zipfile.ZipFile(io.BytesIO(exports.exported(three[0].id, wanted)))
    images = [name for name in archive.namelist() if name.endswith(".png")]
    assert len(images) == 12
    assert images[0] == f"{three[0].id}/cluster-0/000000.png"


def test_any_step_of_a_run_can_be_exported_on_the_page(runs, three, monkeypatch):
    clusters = [0, 1, 2] * 4
    run = made_runs.run(runs, [clusters, clusters[::-1], clusters])
    monkeypatch.setattr(runs_page, "_chosen", lambda event, shown: [run])
    offered = {}
    button = st.download_button

    def noted(label, data, **options):
        offered[options["key"]] = data, options["file_name"]
        return button(label, data, **options)

    monkeypatch.setattr(st, "download_button", noted)

    def downloaded(app):
        assert not app.exception
        make, name = offered["export-run"]
        return pd.read_csv(io.BytesIO(make())), name

    app = visit("runs")
    app.selectbox(key="export-to").set_value("csv").run()
    table, name = downloaded(app)
    assert (set(table["step"]), name) == ({2}, f"{run.id}-step-00002-csv.csv")
    app.number_input(key=f"export-step-{run.id}-2").set_value(1).run()
    table, name = downloaded(app)
    assert (set(table["step"]), name) == ({1}, f"{run.id}-step-00001-csv.csv")
    assert table["raw_cluster"].tolist() == clusters[::-1]
    app.toggle(key="export-all-steps").set_value(True).run()
    table, name = downloaded(app)
    assert (set(table["step"]), name) == ({0, 1, 2}, f"{run.id}-all-steps-csv.csv")


def test_only_what_was_changed_counts_as_a_changed_setting(runs):
    made_runs.data(runs)
    preset = dict(registry.method("dec").presets["quick"])
    plain = RunSpec("digits", "dec", {"n_samples": None}, preset, preset="quick")
    other = replace(plain, method_params={**preset, "n_clusters": 7, "target": "hard"})
    for spec, said in ((plain, ""), (other, "7 clusters, target hard")):
        run = runs.create(spec, method_title="DEC", dataset_title="Digits", data_key="made")
        assert sorted(runs_page.settings(run).split(", ")) == sorted(said.split(", "))


def test_a_score_of_nearly_one_is_not_shown_as_one(runs):
    assert runs_page._shown(SCORES["acc"], 0.9996) == 0.999
    assert runs_page._shown(SCORES["n_occupied"], 10) == 10
    assert runs_page._shown(SCORES["nmi"], None) is None


def test_a_run_that_ended_in_a_collapse_says_so_in_the_table_and_with_its_verdict(runs):
    even, one = np.arange(60) % 6, np.zeros(60, dtype=int)
    steps = [made_runs.hard(even, 6, loss=1.0), *[made_runs.hard(one, 6, loss=0.5)] * 3]
    run = made_runs.write(runs, steps, made_runs.dataset(60), method="dec")
    (frame,) = [d.value for d in visit("runs").dataframe]
    assert frame["status"].tolist() == ["done, but collapse, empty clusters"]
    (verdict,) = [m.value for m in visit("train", run=run.id).markdown if "**DEC**" in m.value]
    assert verdict.index("Collapse, Empty clusters.") < verdict.index("**DEC**")
