"""Interventions: asked for on Train while a run is paused, and told under the scrubber."""

from functools import partial

import numpy as np
import streamlit as st

from clustlab import registry
from clustlab.analysis.matching import sizes_of
from clustlab.analysis.timeline import Timeline
from clustlab.params import build
from clustlab.runs import interventions
from clustlab.runs.store import Run
from clustlab.types import Array, InterventionKind
from clustlab.ui import session
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View

LABELS: dict[InterventionKind, str] = {
    "learning rate": "Learning rate",
    "merge": "Merge",
    "split": "Split",
    "re-seed": "Re-seed",
    "scramble": "Scramble",
}
HELP: dict[InterventionKind, str] = {
    "learning rate": "Makes later steps longer or shorter by this factor. A phase with a learning "
    "rate of its own starts with that rate.",
    "merge": "The second cluster gives its items to the first. Unless the method draws its "
    "clusters anew, the second stays empty until it is re-seeded, or another is split or "
    "scrambled.",
    "split": "Half of its items move to an empty cluster or, if there is none, replace the "
    "smallest.",
    "re-seed": "Moves its centre to an item far from all centres. In a classifier, the cluster is "
    "given to an item that no other cluster is sure of.",
    "scramble": "Trains its items towards random clusters once. Do they find their way back?",
}
FACTOR = 0.1  # on the learning rate, unless another is chosen


# -- what was done -------------------------------------------------------------------------------
def changed_steps(run: Run, n_steps: int) -> list[int]:
    """Steps at whose start something was changed."""
    return [i for i, record in enumerate(run.log[:n_steps]) if record.get("interventions")]


def show_changes(run: Run, timeline: Timeline, step: int) -> None:
    """One line for what was changed at a step, with the items; nothing if there was nothing."""
    record = run.log[step]
    names = timeline.mapping(step - 1) if step else np.zeros(0, np.int32)
    for place, made in enumerate(interventions.made_at(record)):
        with st.container(horizontal=True, vertical_alignment="center", key=f"changed-{place}"):
            text = sentence(made.kind, _lasting(made, names), made.value)
            st.markdown(
                f":blue[:material/tune:] **You changed this run here:** {plain(text)}.",
                width="content",
            )
            _items_button(run, step, made, text, place)
    for refused in interventions.refused_at(record):
        text = sentence(refused.kind, _lasting(refused, names), refused.value)
        st.markdown(
            f":orange[:material/tune:] {plain(text)} was not possible: {plain(refused.reason)}."
        )


def _items_button(
    run: Run, step: int, made: interventions.RecordedIntervention, text: str, place: int
) -> None:
    """Button that selects the items that a change took; a word if it took none."""
    if made.kind == "learning rate":
        return
    items = interventions.items_taken(run, step, made)
    if not len(items):
        st.caption("It held no items.", width="content")
        return
    st.button(
        f"Show its {len(items):,} items",
        icon=":material/select_all:",
        type="tertiary",
        key=f"items-taken-{place}",
        help="The items of this cluster when it was changed. Follow them from here on.",
        on_click=lambda: session.select(items, f"{text} at step {step}"),
    )


def _lasting(made: interventions.RecordedIntervention, names: Array) -> tuple[int, ...]:
    """Lasting numbers of the clusters; in older runs from what they were called the step before."""
    if made.lasting is not None:
        return made.lasting
    return tuple(int(names[i]) if i < len(names) else i for i in made.raw)


def sentence(kind: InterventionKind, lasting: tuple[int, ...], value: float) -> str:
    """An intervention in words, with the clusters under their lasting numbers."""
    if kind == "learning rate":
        return f"learning rate x {value:g}"
    if kind == "merge":
        return f"merge cluster {lasting[1]} into {lasting[0]}"
    return f"{kind} cluster {lasting[0]}"


# -- what can be done ----------------------------------------------------------------------------
def intervention_panel(view: View) -> None:
    """What to change in a paused run, and what an active one is going to change."""
    progress = view.run.progress
    if progress["status"] not in ("paused", "running"):
        return
    asked = interventions.pending(view.run, view.timeline.mapping)
    if progress["status"] == "running" and not asked:
        return
    phase, offered = str(progress.get("phase", "")), _possible(view)
    if progress["status"] == "paused":
        with st.container(horizontal=True, vertical_alignment="center", key="intervene"):
            with st.popover("Intervene", icon=":material/tune:", key="intervene-box"):
                _form(view, offered, phase)
            if not asked:
                st.caption("Change something in the paused run, and watch whether it recovers.")
    ahead = _ahead(view.run, offered, phase)
    for each in asked:
        with st.container(horizontal=True, vertical_alignment="center"):
            text = sentence(each.kind, each.lasting, each.value)
            fit = [name for name, kinds in ahead.items() if each.kind in kinds]
            when = f"phase '{plain(fit[0])}'" if fit and phase not in fit else "next step"
            st.caption(f"At the start of the {when}: **{plain(text)}**", width="content")
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"undo-{each.name}",
                on_click=session.later(partial(interventions.take_back, view.run, each.name)),
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
            f"**{plain(title)} cannot be changed while it runs.** Methods that can: "
            f"{plain(', '.join(others))}. Here you can only continue, take a step, or stop."
        )
        return
    ahead = _ahead(view.run, offered, phase)
    possible = list(dict.fromkeys(kind for each in ahead.values() for kind in each))
    if not possible:
        st.markdown(
            f"**The rest of this run cannot be changed.** {plain(title)} can be changed in "
            f"{plain(_listed([repr(name) for name in offered], 'and'))} only."
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
        st.caption(f"{plain(title)} has no learning rate.")
    elif missing:
        st.caption(f"{plain(title)} has nothing to {plain(_listed(missing))} that would last.")
    places = [repr(name) for name, each in ahead.items() if kind in each]
    if repr(phase) not in places:
        st.caption(
            f"The run is in the phase '{plain(phase)}', where this cannot be changed. Your change "
            f"waits for the phase {plain(_listed(places))}."
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


def _add(run: Run, kind: InterventionKind, lasting: list[int], factor: float) -> None:
    interventions.ask(run, kind, tuple(lasting), factor)


def _clusters(view: View, number: int) -> list[int]:
    """Lasting numbers of the chosen clusters of the newest step."""
    last = len(view.timeline) - 1
    names = view.timeline.mapping(last)
    raw_sizes = sizes_of(view.run[last].assignments, len(names))
    sizes = {int(name): int(size) for name, size in zip(names, raw_sizes, strict=True)}
    chosen: list[int] = []
    for place in range(number):
        chosen.append(
            st.selectbox(
                ("Cluster", "Cluster to merge into it")[place],
                [name for name in sorted(sizes) if name not in chosen],
                format_func=lambda name: f"{name} ({sizes[name]:,} items)",
                key=f"intervene-cluster-{place}",
            )
        )
    return chosen
