"""A lesson as one HTML file: its steps with figures that stand still, and the runs they draw on.

Each step shows its figure as it begins and, once a prediction is made, as it becomes. The runs are
replay pages of their own within the file.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import clustlab
from clustlab.analysis.timeline import Timeline
from clustlab.course import catalogue
from clustlab.course.lesson import Lesson, LessonStep, Material
from clustlab.errors import RunNotFound
from clustlab.replay import html, lesson_html
from clustlab.replay.page import Limits, Page, page, script
from clustlab.runs import titles
from clustlab.runs.identity import comes_from
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.types import Report

SCRIPT, STYLE = "lesson.js", "lesson.css"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A step of a lesson before and after what is to be tried, and the runs of either."""

    of: LessonStep
    begin: dict[str, Any]
    after: dict[str, Any]
    runs: tuple[Run, ...]  # that the first figure draws on
    runs_after: tuple[Run, ...]


def missing_runs(store: RunStore, name: str) -> list[RunSpec]:
    """Runs that a lesson needs and that are not here, each once.

    Raises
    ------
    ParameterError
        If there is no such lesson.
    """
    wanted: list[RunSpec] = []
    for step in catalogue.lesson(name).steps:
        for spec in (spec for values in _values(step) for spec in _needed(step, values)):
            if spec not in wanted:
                wanted.append(spec)
    return [spec for spec in wanted if _newest(store, spec) is None]


def lesson_page(
    store: RunStore, name: str, limits: Limits, report: Report = lambda *_: None
) -> Page:
    """Page of a lesson with the newest of the runs that it needs.

    Raises
    ------
    ParameterError
        If there is no such lesson.
    RunNotFound
        If runs that it needs are not here, or cannot be read.
    """
    lesson = catalogue.lesson(name)
    if missing := missing_runs(store, name):
        raise RunNotFound(
            f"The lesson {name!r} needs {_runs(len(missing))} not here: "
            f"{'; '.join(map(_told, missing))}.",
            "Give --train to train what is missing, or open the lesson and train it there.",
        )
    shown = [_shown(store, step) for step in lesson.steps]
    runs = list({r.id: r for each in shown for r in (*each.runs, *each.runs_after)}.values())
    materials = {run.id: _material(store, run) for run in runs}
    called = dict(zip([run.id for run in runs], titles.titles(runs), strict=True))
    sections = []
    for number, each in enumerate(shown, 1):
        report(f"Drawing step {number}", 0.5 * number / len(shown))
        sections.append(_section(number, each, materials, called))
    packs = []
    for i, run in enumerate(runs):
        report(f"Adding {called[run.id]}", 0.5 + 0.5 * i / len(runs))
        replay = page(store, [run.id], limits).html
        packs.append(html.in_element(f"replay-{run.id}", zlib.compress(replay, 9)))
    report("Writing the page", 1.0)
    file = _file(lesson, sections, packs)
    return Page(file, lesson.title, len(shown))


def _values(step: LessonStep) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of the controls as a step begins, and once its prediction is made."""
    begin = {control.name: control.value for control in step.controls}
    return begin, {**begin, **step.try_it.sets}


def _needed(step: LessonStep, values: dict[str, Any]) -> Sequence[RunSpec]:
    return step.needs(values) if step.needs else ()


def _newest(store: RunStore, spec: RunSpec) -> Run | None:
    """Newest finished run of these settings."""
    done = (run for run in store.runs() if run.status == "done" and comes_from(run, spec))
    return next(done, None)


def _runs(count: int) -> str:
    return "a run that is" if count == 1 else f"{count} runs that are"


def _told(spec: RunSpec) -> str:
    """A run that is wanted, in words."""
    settings = " ".join(f"{name}={value}" for name, value in spec.method_params.items())
    return f"{spec.method} on {spec.dataset}, {settings}" if settings else spec.method


def _shown(store: RunStore, step: LessonStep) -> _Shown:
    begin, after = _values(step)

    def runs(values: dict[str, Any]) -> tuple[Run, ...]:
        found = (_newest(store, spec) for spec in _needed(step, values))
        return tuple(run for run in found if run is not None)

    return _Shown(step, begin, after, runs(begin), runs(after))


def _material(store: RunStore, run: Run) -> Material:
    dataset = store.dataset(run)
    timeline = Timeline(run, dataset.labels, n_classes=len(dataset.class_names))
    timeline.extend()
    return Material(run, dataset, timeline)


# -- HTML --------------------------------------------------------------------------------------
def _section(
    number: int, shown: _Shown, materials: dict[str, Material], called: dict[str, str]
) -> str:
    step, show = shown.of, lesson_html.text
    before = _figure(step, shown.begin, [materials[run.id] for run in shown.runs])
    after = _figure(step, shown.after, [materials[run.id] for run in shown.runs_after])
    right, why = step.try_it.outcome(shown.after, [materials[run.id] for run in shown.runs_after])
    symbols = " · ".join(
        f"{lesson_html.math(tex)} {show(meaning)}" for tex, meaning in step.symbols.items()
    )
    options = "".join(
        f'<button type="button" data-says="{"right" if i == right else "wrong"}">{show(o)}</button>'
        for i, o in enumerate(step.try_it.options)
    )
    replays = "".join(
        f'<button type="button" class="replay" data-run="{escape(run_id)}">'
        f"Replay {escape(called[run_id])}</button>"
        for run_id in dict.fromkeys(run.id for run in (*shown.runs, *shown.runs_after))
    )
    return f"""
<section class="step" id="step-{number}">
  <div class="words">
    <h2>{number}. {show(step.title)}</h2>
    <p>{show(step.text)}</p>
    <div class="formula" tabindex="0">{lesson_html.math(step.formula, is_block=True)}</div>
    <p class="symbols">{symbols}</p>
    <div class="predict">
      <p><b>Predict, then see.</b> {show(step.try_it.text)}</p>
      <div class="options">{options}</div>
      <div class="verdict" hidden aria-live="polite"><p class="said"></p>
        <p>It is: <b>{show(step.try_it.options[right])}</b>. {show(why)}</p></div>
    </div>
  </div>
  <div class="figures">
    <div class="figure begin">{before}</div>
    <div class="figure after" hidden>{after}</div>
    <div class="replays">{replays}</div>
  </div>
</section>"""


def _figure(step: LessonStep, values: dict[str, Any], materials: Sequence[Material]) -> str:
    told = filter(None, (lesson_html.setting(c, values[c.name]) for c in step.controls))
    parts = [lesson_html.element(part, values) for part in step.figure(values, materials)]
    settings = " · ".join(map(lesson_html.text, told))
    return "".join([f'<p class="settings">{settings}</p>' if settings else "", *parts])


def _file(lesson: Lesson, sections: Sequence[str], packs: Sequence[str]) -> bytes:
    style, code = html.asset(STYLE), html.asset(SCRIPT)
    ways = "".join(
        f'<a href="#step-{i}">{i}. {escape(step.title)}</a>'
        for i, step in enumerate(lesson.steps, 1)
    )
    # a replay within the page has its own script and style, and this policy besides its own
    scripts, styles = [code, script()], [style, html.asset("replay.css")]
    return html.filled(
        "lesson.html",
        POLICY=html.policy(scripts, styles),
        TITLE=escape(f"Lesson {lesson.number}: {lesson.title}"),
        IDEA=lesson_html.text(lesson.idea),
        STYLE=style,
        SCRIPT=code,
        WAYS=ways,
        STEPS="".join(sections),
        PACKS="\n".join(packs),
        VERSION=escape(clustlab.__version__),
    )
