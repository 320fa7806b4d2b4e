"""The switch between the two classes that a cluster may stand for: its match, its majority."""

import streamlit as st

from clustlab.types import CLASS_RULES
from clustlab.ui import state
from clustlab.ui.run.view import View

HELP = (
    "Accuracy matches clusters and classes 1-to-1, so a cluster that is left over may be given a "
    "class that hardly occurs in it, or none. The majority asks of each cluster alone what most of "
    "its items are. The choice holds for all pages."
)


def class_rule_switch(view: View) -> None:
    """Let the user say what a cluster stands for; the address keeps it."""

    def chosen() -> None:
        class_rule = state.CLASS_RULE_SWITCH.get()
        state.CLASS_RULE.set(class_rule)
        state.CLASS_RULE_IN_ADDRESS.set(class_rule)

    state.CLASS_RULE_SWITCH.set(view.class_rule)
    st.segmented_control(
        "A cluster stands for",
        list(CLASS_RULES),
        required=True,
        format_func=CLASS_RULES.__getitem__,
        key=state.CLASS_RULE_SWITCH.key,
        on_change=chosen,
        help=HELP,
    )
