"""Body of the page Train: four views at once, the loop, the curves, the artefacts."""

import contextlib

import numpy as np
import streamlit as st

from clustlab import registry
from clustlab.analysis import verdict
from clustlab.analysis.score_catalogue import labelled_scores
from clustlab.course import catalogue
from clustlab.errors import ParameterError
from clustlab.importing import clusterings
from clustlab.params import size_remarks
from clustlab.runs.identity import method_settings
from clustlab.runs.store import Run
from clustlab.types import ClassRule
from clustlab.ui import nav, session
from clustlab.ui.look import clusters, embedding, evaluate, inside, shifts
from clustlab.ui.maps import point_map
from clustlab.ui.maps.point_map import PointMap
from clustlab.ui.markdown import plain
from clustlab.ui.run import alarms, inspector, intervene, item_sheet, run_bar
from clustlab.ui.run.view import View, view_of
from clustlab.ui.server.routes import item_url
from clustlab.ui.train import start_comparison
from clustlab.ui.widgets import live, panels
from clustlab.views import curves, matrices, scatter, sheets
from clustlab.views.theme import reading

# Of the views in pixels, so that all four are in sight at 900, with the images of ten clusters.
EMBEDDING, CONFUSION, SHIFTS = 240, 236, 160
MAP = "live-embedding"
TOOLS = 24  # pixels of the map's buttons
ROW_IMAGES = 24  # of a cluster, where there is room
ROWS = 10


def four_views(view: View) -> None:
    """Embedding, images of each cluster, confusion and shifts of one step."""
    diagram, words = st.columns(2, gap="medium", vertical_alignment="center")
    with diagram:
        live.part("loop", _loop, run_bar.followed(view.run), "progress")(view.run.id)
    with words:
        _ending(view)
        intervene.intervention_panel(view)
    left, right = st.columns(2, gap="medium")  # the images take as much of theirs as they need
    with left:
        _embedding(view)
        _confusion(view)
    with right:
        _cluster_rows(view)
        _shifts(view)
    if session.picked() is not None or session.selection()[0]:
        inspector.inspector_panel(view)
    scores: tuple[str, ...] = ("confidence", "evenness")
    if view.labels is not None:
        scores = labelled_scores(is_over_clustered=view.timeline.is_over_clustered())[:3]
    if view.timeline.has_noise():
        scores = (*scores, "share_clustered")
    tip = nav.with_terms(plain(reading(curves.metrics)), "ACC", "NMI", "ARI")
    st.markdown("**Scores over time**", help=tip)
    panels.chart(
        curves.metrics,
        view.timeline.metrics(),
        scores,
        step=view.step,
        read_anew=view.timeline.read_anew(),
        key="live-scores",
        height=200,
        with_guide=False,
    )
    more = st.expander(
        "Losses and other figures of this method", key="live-more", on_change="rerun"
    )
    if more.open:  # what nobody sees costs no time
        with more:
            inside.losses(view)
            inside.artefacts_of(view)


