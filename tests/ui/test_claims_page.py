"""The page Claims: the list, and one claim before, while and after it is tried."""

import pytest
from streamlit.testing.v1 import AppTest

from clustlab import app_folder
from clustlab.evidence import catalogue, record
from clustlab.evidence.carry_out import carry_out
from clustlab.evidence.claim import Arm, Grid, Protocol, Series
from clustlab.evidence.record import Record
from clustlab.evidence.state import needed
from clustlab.runs.store import queued_status, write_status
from clustlab.studies.description import Base
from clustlab.training.worker import execute, new_run
from clustlab.ui import session
from tests.support.made_claims import made_claim

SHELL = app_folder() / "clustlab" / "ui" / "shell.py"


@pytest.fixture
def opened(store, monkeypatch):
    """Open the page over the folder of runs."""
    monkeypatch.setenv("CLUSTLAB_RUNS", str(store.root))
    monkeypatch.setenv("CLUSTLAB_WARM_UP", "no")

    def open_page(page="claims", **query):
        app = AppTest.from_file(str(SHELL), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        app.switch_page(str(app_folder() / "pages" / f"{page}.py"))
        app.run()
        assert not app.exception
        return app

    return open_page


@pytest.fixture
def only(monkeypatch):
    """Let there be one claim only; returns what makes it that one."""

    def let_there_be(claim):
        monkeypatch.setattr(catalogue, "claims", lambda: {claim.name: claim})
        return claim

    return let_there_be


@pytest.fixture
def queued(monkeypatch):
    """Specs that were queued, which nobody carries out."""
    specs = []
    monkeypatch.setattr(session, "queue", specs.append)
    return specs


def words(app):
    kinds = (app.markdown, app.caption, app.info, app.error, app.title)
    return "\n".join(element.value for kind in kinds for element in kind)


def labels(app):
    return [button.label for button in app.button]


def quiet(line):
    pass


def test_the_list_has_every_claim_and_opens_one(opened):
    app = opened()
    said = words(app)
    for claim in catalogue.claims().values():
        assert f"**{claim.number}. {claim.title}**" in said
    assert labels(app).count("Open") == len(catalogue.claims())
    app.button(key="open-dec-again").click().run()
    assert not app.exception
    assert "dec-again" in app.query_params["claim"]
    assert app.title[0].value.startswith("Running DEC again")


@pytest.mark.parametrize("name", catalogue.claims())
def test_every_claim_can_be_opened_at_both_scales(opened, name):
    app = opened(claim=name)
    assert not app.error
    assert "Seen if" in words(app)
    assert any(label.startswith("Run it") for label in labels(app))
    app.segmented_control(key="claim-scale").set_value("full").run()
    assert not app.exception
    claim = catalogue.claim(name)
    assert claim.protocols["full"].differs in words(app)


def test_a_claim_that_was_never_tried_says_so(opened, only):
    only(made_claim())
    assert "Not run yet." in words(opened())
    app = opened(claim="made-up")
    assert "stands here as soon as" in words(app)
    assert "Run it (6 runs)" in labels(app)


def test_an_unknown_claim_in_the_address_is_told_with_a_way_out(opened):
    app = opened(claim="nine")
    assert "no claim 'nine'" in words(app)
    assert "All claims" in labels(app)


def test_a_button_queues_all_runs(opened, only, queued):
    only(made_claim())
    app = opened(claim="made-up")
    app.button(key="run-claim").click().run()
    assert not app.exception
    assert len(queued) == 6
    assert {spec.seed for spec in queued} == {0, 1, 2}


def test_runs_that_go_on_from_another_are_queued_when_that_is_done(opened, only, queued, store):
    claim = only(made_claim(goes_on=True))
    app = opened(claim="made-up")
    app.button(key="run-claim").click().run()
    assert [spec.continues for spec in queued] == [None] * 3
    run = new_run(store, queued[0])
    execute(store.root, run.id)
    app.run()
    assert not app.exception
    assert [spec.continues for spec in queued[3:]] == [run.id]
    assert claim.protocols["small"].arms[1].after == "one"


def test_runs_under_way_are_shown_and_can_be_stopped(opened, only, store):
    claim = only(made_claim())
    first, *_ = needed(claim, "small", store.runs())
    run = new_run(store, first.place.spec)
    write_status(run.path, {**queued_status()})
    app = opened(claim="made-up")
    assert "Stop" in labels(app)
    assert any("1 waiting" in str(each.proto) for each in app.get("progress"))
    app.button(key="stop-claim").click().run()
    assert not app.exception
    assert (run.path / "request").read_text() == "cancel"


def test_what_was_measured_here_is_shown_and_kept_for_the_list(opened, only, store):
    claim = only(made_claim())
    found, _ = carry_out(claim, "small", (), store, quiet)
    (store.root / "_claims" / "made-up-small.json").unlink()
    app = opened(claim="made-up")
    said = words(app)
    assert "Measured here: small scale, 3 seeds" in said
    assert "Seen here" in said
    assert not any(label.startswith("Run it") for label in labels(app))
    assert record.kept(store, claim, "small").figures == found.figures
    listed = words(opened())
    assert "small scale, here" in listed
    assert f"ten clusters {found.medians['many']:.3f}" in listed


def test_seeds_that_are_done_are_shown_before_the_others(opened, only, store):
    claim = only(made_claim())
    carry_out(claim, "small", (0,), store, quiet)
    (store.root / "_claims" / "made-up-small.json").unlink()
    app = opened(claim="made-up")
    assert "Measured here: small scale, 1 seed" in words(app)
    assert "Undecided" in words(app)
    assert "Go on (4 runs)" in labels(app)
    assert record.kept(store, claim, "small") is None


def test_what_the_makers_measured_is_said_to_be_theirs(opened, only, monkeypatch):
    claim = only(made_claim())
    figures = {"one": {0: 0.5, 1: 0.6, 2: 0.7}, "many": {0: 0.4, 1: 0.4, 2: 0.4}}
    theirs = Record(
        claim.name, "small", claim.print_of("small"), figures, 5.0, "2 cores", "2026-11-28", True
    )
    monkeypatch.setattr(record, "all_shipped", lambda: (theirs,))
    said = words(opened(claim="made-up"))
    assert "Measured by the makers of clustlab: small scale, 3 seeds" in said
    assert "Not seen here" in said
    assert "small scale, by the makers" in words(opened())


def test_a_run_that_failed_says_why(opened, only, store):
    claim = only(made_claim(n_clusters=150))
    carry_out(claim, "small", (0,), store, quiet)
    app = opened(claim="made-up")
    assert app.error
    assert "Go on (6 runs)" in labels(app)


def test_a_data_set_that_is_not_there_is_told_with_the_next_step(
    opened, only, monkeypatch, tmp_path
):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "none"))
    claim = only(made_claim())
    base = Base("mnist", "kmeans", "quick", {"n_samples": 100})
    claim.protocols["small"] = Protocol((Arm("one", base), Arm("many", base)), "None.")
    app = opened(claim="made-up")
    assert "MNIST is not on this machine" in words(app)
    assert len(app.info) == 1


