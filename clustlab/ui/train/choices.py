"""What the form of the page Train chooses first: data set, method and preset, kept in the address.

Streamlit leaves a value out of the address where it is the default, and a link without a data set
would show each reader another one. So these three always stand there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from clustlab import registry
from clustlab.data import own_sets
from clustlab.registry import DatasetSpec, Method
from clustlab.types import FAMILIES
from clustlab.ui import nav, state
from clustlab.ui.markdown import plain
from clustlab.ui.state import QueryValue, SessionValue
from clustlab.ui.widgets.address_choice import kept_name, select_in_address

DEFAULT_DATASET, DEFAULT_METHOD, DEFAULT_PRESET = "mnist-5k", "dec", "quick"
PIXELS = ""  # stands for the items of a data set themselves, not features of them


def is_named_elsewhere() -> bool:
    """Whether the address asks for a data set or a method that the form has not shown before.

    Then somebody came by a link, and what it names counts more than the run that is looked at.
    """
    kept = (
        (state.DATASET_IN_ADDRESS, state.FEATURES.get() or state.DATASET.get()),
        (state.METHOD_IN_ADDRESS, state.METHOD.get()),
    )
    return any(address.is_set() and address.get() != value for address, value in kept)


def choose_dataset() -> Any:
    """Draw the choice of a data set, and of its features if there are any; return that."""
    known = registry.datasets()
    features = features_by_set(known)
    set_of = {name: base for base, names in features.items() for name in names}
    address = state.DATASET_IN_ADDRESS
    wanted = (address.get(), state.FEATURES.get(), state.DATASET.get(), DEFAULT_DATASET)
    name = next((each for each in wanted if each in known), next(iter(known)))
    base = set_of.get(name, name)
    state.DATASET.set(base)
    state.FEATURES.set(name if name != base else PIXELS)
    if address.get() != name:
        address.set(name)

    def chosen() -> None:
        state.FEATURES.set(PIXELS)
        address.set(state.DATASET.get())

    st.selectbox(
        "Data set",
        [each for each in known if each not in set_of],
        format_func=lambda each: dataset_words(known[each]),
        key=state.DATASET.key,
        on_change=chosen,
        persist_state="session",
    )
    nav.link("data", "Bring your own data", "upload_file", bring="yes")
    if base in features:
        st.selectbox(
            "What the method sees",
            [PIXELS, *features[base]],
            format_func=lambda each: (
                features_words(known[each])
                if each
                else "pixels"
                if known[base].kind == "images"
                else "the items themselves"
            ),
            key=state.FEATURES.key,
            on_change=lambda: address.set(state.FEATURES.get() or base),
            persist_state="session",
            help="Features of a trained network take the place of the pixels; pages go on showing "
            "the images.",
        )
    return known[name]


def features_by_set(
    known: Mapping[str, type[DatasetSpec]],
) -> Mapping[str, Sequence[str]]:
    """Names of the sets that hold features of another one which is there, by its name."""
    features: dict[str, list[str]] = {}
    for name, own in own_sets.own_sets().items():
        if own.parent in known and own.parent != name and registry.is_imported(known[name]):
            features.setdefault(own.parent, []).append(name)
    # those of features stand by themselves
    return {base: names for base, names in features.items() if not _has_parent(base, features)}


def _has_parent(name: str, features: Mapping[str, Sequence[str]]) -> bool:
    return any(name in names for names in features.values())


def features_words(dataset: type[DatasetSpec]) -> str:
    """Features in a list: by what they were made, and what their set is called."""
    own = own_sets.own_sets().get(dataset.name)
    return " · ".join(filter(None, (own.features if own else "", dataset.title)))


def dataset_words(dataset: type[DatasetSpec]) -> str:
    """A data set in a list: its title, and whether somebody has imported it."""
    return f"{dataset.title} · imported" if registry.is_imported(dataset) else dataset.title


def choose_method() -> type[Method]:
    """Draw the choice of a method, by family; return it."""
    known = {method.name: method for each in by_family().values() for method in each}
    name = select_in_address(
        "Method",
        state.METHOD,
        state.METHOD_IN_ADDRESS,
        list(known),
        DEFAULT_METHOD,
        words=lambda each: method_words(known[each]),
    )
    method = known[name]
    st.caption(plain(method.idea))
    with st.popover(
        "See all methods", icon=":material/list:", key="all-methods", on_change="rerun"
    ) as every:
        if every.open:  # what nobody sees costs no time
            _all_methods(method)
    return method


def by_family() -> Mapping[str, Sequence[type[Method]]]:
    """Methods by what their family is called, in its order; each family by title."""
    methods = sorted(registry.methods().values(), key=lambda method: method.title.lower())
    families = {
        words: [method for method in methods if method.family == family]
        for family, words in FAMILIES.items()
    }
    return {words: members for words, members in families.items() if members}


def method_words(method: type[Method]) -> str:
    """A method in a list: its name, then its family, which a narrow list may cut."""
    return f"{method.title} · {FAMILIES[method.family]}"


def _all_methods(chosen: type[Method]) -> None:
    for words, members in by_family().items():
        st.markdown(f"**{plain(words)}**")
        for method in members:
            name, idea = st.columns([2, 3], vertical_alignment="center")
            name.button(
                plain(method.title),
                key=f"choose-{method.name}",
                type="primary" if method is chosen else "tertiary",
                on_click=choose,
                kwargs={"method": method.name},
            )
            idea.caption(plain(method.idea))


def choose(*, dataset: str = "", method: str = "") -> None:
    """Let the form show a data set or a method; to be called before it is drawn."""
    if dataset:
        state.DATASET.set(dataset)
        state.DATASET_IN_ADDRESS.set(dataset)
    if method:
        state.METHOD.set(method)
        state.METHOD_IN_ADDRESS.set(method)


def choose_preset(
    method: type[Method], words: Mapping[str, str], apply: Callable[[str], None]
) -> str:
    """Draw a button for each preset, with words such as its time; return the chosen one.

    `apply` is told of a preset when it was chosen.
    """
    value, address = of_preset(method.name)
    names = list(method.presets)
    name = kept_name(value, address, names, DEFAULT_PRESET)

    def chosen() -> None:
        address.set(value.get())
        apply(value.get())

    with st.container(key="presets"):
        st.segmented_control(
            "Preset",
            names,
            format_func=lambda each: (
                f"**{plain(each)}** {plain(words[each])}" if words.get(each) else plain(each)
            ),
            required=True,
            key=value.key,
            on_change=chosen,
            persist_state="session",
            help="Quick: minutes on a CPU. Standard: the settings behind our own figures. "
            "Paper: the published settings, meant for a GPU.",
            width="stretch",
        )
    return name


def of_preset(method: str) -> tuple[SessionValue[str], QueryValue]:
    """Where the preset of a method is kept."""
    key = f"{method}.preset"
    return SessionValue(key, ""), QueryValue(key)
