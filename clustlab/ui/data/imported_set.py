"""An imported data set: where it is from, what was refused, and how to be rid of it."""

import time

import streamlit as st

from clustlab.data import own_sets, undo_removal
from clustlab.data.checked_json import Unreadable
from clustlab.data.own_sets import OwnSet
from clustlab.training.estimate import size_in_words
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import summaries
from clustlab.ui.widgets.refusals import refused_table

NAMED = 5  # runs that are named before a set is removed


def facts(own: OwnSet) -> None:
    """Where a set is from, and what it takes."""
    when = time.strftime("%d %B %Y, %H:%M", time.localtime(own.created))
    parts = [f"Imported from {own.origin}", when, size_in_words(own.nbytes)]
    if own.features:
        parts.insert(1, own.features)
    st.caption(" · ".join(plain(part) for part in parts))
    st.caption(f"In commands: **--dataset {plain(own.name)}**")


def refusals(own: OwnSet) -> None:
    """What did not come in, folded away; nothing if all did."""
    if not own.n_refused:
        return
    with st.expander(f"{own.n_refused:,} refused when it was imported", icon=":material/block:"):
        try:
            lines = [(each["name"], each["reason"]) for each in own.refused()]
        except (OSError, Unreadable) as error:
            st.caption(f"The list cannot be read: {plain(error)}.")
            return
        refused_table(lines, f"What was refused of {own.title}")


# -- removing ------------------------------------------------------------------------------------
def removal(name: str, title: str) -> None:
    """Button that removes a set after it has said which runs need it."""
    runs = [run for run in session.store().runs() if run.spec.dataset == name]
    with st.popover("Remove", icon=":material/delete:"):
        if runs:
            one = len(runs) == 1
            st.markdown(
                f"**{len(runs):,} run{'' if one else 's'}** "
                f"{'was' if one else 'were'} made on it. {'It keeps' if one else 'They keep'} "
                "the items and can be looked at as before, but new runs on it, and training "
                "longer, need the data set."
            )
            for run in runs[:NAMED]:
                st.caption(f"{plain(run.title)} · {plain(summaries.status_words(run))}")
            if len(runs) > NAMED:
                st.caption(f"and {len(runs) - NAMED:,} more")
        else:
            st.markdown("No run needs it.")
        st.button(
            f"Remove {plain(title)}",
            key=f"remove-{name}",
            type="primary",
            disabled=any(run.is_active for run in runs),
            help="A run on it is at work: stop that first."
            if any(run.is_active for run in runs)
            else None,
            on_click=session.later(lambda: _remove(name, title)),
        )


def _remove(name: str, title: str) -> None:
    undo_removal.put_aside(name)
    state.REMOVED_SET.set((name, title))


def undo_of_removal() -> None:
    """Offer to bring back the set that was removed last."""
    name, title = state.REMOVED_SET.get()
    if not name:
        return

    def restore() -> None:
        state.REMOVED_SET.forget()
        undo_removal.bring_back(name)
        state.ABOUT_DATASET.set(name)
        state.ABOUT_DATASET_IN_ADDRESS.set(name)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Removed the data set {plain(repr(title))}.", width="stretch")
        st.button(
            "Undo", icon=":material/undo:", key="undo-remove", on_click=session.later(restore)
        )


def unreadable_sets() -> None:
    """Imported sets that cannot be read, with the reason, and a way to be rid of each."""
    folders = own_sets.unreadable()
    if not folders:
        return
    one = len(folders) == 1
    st.subheader(
        "One imported data set cannot be read"
        if one
        else f"{len(folders):,} imported data sets cannot be read"
    )
    st.caption("Put back their files from a copy, or remove them and import them again.")
    for name, reason in folders.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(name)}**: {plain(reason)}", width="stretch")
            removal(name, name)
