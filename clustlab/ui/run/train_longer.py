"""The button "Train longer" of a finished run: how much, and whether that would change much."""

import streamlit as st

from clustlab.device import choose_device
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run
from clustlab.training import estimate, longer
from clustlab.training.longer import Longer
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain


def train_longer(run: Run) -> None:
    """Popover that asks how much longer, and starts it."""
    key = f"longer-{run.id}"
    with st.popover(
        "Train longer", icon=":material/fast_forward:", key=key, on_change="rerun"
    ) as asked:
        if asked.open:  # what nobody sees costs no time
            session.guarded(_panel)(run)


@session.kept_per_run(maxsize=32, anew=len)
def _longer(run: Run) -> Longer | None:
    items = session.items(run)
    return longer.how_to_train_longer(run, len(items), items.shape[1:])


def _panel(run: Run) -> None:
    title = run.manifest["method_title"]
    how = _longer(run)
    if how is None or not how.most:
        st.markdown(
            f"**There is nothing to train longer.** No setting of {plain(title)} says how long it "
            "trains."
        )
        return
    beyond = how.stopped_itself
    if beyond:
        reason = "" if how.stopping_rule is None else "**This run had converged.** "
        st.markdown(
            f":material/check_circle: {reason}{plain(title)} stopped by itself after {how.done} "
            f"of at most {plain(how.units(how.total))}."
        )
        if not how.can_go_beyond or how.stopping_rule is None:
            st.caption(
                "No setting would make it go on. Change its settings and run it again to see "
                "something else."
            )
            return
        st.caption(
            f"It can go on all the same, with “{plain(how.stopping_rule.label)}” set to "
            f"{how.stopping_rule.low:g}; expect small changes."
        )
    elif still := _still_steps(run):
        st.markdown(
            f":material/check_circle: **The labels had settled.** In each of the last {still} "
            "steps 0.1 % of them changed at most, so expect small changes."
        )
    more = int(
        st.number_input(
            f"How many more {plain(how.unit)}s?",
            1,
            how.most,
            how.proposed,
            key=f"more-{run.id}",
            help=f"So far: {plain(how.units(how.done))} of the phase '{plain(how.phase.name)}'.",
        )
    )
    st.caption(
        "Makes a new run that begins with the steps of this one and goes on from its last state: "
        f"clusters keep their numbers and colours. {plain(_time(run, how, more))}"
    )
    st.button(
        f"Train {more:,} more {plain(how.unit)}{'s' * (more > 1)}",
        type="primary",
        icon=":material/play_arrow:",
        key=f"go-{run.id}",
        on_click=session.later(lambda: _start(run, how, more, beyond)),
    )


def _start(run: Run, how: Longer, more: int, beyond: bool) -> None:
    session.train_longer(run, how, more, beyond=beyond)
    nav.go_next("train")


def _still_steps(run: Run) -> int:
    timeline = session.timeline(run)
    timeline.extend()
    return longer.still_steps(timeline.metrics()["changed"].tolist())


def _time(run: Run, how: Longer, more: int) -> str:
    """How long it takes, in a sentence; empty if nobody knows."""
    try:
        device = choose_device(run.spec.device)[0]
    except ClustlabError:
        return ""
    machine = estimate.Machine(session.store().root, device.type)
    seconds = machine.phase_seconds(run.spec.method, how.phase) * more
    return f"It takes {estimate.duration_in_words(seconds)} on this machine."
