"""The page Learn: the course, and one step of a lesson at a time.

The address holds everything: lesson, step, the values of the controls and the prediction.
`lock=alpha,try` fixes controls for a class, `hide=...` leaves them out, `lock=all` fixes all.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from clustlab.course import catalogue
from clustlab.course.bookmark import Bookmark, set_bookmark
from clustlab.course.controls import Choice, Control, Grid, Places, Slider, Switch
from clustlab.course.lesson import Lesson, LessonStep
from clustlab.errors import ParameterError
from clustlab.evidence import catalogue as claims
from clustlab.ui import nav, session, state
from clustlab.ui.learn import lesson_figure, lesson_runs
from clustlab.ui.markdown import Markdown, authored, plain
from clustlab.ui.state import QueryValue, SessionValue

LETTERS = 20  # of the options of a control, for which it gets the width of a slider once more
OF_ALL_LESSONS = (state.RUN_IN_ADDRESS.key, state.LOCKED.key, state.HIDDEN.key)


def learn_page() -> None:
    """The lesson that the address asks for, or the list of all."""
    name = state.LESSON.get()
    if not name:
        _overview()
    elif name == "glossary":
        _glossary()
    else:
        try:
            _lesson(catalogue.lesson(name))
        except ParameterError as error:  # of the address: say so, and lead on
            session.show_error(error)
            _door("All lessons", "apps", None)


def _overview() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Learn", anchor=False)
        _door("Glossary: the words of the field", "dictionary", "glossary")
    st.markdown(
        "Short lessons that run on this machine: read a few sentences, move something, predict "
        "what happens, and see. Every figure is computed while you look."
    )
    known = list(catalogue.lessons().values())
    for start in range(0, len(known), 3):
        for column, lesson in zip(st.columns(3), known[start : start + 3], strict=False):
            with column, st.container(border=True, height="stretch"):
                _card(lesson)


def _door(label: Markdown, icon: str, lesson: str | None) -> None:
    """Button to another part of this page: a link to the page one is on would do nothing."""
    st.button(
        label,
        key=f"door-{lesson}-{label}",
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=_open,
        args=(lesson,),
    )


def _open(lesson: str | None) -> None:
    state.keep_in_address(OF_ALL_LESSONS, **({state.LESSON.key: lesson} if lesson else {}))


def _card(lesson: Lesson) -> None:
    st.markdown(f"**{lesson.number}. {authored(lesson.title)}**")
    st.caption(authored(lesson.idea))
    _door(f"Begin · {len(lesson.steps)} steps", "school", lesson.name)


def _glossary() -> None:
    _door("All lessons", "apps", None)
    st.title("Glossary", anchor=False)
    asked = st.text_input("Find a term", value=state.TERM.get(), key="glossary-filter")
    wanted = asked.strip().lower()
    terms = {t: m for t, m in catalogue.glossary().items() if wanted in f"{t} {m[0]}".lower()}
    if not terms:
        st.info(f"No term contains {plain(repr(wanted))}. Clear the field to see all.")
    columns = st.columns(2, gap="medium")
    for place, (term, (meaning, lesson)) in enumerate(terms.items()):
        with columns[place % 2]:
            st.markdown(f"**{authored(term)}** — {authored(meaning)}")
            _door(f"{authored(term)}: lesson {catalogue.lesson(lesson).number}", "school", lesson)


def _lesson(lesson: Lesson) -> None:
    number = _number(lesson)
    step = lesson.steps[number - 1]
    here = Bookmark(lesson.name, lesson.number, lesson.title, number, len(lesson.steps))
    set_bookmark(session.store().root, here)
    _heading(lesson, number)
    values = _values(step)
    text, figure = st.columns([5, 9], gap="medium")
    with text:
        st.markdown(f"#### {number}. {authored(step.title)}")
        st.markdown(authored(step.text))
        st.latex(step.formula)
        symbols = " · ".join(
            f"${authored(s)}$ {authored(meaning)}" for s, meaning in step.symbols.items()
        )
        st.caption(symbols)
        prediction = st.container()
    with figure:
        values = _controls(lesson, number, step, values)
        lesson_runs.figure_of_runs(
            lambda materials: lesson_figure.draw_lesson_figure(
                step, values, materials, _mover(step)
            ),
            step.needs(values) if step.needs else (),
            key=f"{lesson.name}-{number}",
        )
    with prediction:
        _try(lesson, number, step)
    _ways(lesson, number)


def _heading(lesson: Lesson, number: int) -> None:
    """Which lesson it is, and ways to the claims that this step touches, in the same row."""
    with st.container(horizontal=True, vertical_alignment="center", key="lesson-heading"):
        st.markdown(f"##### Lesson {lesson.number} · {authored(lesson.title)}", width="content")
        for claim in claims.about_step(lesson.name, number):
            nav.link(
                "claims",
                f"Claim {claim.number}",
                "fact_check",
                help=authored(claim.title),
                claim=claim.name,
            )


def _number(lesson: Lesson) -> int:
    text = state.LESSON_STEP.get() or "1"
    number = session.number_in(text)
    if number is not None and 1 <= number <= len(lesson.steps):
        return number
    raise ParameterError(
        f"The lesson {lesson.name!r} has no step {text!r}.",
        f"Its steps are 1 to {len(lesson.steps)}.",
    )


# -- controls ------------------------------------------------------------------------------------
def _values(step: LessonStep) -> dict[str, Any]:
    """Values of the controls: from the address, else the defaults."""
    values = {}
    for control in step.controls:
        asked = QueryValue(control.name)
        values[control.name] = control.value
        if asked.is_set():
            try:
                values[control.name] = control.read(asked.get())
            except ParameterError as error:
                st.warning(f"{plain(error.message)} {plain(error.hint)} The default is used.")
    return values


def _mentioned(parameter: QueryValue) -> set[str]:
    return {name for name in parameter.get().split(",") if name}


def _is_locked(name: str) -> bool:
    return not {name, "all"}.isdisjoint(_mentioned(state.LOCKED))


def _controls(
    lesson: Lesson, number: int, step: LessonStep, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw the controls in a row; return their values."""
    chosen = dict(values)
    shown = [c for c in step.controls if c.name not in _mentioned(state.HIDDEN)]
    shown = [c for c in shown if not isinstance(c, Places)]  # the figure holds these
    if not shown:
        return chosen
    for column, control in zip(st.columns([_width(c) for c in shown]), shown, strict=True):
        with column:
            key = f"lesson-{lesson.name}-{number}-{control.name}"
            chosen[control.name] = _widget(control, values[control.name], key)
    for control in shown:
        if chosen[control.name] != control.value:
            QueryValue(control.name).set(control.write(chosen[control.name]))
        else:
            QueryValue(control.name).drop()
    return chosen


