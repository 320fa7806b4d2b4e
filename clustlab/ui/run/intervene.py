"""Interventions: asked for on Train while a run is paused, and told under the scrubber."""

from functools import partial

import numpy as np
import streamlit as st

from clustlab import registry
from clustlab.analysis.timeline import Timeline
from clustlab.params import build
from clustlab.runs import interventions
from clustlab.runs.store import Run
from clustlab.types import Array, Intervention, InterventionKind
from clustlab.ui import session
from clustlab.ui.run.view import View

LABELS: dict[InterventionKind, str] = {
    "learning rate": "Learning rate",
    "merge": "Merge",
    "split": "Split",
    "re-seed": "Re-seed",
    "scramble": "Scramble",
}
HELP: dict[InterventionKind, str] = {
    "learning rate": "Later steps are longer or shorter by this factor. A phase with a rate of its "
    "own begins with that one.",
    "merge": "The second gives its items to the first. Unless the method draws its clusters anew, "
    "it stays empty until it is re-seeded or others are split or scrambled.",
    "split": "Half of its items go to a cluster without items, or take the place of the smallest.",
    "re-seed": "Its centre is placed on an item far from all centres. If a classifier gives the "
    "clusters, it answers to an item that no other cluster is sure of.",
    "scramble": "Its items are trained towards random clusters once. Do they find back?",
}
FACTOR = 0.1  # on the learning rate, unless another is chosen


# -- what was done -------------------------------------------------------------------------------
def steps(run: Run, n_steps: int) -> list[int]:
    """Steps at whose start something was changed."""
    return [i for i, record in enumerate(run.log[:n_steps]) if record.get("interventions")]


def line(run: Run, timeline: Timeline, step: int) -> None:
    """One line for what was changed at a step; nothing if there was nothing."""
    record = run.log[step]
    names = timeline.mapping(step - 1) if step else np.zeros(0, np.int32)
    made = [words(each, names) for each in interventions.at_step(record)]
    refused = [
        f"{words(each, names)} was not possible: {reason}"
        for each, reason in interventions.refused_at(record)
    ]
    if made:
        st.markdown(f":blue[:material/tune:] **You changed this run here:** {'; '.join(made)}.")
    if refused:
        st.markdown(f":orange[:material/tune:] {'; '.join(refused)}.")


def words(intervention: Intervention, names: Array) -> str:
    """An intervention in words, with the clusters under their lasting numbers."""
    shown = [str(names[i]) if i < len(names) else str(i) for i in intervention.clusters]
    if intervention.kind == "learning rate":
        return f"learning rate x {intervention.value:g}"
    if intervention.kind == "merge":
        return f"merge cluster {shown[1]} into {shown[0]}"
    return f"{intervention.kind} cluster {shown[0]}"


# -- what can be done ----------------------------------------------------------------------------
def panel(view: View) -> None:
    """What to change in a paused run, and what an active one is going to change."""
    progress = view.run.progress
    if progress["status"] not in ("paused", "running"):
        return
    asked = interventions.wishes(view.run)
    if progress["status"] == "running" and not asked:
        return
    phase, offered = str(progress.get("phase", "")), _possible(view)
    if progress["status"] == "paused":
        with st.container(horizontal=True, vertical_alignment="center", key="intervene"):
            with st.popover("Intervene", icon=":material/tune:", key="intervene-box"):
                _form(view, offered, phase)
            if not asked:
                st.caption("Change something in the paused run, and watch whether it recovers.")
    names = view.timeline.mapping(len(view.timeline) - 1)
    ahead = _ahead(view.run, offered, phase)
    for wish in asked:
        with st.container(horizontal=True, vertical_alignment="center"):
            text = words(wish.intervention, names)
            fit = [name for name, kinds in ahead.items() if wish.intervention.kind in kinds]
            when = f"phase '{fit[0]}'" if fit and phase not in fit else "next step"
            st.caption(f"At the start of the {when}: **{text}**", width="content")
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"undo-{wish.name}",
                on_click=session.later(partial(interventions.take_back, view.run, wish.name)),
            )


