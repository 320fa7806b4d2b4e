"""What the form of the page Train chooses first: data set, method and preset, kept in the address.

Streamlit leaves a value out of the address where it is the default, and a link without a data set
would show each reader another one. So these three always stand there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from clustlab import registry
from clustlab.registry import DatasetSpec, Method
from clustlab.types import FAMILIES
from clustlab.ui import state
from clustlab.ui.markdown import plain
from clustlab.ui.state import QueryValue, SessionValue
from clustlab.ui.widgets.address_choice import kept_name, select_in_address

DEFAULT_DATASET, DEFAULT_METHOD, DEFAULT_PRESET = "mnist-5k", "dec", "quick"


def is_named_elsewhere() -> bool:
    """Whether the address asks for a data set or a method that the form has not shown before.

    Then somebody came by a link, and what it names counts more than the run that is looked at.
    """
    kept = (
        (state.DATASET_IN_ADDRESS, state.DATASET),
        (state.METHOD_IN_ADDRESS, state.METHOD),
    )
    return any(address.is_set() and address.get() != value.get() for address, value in kept)


def choose_dataset() -> Any:
    """Draw the choice of a data set; return it."""
    known = registry.datasets()
    name = select_in_address(
        "Data set",
        state.DATASET,
        state.DATASET_IN_ADDRESS,
        list(known),
        DEFAULT_DATASET,
        words=lambda each: dataset_words(known[each]),
    )
    return known[name]


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