def test_a_table_is_drawn_as_printed_beside_what_was_measured(opened, only, monkeypatch):
    grid = Grid(("slow", "fast"), ("head 1", "mean"), ((0.1, 0.2), (0.3, 0.4)), "rate")
    keys = [grid.key(i, j) for i in (0, 1) for j in (0, 1)]
    plain = made_claim()
    claim = only(
        type(plain)(
            **{name: getattr(plain, name) for name in plain.__slots__}
            | {"drawing": grid, "series": tuple(Series(key, key) for key in keys)}
        )
    )
    figures = {key: {0: 0.1 * i, 1: 0.3, 2: 0.2} for i, key in enumerate(keys)}
    theirs = Record(claim.name, "small", claim.print_of("small"), figures, 5.0, "m", "d", True)
    monkeypatch.setattr(record, "all_shipped", lambda: (theirs,))
    app = opened(claim="made-up")
    assert "As printed" in words(app)
    assert len(app.get("vega_lite_chart")) == 2
    app.segmented_control(key="claim-seed").set_value(None).run()
    assert not app.exception


def test_a_lesson_leads_to_the_claims_that_it_touches(opened):
    links = opened("learn", lesson="dec", step="8").get("page_link")
    (link,) = [link.proto for link in links if link.proto.label.startswith("Claim ")]
    assert link.label == "Claim 3"
    assert link.help.startswith("Running DEC again")
    assert "claim=dec-again" in link.query_string
    links = opened("learn", lesson="dec", step="1").get("page_link")
    assert not [link for link in links if link.proto.label.startswith("Claim ")]
