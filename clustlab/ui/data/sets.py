"""Data sets: what each holds, its classes, random items; those imported can be removed."""

import inspect

import streamlit as st

from clustlab import registry
from clustlab.data import own_sets
from clustlab.errors import ClustlabError
from clustlab.registry import DatasetSpec
from clustlab.types import Dataset, Labelling
from clustlab.ui import nav, session, state
from clustlab.ui.data import attach, bring, features, import_bar, imported_set
from clustlab.ui.markdown import authored, plain
from clustlab.ui.train import choices, setup
from clustlab.ui.widgets import panels
from clustlab.ui.widgets.address_choice import select_in_address
from clustlab.views import bars, sheets

SHEET = 112  # random items on the sheet of a data set
OWN = "as they come"  # the first set of classes, where it has no title


def data_page() -> None:
    """The data sets, or the way to bring in one's own; above them an import that is under way."""
    import_bar.import_bar()
    if state.BRING_IN_ADDRESS.is_set():
        st.button(
            "Back to the data sets",
            icon=":material/arrow_back:",
            on_click=state.BRING_IN_ADDRESS.drop,
        )
        bring.bring_your_own()
    else:
        datasets()


def datasets() -> None:
    """One data set, chosen in the address."""
    for refusal in registry.refusals():
        st.warning(plain(refusal), icon=":material/extension_off:")
    imported_set.undo_of_removal()
    known = registry.datasets()
    choice, way = st.columns([3, 1], vertical_alignment="bottom")
    with choice:
        name = select_in_address(
            "Data set",
            state.ABOUT_DATASET,
            state.ABOUT_DATASET_IN_ADDRESS,
            list(known),
            words=lambda each: choices.dataset_words(known[each]),
        )
    with way:
        st.button(
            "Bring your own data",
            icon=":material/upload_file:",
            width="stretch",
            on_click=state.BRING_IN_ADDRESS.set,
            args=("yes",),
        )
    _data_set(known[name])
    imported_set.unreadable_sets()


def _data_set(spec: type[DatasetSpec]) -> None:
    text = inspect.cleandoc(spec.__doc__ or "")
    own = own_sets.own_sets().get(spec.name) if registry.is_imported(spec) else None
    if own:
        st.markdown(plain(text))
        imported_set.facts(own)
    else:
        st.markdown(authored(text))
        st.caption(f"Licence: {plain(spec.licence)} · Source: {plain(spec.source)}")
    try:
        data = setup.loaded(spec, {}, seed=0)
    except ClustlabError as error:
        session.show_error(error)
    else:
        if data is None:
            download(spec)
            return
        _items(data, own.labellings[0][0] if own and own.labellings else OWN)
    with st.container(horizontal=True):
        if st.button(f"Train on {plain(spec.title)}", icon=":material/play_arrow:", type="primary"):
            state.IS_FORM_OPEN.set(True)
            nav.go("train", dataset=spec.name)
        if spec.kind == "images":
            features.features_panel(spec)
        if own:
            imported_set.removal(own.name, own.title)
    attach.attach(spec)
    if own:
        imported_set.refusals(own)


def _items(data: Dataset, title: str) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        size = plain(" x ".join(map(str, data.items.shape[1:])))
        what = size if data.is_image else f"{size} features"
        st.markdown(f"**{len(data.items):,} items** of {plain(what)} · {plain(data.protocol)}")
        if data.labels is None:
            st.info("This data set has no labels, so pages show only what needs none.")
        else:
            _classes(Labelling(data.labels, data.class_names), title, data)
    with right:
        if data.images is not None or data.items.shape[1] > 2:
            sheet = sheets.random_sheet(data.pictures, SHEET, columns=16)
            alt = f"{len(sheet.ids)} random items of {data.name}"
            st.image(sheets.png(sheet.pixels), width="stretch", alt=alt)
            if data.images is None:
                st.caption("Each small picture is one item: a bar for each of its features.")
        else:
            panels.chart(bars.points, data.items, data.labels, key="points")


def _classes(first: Labelling, title: str, data: Dataset) -> None:
    """How many items each class has, in the set of classes that is chosen."""
    every = {title: first, **data.other_labels}
    chosen = title
    if len(every) > 1:
        chosen = st.selectbox(
            "Classes",
            list(every),
            key=f"classes-of-{data.name}",
            help="Several sets of classes belong to these items. The form on the page Train says "
            "which of them a run is compared with.",
        )
    shown = every.get(chosen, first)
    panels.chart(bars.class_balance, shown.labels, shown.class_names, key="balance")


def download(spec: type[DatasetSpec]) -> None:
    """Offer to fetch a data set that is not on this machine, with progress and a way to stop."""
    st.info(f"{plain(spec.title)} is not on this machine yet.", icon=":material/download:")
    if st.button("Download", type="primary", icon=":material/download:"):
        session.download(spec.name)
    panels.downloading(spec.name)
