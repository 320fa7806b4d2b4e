"""Baskets on a page: look, select, combine, note, export, and run again without their items."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from clustlab.runs import exports
from clustlab.runs.baskets import LONGEST, OPERATIONS, Basket
from clustlab.types import Array
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import item_sheet, save_basket
from clustlab.ui.run.view import View

SHOWN = 54
WORDS = {
    "union": "in either",
    "intersection": "in both",
    "difference": "in the first only",
}


def baskets_panel(view: View) -> None:
    """The baskets of these items: one in detail, and what can be made of two."""
    _undo(view)
    baskets = save_basket.baskets_of_items(view).all()
    if not baskets:
        st.markdown(
            f"No basket yet. Select {plain(view.dataset.noun)}s on any page and press **Save as "
            "basket** beside them: a basket keeps them under a name, for all runs on the same "
            "items."
        )
        return
    by_slug = {basket.slug: basket for basket in baskets}
    slug = st.selectbox(
        "Basket",
        list(by_slug),
        format_func=lambda s: f"{by_slug[s].name} ({len(by_slug[s]):,})",
        key=state.BASKET.key,
    )
    _problem()
    _detail(view, by_slug[str(slug)])
    if len(baskets) > 1:
        _combine(view, baskets)


def _callback(action: Callable[[], object]) -> Callable[[], None]:
    """Callback whose error is shown in the panel."""
    return session.later(action, state.BASKETS_PROBLEM)


def _problem() -> None:
    if problem := state.BASKETS_PROBLEM.take():
        session.show_error(problem)


def _undo(view: View) -> None:
    """Offer to bring back the basket deleted last."""
    slug, name = state.DELETED_BASKET.get()
    if not slug:
        return

    def restore() -> None:
        state.DELETED_BASKET.forget()
        save_basket.baskets_of_items(view).restore(slug)
        state.BASKET.set(slug)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Deleted the basket {plain(repr(name))}.", width="stretch")
        st.button(
            "Undo",
            icon=":material/undo:",
            key="undo-basket",
            on_click=_callback(restore),
        )


# -- one basket --------------------------------------------------------------------------------
def _detail(view: View, basket: Basket) -> None:
    rows = np.array([i for i in basket.indices if i < len(view.clusters)], dtype=np.int64)
    if basket.note:
        st.caption(f":material/edit_note: {plain(basket.note)}")
    alt = f"Basket {basket.name}: {min(len(rows), SHOWN)} {view.dataset.noun}s"
    item_sheet.image_sheet(view, rows[:SHOWN], key="basket-sheet", alt=alt)
    if len(rows) > SHOWN:
        st.caption(f"Showing {SHOWN} of {len(rows):,}; all other actions use all of them.")
    with st.container(horizontal=True, key="basket-actions"):
        st.button(
            f"Select all {len(rows):,}",
            icon=":material/select_all:",
            key="select-basket",
            on_click=session.select,
            args=(rows, f"Basket {basket.name}"),
        )
        _edit(view, basket)
        _export(view, basket, rows)
        st.button(
            "Delete",
            icon=":material/delete:",
            key="delete-basket",
            on_click=_callback(lambda: _delete(view, basket)),
        )
    _without(view, rows)


def _delete(view: View, basket: Basket) -> None:
    save_basket.baskets_of_items(view).delete(basket.slug)
    state.DELETED_BASKET.set((basket.slug, basket.name))


def _edit(view: View, basket: Basket) -> None:
    name_key, note_key = f"rename-{basket.slug}", f"note-{basket.slug}"

    def change() -> None:
        kept = save_basket.baskets_of_items(view)
        slug = kept.rename(basket.slug, state.widget(name_key).get()).slug
        kept.annotate(slug, state.widget(note_key).get())
        state.BASKET.set(slug)

    with (
        st.popover("Rename or add a note", icon=":material/edit:"),
        st.form(f"edit-{basket.slug}", border=False),
    ):
        st.text_input("Name", basket.name, key=name_key, max_chars=LONGEST)
        st.text_area("Note", basket.note, key=note_key, height=100)
        st.form_submit_button("Save changes", type="primary", on_click=_callback(change))


def _export(view: View, basket: Basket, rows: Array) -> None:
    """Files to download, each made when its button is pressed."""
    with st.popover("Export", icon=":material/download:"):
        st.caption(f"All {len(rows):,} items, with their clusters at step {view.step}.")

        def button(label: Markdown, ending: str, mime: str, make: Callable[[], bytes]) -> None:
            st.download_button(
                label,
                make,
                file_name=f"{basket.slug}.{ending}",
                mime=mime,
                key=f"export-{ending}",
                on_click="ignore",
                disabled=ending == "zip" and view.dataset.images is None,
                help=None
                if view.dataset.images is not None
                else "There are no images of these items.",
                width="stretch",
            )

        table = item_sheet.item_table
        button("CSV", "csv", "text/csv", lambda: exports.csv(table(view, rows)))
        kind = "application/vnd.apache.parquet"
        button("Parquet", "parquet", kind, lambda: exports.parquet(table(view, rows)))
        pack = "application/zip"
        button(
            "ZIP of images", "zip", pack, lambda: exports.images(view.dataset, table(view, rows))
        )


def _without(view: View, rows: Array) -> None:
    """Way to the form, with these items left out."""
    again, taken = ("Run again", "settings") if not view.run.spec.is_outside else ("Train", "items")
    if st.button(
        f"{plain(again)} without these {len(rows):,} items",
        icon=":material/filter_alt:",
        key="run-without",
        disabled=len(rows) >= len(view.clusters),
        help=f"Opens the form with the {plain(taken)} of this run, leaving out these items.",
    ):
        session.duplicate(view.run, left_out(view, rows))
        st.rerun()


def left_out(view: View, rows: Sequence[int] | Array) -> list[int]:
    """Rows of the whole draw that a run without these items leaves out, by rising number."""
    original = view.dataset.original
    fresh = np.asarray(rows) if original is None else original[np.asarray(rows)]
    return sorted({*view.run.spec.excluded, *(int(i) for i in fresh)})


# -- two baskets -------------------------------------------------------------------------------
def _combine(view: View, baskets: Sequence[Basket]) -> None:
    names = {basket.slug: basket.name for basket in baskets}

    def make() -> None:
        made = save_basket.baskets_of_items(view).combine(
            state.COMBINED_NAME.get(),
            state.COMBINED_HOW.get(),
            state.COMBINED_FIRST.get(),
            state.COMBINED_SECOND.get(),
        )
        state.BASKET.set(made.slug)
        state.COMBINED_NAME.set("")

    with st.expander("Make a new basket of two"), st.form("combine", border=False):
        first, how, second = st.columns(3)
        slugs = list(names)
        first.selectbox("First", slugs, format_func=names.__getitem__, key=state.COMBINED_FIRST.key)
        how.selectbox(
            "Items", list(OPERATIONS), format_func=WORDS.__getitem__, key=state.COMBINED_HOW.key
        )
        second.selectbox(
            "Second", slugs, 1, format_func=names.__getitem__, key=state.COMBINED_SECOND.key
        )
        st.text_input("Name of the new basket", key=state.COMBINED_NAME.key, max_chars=LONGEST)
        st.form_submit_button("Combine", type="primary", on_click=_callback(make))
