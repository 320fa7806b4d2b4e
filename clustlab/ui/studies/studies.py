"""Body of the page Studies: which there are, how far the chosen one is, and what it found."""

from collections.abc import Callable, Sequence

import streamlit as st

from clustlab import registry
from clustlab.runs.status import ACTIVE, Request
from clustlab.studies.carry_out import to_do
from clustlab.studies.description import DATA, DATASET, METHOD, SEED, Axis, Study, in_words
from clustlab.studies.estimate import estimate
from clustlab.studies.state import WORDS, Place, counts, places
from clustlab.studies.store import Studies
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.studies import findings
from clustlab.ui.studies.matrix import matrix
from clustlab.ui.widgets import live
from clustlab.ui.widgets.address_choice import select_in_address

MOST_SEEDS = 100


def studies_page() -> None:
    """The studies beside the runs, one of them in full."""
    st.title("Studies", anchor=False)
    _undo()
    kept = Studies(session.store())
    every = kept.all()
    for each in kept.unreadable():
        st.warning(
            f"The study {plain(repr(each.slug))} cannot be read: {plain(each.reason)} Its runs are "
            "not touched.",
            icon=":material/warning:",
        )
    if not every:
        _nothing_yet()
        return
    chosen, new = st.columns([4, 1], vertical_alignment="bottom")
    with chosen:
        name = select_in_address(
            "Study", state.STUDY, state.STUDY_IN_ADDRESS, [study.name for study in every]
        )
    with new:
        nav.link("train", "Make another", "add")
    study = next(study for study in every if study.name == name)
    active = any(place.status in ACTIVE for place in places(study, session.store().runs()))
    live.part("study", _study, [live.QUEUE] if active else [], "progress")(name, is_followed=active)


def _nothing_yet() -> None:
    st.markdown(
        "One run is an anecdote. A **study** trains the same settings with several seeds, or with "
        "every value of a setting, and shows each seed as a dot, the median and the range: whether "
        "a difference between two methods is larger than that between two seeds, which number of "
        "clusters to take, and whether a setting matters."
    )
    st.markdown(
        "On the page Train, fill in the form and open *Make a study of it*; on the command line:"
    )
    st.code(
        'python -m clustlab study run "k of dec" --base dataset=digits method=dec preset=quick '
        "--vary n_clusters=6..14 seed=0..2",
        language=None,
        wrap_lines=True,
    )
    if st.button("Open the form", type="primary", icon=":material/play_arrow:"):
        nav.go("train")


def _study(name: str, *, is_followed: bool) -> None:
    kept = Studies(session.store())
    if not kept.is_there(name):  # deleted by a button of this part
        st.rerun()
    study = kept.study(name)  # read anew, since a button may have added seeds
    every = places(study, session.store().runs())
    if not is_followed and any(place.status in ACTIVE for place in every):
        st.rerun()  # a button has started them, and this part alone was drawn again
    st.markdown(f"{plain(described(study))}.")
    _progress(study, every)
    _buttons(study, every)
    with st.expander("Runs", expanded=any(place.status != "done" for place in every)):
        matrix(study, every)
    findings.findings(study, every)


def described(study: Study) -> str:
    """What a study is, in words."""
    base, names = study.base, {axis.name for axis in study.varied}
    method = "" if METHOD in names else registry.method(base.method).title
    dataset = "" if DATASET in names else registry.dataset(base.dataset).title
    fixed = {**{DATA + name: value for name, value in base.data.items()}, **base.settings}
    told = [
        " on ".join(filter(None, (method, dataset))),
        f"preset {base.preset}",
        *(f"{study.label(name)} {in_words(value)}" for name, value in fixed.items()),
        *(f"{study.label(axis.name)} from {_listed(study, axis)}" for axis in study.varied),
        f"{len(study.seeds)} seeds" if len(study.seeds) > 1 else f"seed {study.seeds[0]}",
    ]
    return "; ".join(filter(None, told))


