"""Further lessons in a real browser: every step is predicted, judged and left for the next."""

import re

import pytest
from playwright.sync_api import expect

from clustlab.course import catalogue
from tests.support.browser import PATIENCE, fits, formulas_fit, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
WALKED = ("iic", "information", "pairs", "neighbours", "trees", "local-aggregation")


def shown(page):
    """Main part of the page as text, formulas and emphasis left out."""
    return page.locator("[data-testid=stMain]").inner_text()


def predict(page, step):
    """Say the first option; the answer below is the one computed here, numbers and all."""
    options = page.locator(".st-key-lesson-try")  # the numbers of the steps are buttons too
    options.get_by_role("button", name=step.try_it.options[0], exact=True).click()
    if step.needs:
        return
    values = {c.name: c.value for c in step.controls} | dict(step.try_it.sets)
    right, why = step.try_it.outcome(values, ())
    verdict = page.locator(".st-key-lesson-try [data-testid=stAlert]")
    expect(verdict).to_contain_text(step.try_it.options[right], timeout=PATIENCE)
    numbers = re.findall(r"\d+\.\d+", why)
    for number in numbers:
        expect(verdict).to_contain_text(number)
    assert ("You said" in verdict.inner_text()) == (right != 0)


@pytest.mark.parametrize("name", WALKED)
def test_a_lesson_is_walked_through(address, page, name):
    lesson = catalogue.lesson(name)
    page.goto(f"{address}/learn?lesson={name}")
    for number, step in enumerate(lesson.steps, 1):
        heading = page.get_by_role("heading", name=f"{number}. {step.title}")
        expect(heading).to_be_visible(timeout=PATIENCE)
        settle(page)
        predict(page, step)
        settle(page)
        fits(page)
        formulas_fit(page)
        assert "encountered an error" not in shown(page)
        if number < len(lesson.steps):
            page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("link", name="Train it yourself")).to_be_visible(timeout=PATIENCE)