def _loop(run_id: str) -> None:
    run = session.open_run(run_id)
    progress = run.progress
    at_work = progress["status"] in ("running", "paused")
    active = str(progress.get("active") or "") if at_work else ""
    if run.spec.is_outside:
        st.caption(f":material/input: {plain(_about_outside(run))}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        panels.loop_diagram(registry.method(run.spec.method), active)
        if at_work and not active and progress.get("phase"):
            st.caption(f"Before the loop: {plain(progress['phase'])}")
        if progress["status"] == "paused":
            st.button(
                "Half a step",
                icon=":material/step_over:",
                key="half-step",
                help="Trains until the next box of the loop begins, then pauses again. "
                "The views change once the whole step is done.",
                on_click=session.later(run.request_half_step),
            )


def _about_outside(run: Run) -> str:
    """Where a clustering made elsewhere is from, and what of it was worked out here."""
    told = ["This clustering was made elsewhere and brought in: how it was trained is not known."]
    told.append("It has no loop, losses or times to show.")
    if run.spec.method_params.get(clusterings.EMBEDDING) != clusterings.GIVEN:
        told.append("It came without an embedding: the maps show components of the items.")
    if not session.timeline(run).has_probabilities().any():
        told.append("It came without probabilities: how sure it is follows from distances there.")
    return " ".join(told)


def _ending(view: View) -> None:
    """What came out, in words, with ways onward."""
    progress = view.run.progress
    if progress["status"] == "failed":
        session.show_error(progress)
    if progress["status"] != "done":
        return
    outcome = verdict.verdict_on(
        view.run[len(view.run) - 1],
        view.labels,
        view.dataset.class_names,
        mapping=view.timeline.mapping(len(view.timeline) - 1),
        class_rule=session.class_rule() or "match",
    )
    title = "This clustering" if view.run.spec.is_outside else view.run.manifest["method_title"]
    at_the_end = "" if view.step == len(view.run) - 1 else " (at its last step)"
    odd = alarms.titles_of_outcome(view.run)
    warned = f":orange[:material/warning: {plain(', '.join(odd))}.] " if odd else ""
    st.markdown(f"{warned}**{plain(title)}**{at_the_end} {plain(outcome.sentence)}")
    with contextlib.suppress(ParameterError):  # of a method that is not there any more
        method, settings = registry.method(view.run.spec.method), method_settings(view.run.spec)
        for remark in size_remarks(method, settings, len(view.clusters)):
            st.warning(plain(remark), icon=":material/straighten:")
    with st.container(horizontal=True, key="ways-onward"):
        nav.link("evaluate", "What was mixed up?", "grid_on")
        nav.link("embedding", "Replay it", "replay")
        other = start_comparison.partner(view.run)
        if other is not None:
            runs = f"{view.run.id},{other.id}"
            nav.link("compare", "Compare", "compare_arrows", runs=runs)
        lesson = catalogue.about_method(view.run.spec.method)
        if view.run.spec.is_outside:
            return
        if lesson:
            nav.lesson_link(lesson, "How does it work?")
        else:
            nav.link("methods", "How does it work?", "menu_book", about=view.run.spec.method)


def _embedding(view: View) -> None:
    table = embedding.table_of(view, view.timeline.points(view.step))
    extent, indices = view.timeline.extent(), session.selection()[0]
    with st.container(key="head-embedding", horizontal=True, vertical_alignment="center"):
        tip = nav.with_terms(plain(reading(scatter.embedding)), "Embedding", "Projection", "PCA")
        st.markdown("**Embedding**", help=tip, width="content")
        embedding.by_numbers(MAP, table, extent)
    point_map.point_map(
        PointMap(
            table=table,
            square=scatter.square_of(table, extent),
            label=f"The embedding: {len(table):,} dots, coloured by cluster",
            step=view.step,
            selected=indices,
            picked=session.picked(),
            frame=embedding.in_sight(view.run),
            image_url=item_url(view.run.id) if view.dataset.images is not None else None,
            names=embedding.item_names(view.run),
            with_legend=False,
        ),
        key=MAP,
        height=f"{EMBEDDING - TOOLS}px",
        place=f"{view.run.id} pca",
    )
    panels.below_map(
        scatter.embedding,
        table,
        selected=indices,
        extent=extent,
        key=MAP,
        with_guide=False,
    )


def _cluster_rows(view: View) -> None:
    st.markdown(
        f"**{plain(view.dataset.noun).capitalize()}s of each cluster**, most typical first",
        help=plain(reading(sheets.cluster_rows)),
    )
    sheet = _sheet_of_rows(view.run, view.step, view.asked_class_rule)
    alt = f"{view.dataset.noun.capitalize()}s of each cluster, a row each"
    item_sheet.show_sheet(view, sheet, key="live-rows", alt=alt, of=sheets.cluster_rows, fit="crop")


@session.kept_per_run(maxsize=8, anew=session.n_followed)
def _sheet_of_rows(run: Run, step: int, class_rule: ClassRule | None) -> sheets.Sheet:
    view = view_of(run, step, class_rule)
    ids = clusters.rows_of(view)[:ROWS]
    rows = [
        sheets.order("central", np.flatnonzero(view.clusters == i), view.snapshot, limit=ROW_IMAGES)
        for i in ids
    ]
    return sheets.cluster_rows(
        view.dataset.pictures,
        rows,
        clusters=ids,
        tile=item_sheet.TILE,
        columns=ROW_IMAGES,
        wrong=view.wrong,
    )


def _confusion(view: View) -> None:
    if view.labels is None:
        st.markdown("**No labels**: there is nothing to compare the clusters with.")
        return
    cells = evaluate.chooser(view, "live-confusion")
    with st.container(key="head-confusion", horizontal=True, vertical_alignment="center"):
        tip = nav.with_terms(plain(reading(matrices.confusion)), "Hungarian matching")
        st.markdown("**Confusion matrix**", help=tip, width="content")
        cells.box("Choose a cell", evaluate.choices(view), width=220)
    evaluate.matrix(view, cells, height=CONFUSION, with_guide=False)


def _shifts(view: View) -> None:
    if len(view.timeline) < 2:
        st.caption("Shifts are shown from the second step on.")
        return
    shifts.label_shifts(view, key="live-churn", height=SHIFTS, with_guide=False)