def _width(control: Control) -> float:
    """Width of a control, in that of a slider: options stand side by side and do not wrap."""
    return 1 + sum(map(len, control.options)) / LETTERS if isinstance(control, Choice) else 1


def _widget(control: Control, value: Any, key: str) -> Any:
    locked = _is_locked(control.name)
    if isinstance(control, Grid):  # an editor takes its state from nobody
        return lesson_figure.grid(control, value, key=key, locked=locked)
    kept = SessionValue(key, value)
    if not kept.is_set():
        kept.set(value)
    common: dict[str, Any] = {"key": key, "disabled": locked}
    if isinstance(control, Slider):
        number = int if control.is_whole else float
        kept.set(number(kept.get()))
        low, high, step = map(number, (control.low, control.high, control.step))
        return st.slider(authored(control.label), low, high, step=step, **common)
    if isinstance(control, Choice):
        return st.segmented_control(
            authored(control.label), control.options, format_func=authored, required=True, **common
        )
    assert isinstance(control, Switch)  # places are drawn in the figure
    return st.toggle(authored(control.label), **common)


def _mover(step: LessonStep) -> lesson_figure.Mover | None:
    """What happens when a point was dragged; None if they are locked."""
    places = [c for c in step.controls if isinstance(c, Places)]
    if any(_is_locked(control.name) for control in places):
        return None

    def move(name: str, value: tuple[tuple[float, float], ...]) -> None:
        control = next(c for c in places if c.name == name)
        QueryValue(name).set(control.write(value))

    return move


