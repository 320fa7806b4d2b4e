"""How long the figures of the lessons take in a real browser: python -m tests.bench.lesson_steps.

Every lesson is walked through once. Measured are the way to a step, until its figure stands there,
and the answer to its prediction, which moves its controls and computes its figure anew. Steps that
draw on runs are left out unless `--runs` names a folder in which these have been trained.
"""

import argparse
import statistics
import tempfile

from clustlab.course import catalogue
from clustlab.course.lesson import Lesson
from tests.bench import in_page
from tests.bench.harness import report
from tests.support.browser import browser, server

READY = "document.querySelector('.st-key-dot-{} button[kind=primary]')"  # drawn after the figure
ANSWERED = "document.querySelector('.st-key-lesson-try [data-testid=stAlert]')"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", nargs="+", default=list(catalogue.lessons()))
    parser.add_argument("--runs", help="folder with the runs that lessons need")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        with server(args.runs or folder) as address:
            rows = [
                walked(page, address, catalogue.lesson(name), with_runs=bool(args.runs))
                for name in args.lessons
            ]
    report("Figures of lessons", rows, **vars(args))
    return 0


def walked(page, address: str, lesson: Lesson, *, with_runs: bool) -> dict[str, object]:
    """Times of one lesson, in milliseconds, and its steps that took more than a second."""
    page.goto(f"{address}/learn?lesson={lesson.name}")
    page.locator(".st-key-dot-1 button[kind=primary]").first.wait_for()
    page.wait_for_timeout(3000)
    in_page.install(page)
    ways, answers, slow = [], [], []
    for number, step in enumerate(lesson.steps, 1):
        if number > 1:
            on = page.locator(f".st-key-dot-{number} button").first
            ways.append(in_page.seconds(page, on.click, READY.format(number)))
        taken = [ways[-1]] if number > 1 else []
        if with_runs or not step.needs:
            choices = page.locator(".st-key-lesson-try")
            first = choices.get_by_role("button", name=step.try_it.options[0], exact=True)
            answers.append(in_page.seconds(page, first.click, ANSWERED))
            taken.append(answers[-1])
        if max(taken, default=0) > 1:
            slow.append(number)
    return {
        "lesson": lesson.name,
        **_ends(ways, "to a step ms"),
        **_ends(answers, "answer ms"),
        "steps above 1 s": ", ".join(map(str, slow)),
    }


def _ends(times: list[float], what: str) -> dict[str, object]:
    """Median and longest in milliseconds: a lesson has too few steps for a percentile."""
    found = {"median": statistics.median, "longest": max}
    return {f"{what} ({name})": round(1000 * of(times)) for name, of in found.items() if times}


if __name__ == "__main__":
    raise SystemExit(main())
