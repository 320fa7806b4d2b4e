"""The form of the page Train: data set, method, preset, parameters, device, seed, Start."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from clustlab import registry
from clustlab.data import library
from clustlab.data.feature_scales import remarks
from clustlab.device import NAMES, choose_device
from clustlab.errors import ClustlabError
from clustlab.params import Param, build, schema, size_remarks
from clustlab.registry import DatasetSpec, Method
from clustlab.runs.identity import differences, planned, preset_of
from clustlab.runs.store import Run, RunSpec
from clustlab.training import estimate
from clustlab.types import Dataset, PlannedPhase
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.studies.new_study import make_study
from clustlab.ui.train import choices, waiting
from clustlab.ui.train import form as forms
from clustlab.ui.train import preview as before_start
from clustlab.ui.widgets import panels
from clustlab.views import sheets

SHOWN, DATA_SHOWN = 4, 2  # parameters in sight; the rest are folded
VECTORS_SHOWN = 2  # more of vectors: how they are brought to scale
TOLD = 3  # settings that are named where many differ


@dataclass(frozen=True)
class Choice:
    """What the form says now."""

    dataset: type[DatasetSpec]
    dataset_params: dict[str, Any]
    method: type[Method]
    method_params: dict[str, Any]
    preset: str
    seed: int
    device: str
    mixed_precision: bool
    excluded: list[int]

    @property
    def spec(self) -> RunSpec:
        """The choice as a run to be."""
        return RunSpec(
            dataset=self.dataset.name,
            method=self.method.name,
            dataset_params=self.dataset_params,
            method_params=self.method_params,
            preset=self.preset,
            seed=self.seed,
            device=self.device,
            mixed_precision=self.mixed_precision,
            excluded=self.excluded,
        )


def form(run: Run | None) -> Choice:
    """Draw the form, with the button that starts what it says; return that."""
    _follow(run)
    waiting.queue_of(run)  # on top, where it is seen
    above = st.container()
    choice = fields()
    if run is not None and run.spec.is_outside:
        run = None  # it was not started here, so there is nothing to compare the form with
    # of a run that waits, the box above says more than that it is not the one shown
    if run is not None and not state.IS_FORM_OPEN.get() and state.AWAITED.get() is None:
        with above:
            _next_run(choice, run)
    try:
        build(choice.dataset, choice.dataset_params)
        build(choice.method, choice.method_params)
        registry.check_kind(choice.method, choice.dataset)
        problem = None
    except ClustlabError as error:
        problem = error
        session.show_error(error)
    is_busy = bool(session.active_runs())
    if st.button(
        "Put in the queue" if is_busy else "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=problem is not None,
    ):
        try:
            session.start(choice.spec)
        except ClustlabError as error:
            session.show_error(error)
        else:
            session.close_form()
            state.FORM_OF.set(state.RUN.get())  # it holds what was started
            st.rerun()
    if problem is None:
        make_study(choice.spec)
    return choice


def _follow(run: Run | None) -> None:
    """Fill the form with the settings of a run that was opened: one change, and Start again.

    What a link asks for stays, and so does a form that is being filled in for another run.
    """
    wanted = state.PREFILL.take()
    if wanted:
        prefill(wanted)
    if run is None:
        return
    is_new = run.id != state.FORM_OF.get()
    state.FORM_OF.set(run.id)
    is_busy = bool(wanted) or state.IS_FORM_OPEN.get() or choices.is_named_elsewhere()
    if is_new and not is_busy:
        with contextlib.suppress(ClustlabError):  # of a method that is not there any more
            prefill(run.id)


def _next_run(choice: Choice, run: Run) -> None:
    """Say that the form is about another run than the one that is shown, where it is."""
    other = different_settings(choice.spec, run.spec)
    if not other:
        return
    with st.container(border=True, key="next-run"):
        st.markdown(
            f"**These settings are for the next run.** The run shown, {plain(run.title)}, differs "
            f"in {plain(_listed(other))}."
        )
        st.button(
            "Use the settings of the run shown",
            icon=":material/input:",
            type="tertiary",
            on_click=state.PREFILL.set,
            args=(run.id,),
        )


def different_settings(a: RunSpec, b: RunSpec) -> list[str]:
    """What two runs are asked to do differently, in words; whether one goes on from a third not."""
    if (a.dataset, a.method) != (b.dataset, b.method):
        told = [("data set", a.dataset != b.dataset), ("method", a.method != b.method)]
        return [words for words, differs in told if differs]
    owners = registry.dataset(a.dataset), registry.method(a.method)
    labels = {f"data.{p.name}": p.label for p in schema(owners[0])}
    labels |= {p.name: p.label for p in schema(owners[1])}
    facts = differences(planned(a), planned(b))
    names = [name for name in facts if name not in ("continues", "version")]
    known = {"excluded": "items left out", "mixed_precision": "mixed precision"}
    return [known.get(name) or labels.get(name, name).lower() for name in names]


def _listed(words: Sequence[str]) -> str:
    """Words as they are listed in a sentence, the first few."""
    few = [*words[:TOLD], f"{len(words) - TOLD} more"] if len(words) > TOLD + 1 else list(words)
    return " and ".join(filter(None, (", ".join(few[:-1]), few[-1])))


def fields() -> Choice:
    """Draw the fields of the form; return what they say."""
    dataset = choices.choose_dataset()
    shown = DATA_SHOWN + VECTORS_SHOWN * (dataset.kind == "vectors")
    dataset_params = forms.fields(dataset.name, schema(dataset), {}, shown=shown)
    data = samples(dataset, dataset_params, state.SEED.get())
    excluded = left_out(dataset, dataset_params)
    method = choices.choose_method()
    if not registry.works_on(method, dataset.kind):  # said beside the button that starts
        data = None
    preset = _preset(method, data)
    params = forms.fields(method.name, schema(method), method.presets[preset], SHOWN)
    if params != {p.name: v for p, v in _of_preset(method, preset)}:
        preset = "custom"
        st.caption(f"Changed settings: {plain(time_words(method, params, data))} on this machine.")
    if data is not None:
        for remark in size_remarks(method, params, len(data.items) - len(excluded)):
            st.warning(plain(remark), icon=":material/straighten:")
    seed, device = st.columns(2)
    with seed:
        number = st.number_input(
            "Seed",
            0,
            2**32 - 1,
            0,
            key=state.SEED.key,
            **{**forms.LASTING, "bind": state.binding(state.SEED.key)},
            help="Fixes every random choice: the same settings and seed give the same result.",
        )
    with device:
        name = st.selectbox(
            "Device",
            NAMES,
            key=state.DEVICE.key,
            **forms.LASTING,
            help="'auto' uses CUDA if there is any, else MPS, else the CPU.",
        )
    mixed = name in ("auto", "cuda") and _has_cuda()
    if mixed:
        mixed = st.toggle(
            "Mixed precision",
            key=state.IS_MIXED.key,
            **forms.LASTING,
            help="Networks run in bfloat16, everything else in float32. Methods without a network "
            "ignore it.",
        )
    return Choice(
        dataset, dataset_params, method, params, preset, int(number), name, mixed, excluded
    )


def left_out(dataset: type[DatasetSpec], params: Mapping[str, Any]) -> list[int]:
    """Rows that the next run is to do without; they hold for one draw of one data set only."""
    kept = state.LEFT_OUT.get()
    if not kept or not kept["rows"]:
        return []
    words = f"{len(kept['rows']):,} items"
    try:
        key = library.key(dataset.name, params, state.SEED.get())
    except ClustlabError:  # said beside the button that starts
        return []
    if key != kept["key"]:
        st.caption(
            f"The {words} you left out belong to another data set or seed; none are left out here."
        )
        return []
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/filter_alt: The next run leaves out {words}.", width="stretch")
        st.button("Put them back", type="tertiary", on_click=state.LEFT_OUT.forget)
    return list(kept["rows"])


def _of_preset(method: type[Method], preset: str) -> list[tuple[Param, Any]]:
    """Parameters of a preset that differ from the defaults of the method."""
    values = method.presets[preset]
    changed = (p for p in schema(method) if values.get(p.name, p.default) != p.default)
    return [(p, values[p.name]) for p in changed]


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _preset(method: type[Method], data: Dataset | None) -> str:
    """Three buttons, each with its time; choosing one sets every parameter to it."""
    times = {p: time_words(method, values, data) for p, values in method.presets.items()}
    preset = choices.choose_preset(
        method,
        times,
        lambda chosen: forms.reset(method.name, schema(method), method.presets[chosen]),
    )
    if any(times.values()):
        st.caption(plain(source_of_times(method)))
    return preset


def source_of_times(method: type[Method]) -> str:
    """Where the times of a method come from, in a sentence."""
    measured = _machine().n_measured(method.name)
    if measured:
        runs = f"{measured} runs" if measured > 1 else "run"
        return f"Times measured in the last {runs} of {method.title} on this machine."
    return f"Times are estimates: no run of {method.title} has finished on this machine yet."


def prefill(run_id: str) -> None:
    """Take over the settings of a run that is to be changed and run again.

    Of a clustering made elsewhere, only its items are taken over.
    """
    run = session.open_run(run_id)
    spec, dataset = run.spec, registry.dataset(run.spec.dataset)
    if run.spec.is_outside:  # nobody knows how it was made: only its items are taken over
        choices.choose(dataset=spec.dataset)
        _prefill_items(spec, dataset)
        return
    method = registry.method(spec.method)
    choices.choose(dataset=spec.dataset, method=spec.method)
    _prefill_items(spec, dataset)
    state.DEVICE.set(spec.device)
    state.IS_MIXED.set(spec.mixed_precision)
    value, address = choices.of_preset(method.name)
    value.set(preset_of(spec))
    address.set(value.get())
    forms.reset(method.name, schema(method), spec.method_params)


def _prefill_items(spec: RunSpec, dataset: type[DatasetSpec]) -> None:
    """Take over which items a run was given."""
    state.SEED.set(spec.seed)
    forms.reset(dataset.name, schema(dataset), spec.dataset_params)
    key = library.key(spec.dataset, spec.dataset_params, spec.seed)
    excluded = state.PREFILL_EXCLUDED.take()
    state.LEFT_OUT.set({"key": key, "rows": spec.excluded if excluded is None else excluded})


# -- what the data look like -------------------------------------------------------------------
def loaded(dataset: type[DatasetSpec], params: Mapping[str, Any], seed: int) -> Dataset | None:
    """Data set of the form, if it can be had without a download; None otherwise.

    Raises
    ------
    ClustlabError
        If a parameter is not valid or a file is broken.
    """
    root = session.store().root
    kept = library.is_loaded(root, dataset.name, params, seed)
    if kept or build(dataset, params).is_ready():
        return library.load(root, dataset.name, params, seed)
    return None


def samples(dataset: type[DatasetSpec], params: Mapping[str, Any], seed: int) -> Dataset | None:
    """Show a strip of twelve items and remarks on them, or that they are to be downloaded."""
    try:
        data = loaded(dataset, params, seed)
    except ClustlabError as error:
        session.show_error(error)
        return None
    if data is None:
        st.info(
            f"{plain(dataset.title)} is not on this machine yet. Press Start to download it first; "
            "Stop cancels the download.",
            icon=":material/download:",
        )
        return None
    if len(data.items):
        strip = sheets.png(sheets.strip(data.pictures))
        st.image(strip, width="stretch", alt=f"Twelve items of {dataset.title}")
    st.caption(f"**{plain(dataset.title)}.** {plain(data.protocol)}")
    for remark in remarks(data.items):
        st.warning(plain(remark), icon=":material/balance:")
    return data


def time_words(method: type[Method], params: Mapping[str, Any], data: Dataset | None) -> str:
    """Estimated training time in words; empty if the data or a parameter are missing."""
    if data is None:
        return ""
    try:
        seconds = _seconds(
            method.name,
            tuple(sorted(params.items(), key=str)),
            len(data.items),
            data.items.shape[1:],
        )
    except ClustlabError:
        return ""
    return estimate.duration_in_words(seconds)


@lru_cache(maxsize=256)
def _plan(
    method: str, params: tuple[tuple[str, Any], ...], n: int, shape: tuple[int, ...]
) -> list[PlannedPhase]:
    return build(registry.method(method), dict(params)).plan(n, shape)


def _machine() -> estimate.Machine:
    device = choose_device(state.DEVICE.get())[0]
    return estimate.Machine(session.store().root, device.type)


def _seconds(
    method: str, params: tuple[tuple[str, Any], ...], n: int, shape: tuple[int, ...]
) -> float:
    machine = _machine()
    if not any(run.is_active for run in session.store().runs()):  # a busy machine looks slow
        machine.measure()
    return machine.seconds(method, _plan(method, params, n, shape))


# -- before the start --------------------------------------------------------------------------
def preview(choice: Choice) -> None:
    """What the method will do, as a diagram, before anything runs."""
    method = choice.method
    if state.RUN.get():
        st.button(
            "Back to the run",
            icon=":material/arrow_back:",
            on_click=session.close_form,
        )
    st.subheader(plain(method.title), anchor=False)
    st.markdown(plain(method.idea))
    panels.loop_diagram(method)
    st.caption(f"Each step of the slider will be one {plain(method.step_unit)}.")
    with contextlib.suppress(ClustlabError):  # said in the form
        registry.check_kind(method, choice.dataset)
        data = loaded(choice.dataset, choice.dataset_params, choice.seed)
        before_start.preview_of_method(method, choice.method_params, data)
    before_start.what_to_expect(method)