def _listed(study: Study, axis: Axis) -> str:
    return ", ".join(study.value_words(axis.name, value) for value in axis.values)


def _progress(study: Study, every: Sequence[Place]) -> None:
    found = counts(every)
    told = [f"{found[status]} {words}" for status, words in WORDS.items() if status in found]
    st.progress(found.get("done", 0) / len(every), plain(", ".join(told)))
    failed = next((place for place in every if place.status == "failed"), None)
    if failed is not None and failed.run is not None:
        st.error(
            f"{plain(study.words(failed.cell) or study.name)}, seed {failed.seed}: "
            f"{plain(str(failed.run.progress.get('error') or 'it failed'))}",
            icon=":material/error:",
        )


# -- what can be done ----------------------------------------------------------------------------
def _buttons(study: Study, every: Sequence[Place]) -> None:
    open_ones = [p for p in every if p.status not in ("done", *ACTIVE)]
    at_work = [place for place in every if place.status in ACTIVE]
    if open_ones and not at_work:
        st.caption(plain(estimate(study, session.store()).words))
    with st.container(horizontal=True, vertical_alignment="bottom", key="study-actions"):
        verb = "Go on" if any(place.run is not None for place in every) else "Start"
        if open_ones:
            _button(
                f"{verb} ({len(open_ones)} left)",
                "play_arrow",
                lambda: queue_all(study),
                type="primary",
            )
        _button(
            "Set aside",
            "pause",
            lambda: _ask(at_work, "aside"),
            disabled=not at_work,
            help="Lets other runs train; 'Go on' continues where each run stood.",
        )
        _button("Stop", "stop", lambda: _ask(at_work, "cancel"), disabled=not at_work)
        with st.popover("Seeds", icon=":material/casino:"):
            number = st.number_input(
                "Seeds in all", len(study.seeds), MOST_SEEDS, len(study.seeds), key="study-seeds"
            )
            _button(
                "Add them",
                "add",
                lambda: _add_seeds(study, int(number)),
                disabled=number <= len(study.seeds),
            )
        with st.popover("Delete", icon=":material/delete:"):
            st.markdown("**Its runs stay**, on the page Runs.")
            _button("Delete this study", "delete", lambda: _delete(study))


def _button(
    label: str,
    icon: str,
    action: Callable[[], object],
    **options: object,
) -> None:
    st.button(
        plain(label),
        icon=f":material/{icon}:",
        on_click=session.later(action),
        **options,  # type: ignore[arg-type]
    )


def queue_all(study: Study) -> None:
    """Queue all runs of a study that are neither done nor at work, in their order."""
    for place in to_do(study, session.store()):
        if place.run is None:
            session.queue(place.spec)
        else:
            session.resume(place.run)


def _ask(at_work: Sequence[Place], word: Request) -> None:
    for place in reversed(at_work):  # those that wait first, or they would begin
        if place.run is not None:
            place.run.request(word)


def _add_seeds(study: Study, n: int) -> None:
    known, seed = list(study.seeds), 0
    while len(known) < n:
        if seed not in known:
            known.append(seed)
        seed += 1
    Studies(session.store()).keep(study.with_axes([Axis(SEED, tuple(known))]))


def _delete(study: Study) -> None:
    Studies(session.store()).delete(study.name)
    state.DELETED_STUDY.set(study.name)
    state.STUDY.forget()
    state.STUDY_IN_ADDRESS.set("")


def _undo() -> None:
    """Offer to bring back the study deleted last."""
    name = state.DELETED_STUDY.get()
    if not name:
        return

    def restore() -> None:
        Studies(session.store()).restore(name)
        state.DELETED_STUDY.forget()
        state.STUDY.set(name)
        state.STUDY_IN_ADDRESS.set(name)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Deleted the study {plain(repr(name))}.", width="stretch")
        st.button("Undo", icon=":material/undo:", key="undo-study", on_click=session.later(restore))