def _set(lesson: Lesson, number: int, step: LessonStep, values: Mapping[str, Any]) -> None:
    """Set controls as if the user had."""
    for control in step.controls:
        if control.name in values:
            value = values[control.name]
            QueryValue(control.name).set(control.write(value))
            drawn = state.widget(f"lesson-{lesson.name}-{number}-{control.name}")
            if isinstance(control, Grid):
                drawn.forget()  # an editor holds changes, not values
            else:
                drawn.set(value)


# -- the prediction --------------------------------------------------------------------------------
def _try(lesson: Lesson, number: int, step: LessonStep) -> None:
    with st.container(border=True, key="lesson-try"):
        st.markdown(f":material/experiment: **Predict, then see.** {authored(step.try_it.text)}")
        said = session.number_in(state.SAID.get())
        options = step.try_it.options
        if said is None or said >= len(options):
            for i, option in enumerate(options):
                st.button(
                    authored(option),
                    key=f"say-{lesson.name}-{number}-{i}",
                    width="stretch",
                    disabled=_is_locked("try"),
                    on_click=_say,
                    args=(lesson, number, step, i),
                )
            return
        _verdict(step, said)
        st.button(
            "Predict again", icon=":material/undo:", type="tertiary", on_click=state.SAID.drop
        )


def _say(lesson: Lesson, number: int, step: LessonStep, option: int) -> None:
    state.SAID.set(str(option))
    _set(lesson, number, step, step.try_it.sets)


def _verdict(step: LessonStep, said: int) -> None:
    values = {c.name: c.value for c in step.controls} | dict(step.try_it.sets)
    materials = lesson_runs.materials_of(step.needs(values)) if step.needs else ()
    if materials is None:
        st.caption("The answer comes once the run is done.")
        return
    right, why = step.try_it.outcome(values, materials)
    option = step.try_it.options[said]
    if said == right:
        st.success(f"**{authored(option)}**: yes. {authored(why)}", icon=":material/check:")
    else:
        truth = step.try_it.options[right]
        st.info(
            f"You said: {authored(option)}. It is: **{authored(truth)}**. {authored(why)}",
            icon=":material/lightbulb:",
        )


# -- ways ----------------------------------------------------------------------------------------
def _ways(lesson: Lesson, number: int) -> None:
    """Dots of the steps, back and next."""
    with st.container(horizontal=True, key="lesson-ways", vertical_alignment="center"):
        _door("All lessons", "apps", None)
        if number > 1:
            st.button("Back", icon=":material/chevron_left:", on_click=_go, args=(number - 1,))
        for i, step in enumerate(lesson.steps, 1):
            st.button(
                plain(i),
                key=f"dot-{i}",
                help=authored(step.title),
                type="primary" if i == number else "tertiary",
                on_click=_go,
                args=(i,),
            )
        if number < len(lesson.steps):
            st.button(
                "Next",
                icon=":material/chevron_right:",
                icon_position="right",
                type="primary",
                on_click=_go,
                args=(number + 1,),
            )
        else:
            _onward(lesson)


def _go(number: int) -> None:
    """Go to another step; what belonged to this one leaves the address."""
    kept = (*OF_ALL_LESSONS, state.LESSON.key)
    state.keep_in_address(kept, **{state.LESSON_STEP.key: str(number)})


def _onward(lesson: Lesson) -> None:
    following = [x for x in catalogue.lessons().values() if x.number > lesson.number]
    if following:
        _door(f"Next: {authored(following[0].title)}", "school", following[0].name)
    if lesson.methods:
        nav.link("train", "Train it yourself", "play_circle", method=lesson.methods[0], form="next")