def _possible(view: View) -> interventions.Offered:
    """What the method offers, in the phases of which this run has rounds."""
    spec, items = view.run.spec, view.dataset.items
    method = registry.method(spec.method)
    offered = registry.interventions(method)
    if not offered:
        return {}
    plan = build(method, spec.method_params).plan(len(items), items.shape[1:])
    rounds = {phase.name for phase in plan if phase.iterations}
    return {name: kinds for name, kinds in offered.items() if name in rounds}


def _form(view: View, offered: interventions.Offered, phase: str) -> None:
    """Choice of what to change, with a word for what this method or phase does not offer."""
    title = view.run.manifest["method_title"]
    kinds = list(dict.fromkeys(kind for each in offered.values() for kind in each))
    if not kinds:
        others = [m.title for m in registry.methods().values() if registry.interventions(m)]
        st.markdown(
            f"**{title} offers no change while it runs.** Those that do: {', '.join(others)}. "
            "Here you can only go on, take a step, or stop."
        )
        return
    ahead = _ahead(view.run, offered, phase)
    possible = list(dict.fromkeys(kind for each in ahead.values() for kind in each))
    if not possible:
        st.markdown(
            f"**The rest of this run cannot be changed.** {title} offers it in "
            f"{_listed([repr(name) for name in offered], 'and')} only."
        )
        return
    kind = st.segmented_control(
        "What to change",
        possible,
        default=possible[0],
        required=True,
        format_func=LABELS.__getitem__,
        key="intervene-kind",
    )
    missing = [LABELS[each].lower() for each in LABELS if each not in kinds]
    if "learning rate" in missing:
        st.caption(f"{title} has no learning rate.")
    elif missing:
        st.caption(f"{title} has nothing to {_listed(missing)} that would last.")
    places = [repr(name) for name, each in ahead.items() if kind in each]
    if repr(phase) not in places:
        st.caption(
            f"It is in the phase '{phase}', which cannot be changed in this respect. What you ask "
            f"for waits for the phase {_listed(places)}."
        )
    _ask(view, kind)


def _ahead(run: Run, offered: interventions.Offered, phase: str) -> interventions.Offered:
    """What is offered from the present phase on."""
    behind = {record["phase"] for record in run.log} - {phase}
    gone = max((i for i, name in enumerate(offered, 1) if name in behind), default=0)
    return dict(list(offered.items())[gone:])  # a phase may be left out, as layers are


def _listed(names: list[str], word: str = "or") -> str:
    return f" {word} ".join(", ".join(names).rsplit(", ", 1))


def _ask(view: View, kind: InterventionKind) -> None:
    """Fields of one kind, and the button that asks for it."""
    chosen: list[int] = []
    factor = 1.0
    if kind == "learning rate":
        factor = st.number_input("Factor", 0.001, 1000.0, FACTOR, format="%g", key="factor")
    else:
        chosen = _clusters(view, 2 if kind == "merge" else 1)
    st.caption(HELP[kind])
    st.button(
        "Add",
        type="primary",
        key="intervene-add",
        on_click=session.later(lambda: _add(view.run, kind, chosen, factor)),
    )


def _clusters(view: View, number: int) -> list[int]:
    """Raw numbers of the chosen clusters of the newest step, which are shown by lasting ones."""
    last = len(view.timeline) - 1
    names = view.timeline.mapping(last)
    sizes = np.bincount(view.run[last].assignments, minlength=len(names))
    raw = sorted(range(len(names)), key=lambda i: int(names[i]))
    found = []
    for place in range(number):
        options = [i for i in raw if i not in found]
        found.append(
            st.selectbox(
                ("Cluster", "Cluster to merge into it")[place],
                options,
                format_func=lambda i: f"{names[i]} ({sizes[i]:,} items)",
                key=f"intervene-cluster-{place}",
            )
        )
    return found


def _add(run: Run, kind: InterventionKind, clusters: list[int], factor: float) -> None:
    interventions.ask(run, Intervention(kind, tuple(clusters), factor))
